"""docs/faults.md is what the registry of faults says, and its way to name a fault is the command line's."""

from __future__ import annotations

import re

import pytest

from bench.server.faults import KNOWN, parse_fault
from tests.docs.pages import ROOT, faults_page

PAGE = (ROOT / "docs" / "faults.md").read_text("utf-8")


def test_the_committed_page_is_in_step_with_the_registry() -> None:
    assert faults_page() == PAGE, "docs/faults.md is stale: python -m tests.docs.pages"


def test_every_fault_has_one_line() -> None:
    rows = re.findall(r"^\| `([\w-]+)[^`]*` \| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE)
    assert sorted((name, kind) for name, kind, _ in rows) == sorted((one.name, one.__name__) for one in KNOWN)
    assert all(told.strip() for _, _, told in rows)


@pytest.mark.parametrize("usage", re.findall(r"^\| `([^`]+)` \| `\w+` \|", PAGE, re.MULTILINE))
def test_what_a_line_names_is_understood(usage: str) -> None:
    """The brackets and dots of the page are the only thing that the command line does not take."""
    values = {"after": "5", "by": "7", "piece": "3", "location": "https://127.0.0.1/x", "code": "503", "version": "1.2"}
    given = re.sub(r"\[(\w+=[^]]*)\]", r"\1", usage)
    given = re.sub(r"(\w+)=\.\.\.", lambda found: f"{found[1]}={values[found[1]]}", given)
    assert parse_fault(given).name == usage.partition(":")[0]
