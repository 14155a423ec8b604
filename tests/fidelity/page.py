"""docs/fidelity.md: the part between its two marks is made here, from the real consoles and the virtual board's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.fidelity.compare import Comparison

__all__ = ["BEGIN", "END", "PAGE", "details", "logs", "made", "row", "section"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fidelity.md"
BEGIN = "<!-- made by `python -m tests.fidelity`: begin -->"
END = "<!-- made by `python -m tests.fidelity`: end -->"
_TRUTH = PAGE.parents[2] / "shared" / "reference" / "serial" / "truth.json"


def logs() -> list[str]:
    """Names of all real consoles, without ``.log``; none where there are none."""
    return sorted(name.removesuffix(".log") for name in json.loads(_TRUTH.read_text())) if _TRUTH.exists() else []


def row(comparison: Comparison) -> str:
    """The log's line of the table."""
    told = "none"
    if comparison.differences:
        told = f"{len(comparison.differences)} lines, [below](#{_anchor(comparison.log)})"
    return f"| {comparison.log} | {comparison.equal} of {comparison.lines} | {told} |"


def details(comparison: Comparison) -> str:
    """Every line that differs, and why."""
    parts = [f"#### {comparison.log}\n"]
    for reason in dict.fromkeys(one.reason for one in comparison.differences):
        assert reason is not None, comparison.unexplained
        found = Counter(f"{one.side:<7} {_plain(one.line)}" for one in comparison.differences if one.reason == reason)
        lines = [line + (f"   (x {times})" if times > 1 else "") for line, times in found.items()]
        parts.append("\n".join([reason.text, "", "```text", *(line.rstrip() for line in lines), "```", ""]))
    return "\n".join(parts)


def section(comparisons: Sequence[Comparison]) -> str:
    """The whole part between the marks."""
    differing = [one for one in comparisons if one.differences]
    lines = sum(one.lines for one in comparisons)
    equal = sum(one.equal for one in comparisons)
    head = (
        f"{len(comparisons)} consoles, {lines} lines, {equal} of them equal and in the same order; "
        f"{len(comparisons) - len(differing)} consoles are equal as a whole."
    )
    table = ["| console | lines equal | differences |", "|---|---|---|", *map(row, comparisons)]
    return "\n".join([head, "", *table, "", *map(details, differing)]).rstrip() + "\n"


def made(page: str) -> str:
    """The made part of a page."""
    return page.partition(BEGIN)[2].partition(END)[0].strip() + "\n"


def _anchor(log: str) -> str:
    return log.replace(".", "").lower()


def _plain(line: str) -> str:
    return line.replace("\x1b", "\\e").replace("\r", "\\r") or "(an empty line)"
