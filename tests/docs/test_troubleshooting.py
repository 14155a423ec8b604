"""docs/troubleshooting.md speaks of messages in the words in which the bench says them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")

OTHERS = ("boards.yaml:…", "unrecognized arguments: --board", "AT", "certificate verify failed", "-0x2700")
"""What other programs say, or what is no message."""


def _symptoms() -> list[str]:
    heads = re.findall(r"^### (.*)$", PAGE, re.MULTILINE)
    return [span for head in heads for span in re.findall(r"`([^`]+)`", head) if span not in OTHERS]


def _told() -> Iterator[str]:
    """Every text in the sources, with a NUL for what is put into it."""
    for room in ("bench", "fixtures"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
                elif isinstance(node, ast.ClassDef):
                    yield node.name


TOLD = tuple(_told())


def test_there_are_symptoms() -> None:
    assert len(_symptoms()) > 30


@pytest.mark.parametrize("symptom", _symptoms())
def test_the_bench_says_so(symptom: str) -> None:
    wanted = re.compile(".*".join(map(re.escape, (part.strip() for part in symptom.split("…")))), re.DOTALL)
    assert any(wanted.search(text) for text in TOLD), f"nothing in bench/ or fixtures/ says {symptom!r}"
