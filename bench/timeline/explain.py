"""How a failure tells its story: what was expected, what came, the entries around it, and decoded causes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from bench.timeline.entries import Entry, Value

__all__ = ["Decode", "absence", "describe", "divergence", "name_of", "story"]

Decode: TypeAlias = "Callable[[str], str | None]"
"""A log message to the cause it names, in words; None where the message names none."""

AROUND = 15
"""How many entries a failure shows."""

LONGEST = 160
"""Characters of one value before it is cut."""


def name_of(predicate: object) -> str:
    """What a predicate looks for, in words: a matcher's own, or the name of a function."""
    name = getattr(predicate, "__name__", None)
    return f"an entry for which {name} holds" if isinstance(name, str) else str(predicate)


def describe(entry: Entry) -> str:
    """One entry on one line: index, seconds, source, kind, and what it says."""
    return f"#{entry.index:<4} {entry.at:9.3f} s  {entry.source:<8} {entry.kind:<8} {_telling(entry)}".rstrip()


def _telling(entry: Entry) -> str:
    data = entry.data
    if entry.kind == "record" and "message" in data:
        level, ms = data.get("level"), data.get("ms")
        head = (f"{_short(level)} " if level else "") + (f"({_short(ms)}) " if ms is not None else "")
        return f"{head}{_short(data.get('tag'))}: {_short(data['message'])}"
    if entry.kind == "event" and "name" in data:
        payload = data.get("payload")
        return _short(data["name"]) + (f" ({_short(payload)})" if payload is not None else "")
    return " ".join(f"{name}={_short(value)}" for name, value in data.items() if value is not None)


def _short(value: Value) -> str:
    if isinstance(value, str):
        text = value if value.isprintable() else repr(value)[1:-1]
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(f"{name}: {_short(item)}" for name, item in value.items()) + "}"
    else:
        text = repr(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def story(entries: Sequence[Entry], decode: Decode | None = None, mark: int | None = None) -> list[str]:
    """The entries, one a line, the one with index `mark` pointed at, decoded causes below what names them."""
    lines: list[str] = []
    for entry in entries:
        lines.append(f"{'>>' if entry.index == mark else '  '} {describe(entry)}")
        message = entry.get("message")
        cause = decode(message) if decode is not None and isinstance(message, str) else None
        if cause is not None:
            lines.append(f"         cause: {cause}")
    return lines


def absence(awaited: str, reason: str, entries: Sequence[Entry], after: int, decode: Decode | None) -> str:
    """The text for something that did not come."""
    seen = entries[max(after + 1, 0) :]
    lines = [f"expected {awaited}, which did not come {reason}"]
    if seen:
        lines.append(f"{len(seen)} entries came instead, the last of them:")
        lines += story(seen[-AROUND:], decode)
    else:
        lines.append("nothing came at all since then; before that:")
        lines += story(entries[-AROUND:], decode) or ["   (the timeline is empty)"]
    return "\n".join(lines)


def divergence(
    expected: Sequence[str], problem: str, entries: Sequence[Entry], culprit: Entry | None, decode: Decode | None
) -> str:
    """The text for a sequence that was left: its steps as given, the problem, the entries up to and around it."""
    lines = ["expected this sequence:", *expected, problem, "the timeline around it:"]
    end = culprit.index + 3 if culprit is not None else len(entries)
    around = entries[max(0, min(end, len(entries)) - AROUND) : end]
    lines += story(around, decode, culprit.index if culprit is not None else None) or ["   (the timeline is empty)"]
    return "\n".join(lines)
