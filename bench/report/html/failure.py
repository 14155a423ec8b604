"""Why a scenario did not pass: the expectation that failed, the device's own reason, decoded panics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.report.html.listing import Listing
from bench.report.html.reading import Case
from bench.report.html.telling import clean, key
from bench.timeline import Decode, Entry

__all__ = ["Failure", "failure", "failure_data", "panics_data"]

MOST_TEXT = 20_000
"""Characters of a failure's whole text."""


@dataclass(frozen=True)
class Failure:
    """Why, in two lines.

    Attributes:
        cause: the first line of what the scenario complained of
        device: what the device said of it: its panic, or the first error since the update was started, decoded
    """

    cause: str
    device: str = ""


def failure(case: Case, decode: Decode | None) -> Failure:
    """The first cause of a scenario that did not pass; of one that was skipped, the reason."""
    cause = case.text("cause")
    if case.outcome == "unfinished":
        cause = cause or "the scenario did not come to its end: the run was killed, or it still goes on"
    elif case.outcome == "unknown":
        cause = case.damage[0] if case.damage else "the evidence does not say how it ended"
    if case.outcome in ("passed", "skipped"):
        return Failure(clean(cause))
    said = _said_by_device(case, decode)
    return Failure(clean(cause), clean(said))


def _said_by_device(case: Case, decode: Decode | None) -> str:
    last = _culprit(case)
    first_error: Entry | None = None
    panic: Entry | None = None
    for entry in case.timeline.entries:
        if last is not None and entry.index > last:
            break
        if entry.kind == "start":
            first_error = panic = None
        elif entry.kind == "panic" and panic is None:
            panic = entry
        elif entry.kind == "record" and entry.get("level") == "E" and first_error is None:
            first_error = entry
    if panic is not None:
        return str(panic.get("reason"))
    if first_error is None:
        return ""
    message = str(first_error.get("message"))
    cause = decode(message) if decode is not None else None
    return f"{first_error.get('tag')!s}: {message}" + (f" ({cause})" if cause else "")


def _expectation(case: Case) -> Mapping[str, object]:
    told = case.told.get("expectation")
    return told if isinstance(told, dict) else {}


def _culprit(case: Case) -> int | None:
    index = _expectation(case).get("index")
    return index if isinstance(index, int) else None


def failure_data(case: Case, listing: Listing) -> dict[str, object] | None:
    """For the page: ``wanted`` (fate, text, row, times), ``instead``, ``text``; ``row`` and ``at`` of what diverged."""
    if case.outcome in ("passed", "skipped"):
        return None
    told, culprit = _expectation(case), _culprit(case)
    wanted = told.get("wanted")
    steps = []
    for step in wanted if isinstance(wanted, list) else ():
        if isinstance(step, dict):
            times, row = step.get("times"), listing.row(step.get("index"))
            often = times if isinstance(times, int) else 1
            steps.append([str(step.get("fate")), clean(str(step.get("text"))), row, often])
    return {
        "wanted": steps,
        "instead": clean(str(told.get("instead") or "")),
        "row": listing.row(culprit),
        "at": case.timeline.when(culprit) if culprit is not None else None,
        "text": "\n".join(map(clean, case.text("message")[:MOST_TEXT].split("\n"))),
    }


def panics_data(case: Case, listing: Listing) -> list[dict[str, object]]:
    """The panics with what their addresses mean, or why that is not known."""
    told = case.told.get("panics")
    decoded = {key(p.get("line_no")): p for p in told if isinstance(p, dict)} if isinstance(told, list) else {}
    found: list[dict[str, object]] = []
    for entry in case.timeline.entries:
        if entry.kind == "panic":
            known = decoded.get(key(entry.get("line_no")), {})
            lines = known.get("decoded")
            found.append(
                {
                    "reason": clean(str(entry.get("reason"))),
                    "row": listing.row(entry.index),
                    "last": listing.line(entry.get("last_line_no")),
                    "lines": [clean(str(line)) for line in lines] if isinstance(lines, list) else [],
                    "why_not": clean(str(known.get("why_not") or ("" if lines else _UNDECODED))),
                }
            )
    return found


_UNDECODED = "its addresses were not decoded: the evidence holds nothing about the build's ELF file"
