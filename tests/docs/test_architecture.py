"""docs/architecture.md names every room, and imports as they are; files that any page speaks of are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
ROOMS = sorted(path.name for path in (ROOT / "bench").iterdir() if (path / "__init__.py").exists())
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _imports(room: str) -> set[str]:
    """The rooms that a room imports, `errors` apart: everybody may."""
    found: set[str] = set()
    for path in (ROOT / "bench" / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            found |= {name.split(".")[1] for name in names if name.startswith("bench.")}
    return found - {room, "errors", "processes"}


def _told(text: str) -> set[str]:
    return set() if text == "nothing" else {name.strip() for name in text.split(",")}


def test_every_room_stands_in_the_table() -> None:
    assert sorted(re.findall(r"^\| `bench/(\w+)` \| [^|]+ \| [^|]+ \|$", PAGE, re.MULTILINE)) == ROOMS


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "cli"])
def test_a_room_imports_what_the_table_says(room: str) -> None:
    row = re.search(rf"^\| `bench/{room}` \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert row is not None
    assert _told(row[1].strip()) == _imports(room)


def test_every_room_within_a_room_is_named() -> None:
    folders = {path.parent for path in (ROOT / "bench").glob("*/*/*") if path.is_file() and path.suffix != ".pyc"}
    within = {str(folder.relative_to(ROOT)) for folder in folders if folder.name != "__pycache__"}
    assert {name for name in within if f"`{name}`" not in PAGE} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`((?:bench|fixtures|scenarios|tests|benchmarks|docs)/[\w./-]+)`", page.read_text("utf-8"))
    made = {"scenarios/test_mine.py"}
    assert [name for name in named if not (ROOT / name).exists() and name not in made] == []
