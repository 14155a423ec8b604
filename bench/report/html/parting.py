"""The timeline of a scenario as its page needs it: what happened, parted from the lines that the device just logs.

Nine entries of ten are such lines. The page shows them as the console has them, and of the timeline it needs no more
than when they came and their level: they are looked at once, all of them in one pass, and no `Entry` is made of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from bench.report.html.untrusted import DEEPEST, is_deep, parse
from bench.timeline import Entry

__all__ = ["LONGEST_RUN", "Parted", "part", "told_console"]

LONGEST_RUN = 1e9
"""Seconds: what claims to have come later is no entry."""

_MOST_LINES = 1_000_000

_FIELDS = itemgetter("index", "at", "source", "kind", "data")
_SECONDS = (float, int)
_LEVELS = frozenset("EWIDV")
_GRAVE = frozenset("EW")


@dataclass
class Parted:
    """A timeline, parted. Lines of the console are known by their numbers.

    Attributes:
        entries: what is more than a line that the device logs, in order: its warnings and errors, what lines mean,
            and all that others did
        after: for each of these, the newest line when it came; 0 before the first
        levels: the level of each line that has one
        said: when each line was first told, in seconds
        line_of: the line that an entry of the console is about, by the index of the entry
        newest: the newest line
        end: when the last of the entries came, in seconds
    """

    entries: list[Entry] = field(default_factory=list)
    after: list[int] = field(default_factory=list)
    levels: dict[int, str] = field(default_factory=dict)
    said: dict[int, float] = field(default_factory=dict)
    line_of: dict[int, int] = field(default_factory=dict)
    newest: int = 0
    end: float = 0.0

    def when(self, index: int) -> float | None:
        """When the entry with this index came, in seconds; None where there is none."""
        here = next((entry.at for entry in self.entries if entry.index == index), None)
        return here if here is not None else self.said.get(self.line_of.get(index, -1))


def part(data: bytes, confirmed_by: str = "") -> tuple[Parted, list[int]]:
    """The timeline in these lines of JSON, and which of them (from 1) are no entries, and so left out.

    Args:
        data: the lines, in UTF-8; empty ones count for nothing
        confirmed_by: words in which the firmware tells that it is confirmed: a line with them is more than a line
    """
    parted = Parted()
    told = _all_of(data)
    if told is not None and _take(parted, told, confirmed_by):
        return parted, []
    parted, broken = Parted(), []
    for number, line in _lines(data):
        one = _parsed(line, 1)
        if one is None or not _take(parted, one, confirmed_by):
            broken.append(number)
    return parted, broken


def _lines(data: bytes) -> Iterable[tuple[int, bytes]]:
    """Those that are not empty, with their numbers."""
    return ((number, line) for number, line in enumerate(data.split(b"\n"), start=1) if line.strip())


def _all_of(data: bytes) -> list[Any] | None:
    """What the lines hold, parsed in one piece, which takes a third of the time; None where one of them is no JSON."""
    body = data[:-1] if data.endswith(b"\n") else data
    return _parsed(body.replace(b"\n", b","), body.count(b"\n") + 1)


def _parsed(values: bytes, number: int) -> list[Any] | None:
    """That many values of JSON with commas between them; None where there is anything else."""
    text = b"[%b]" % values
    try:
        told = parse(text, "replace")
    except ValueError:
        return None
    if not isinstance(told, list) or len(told) != number:
        return None
    # Each entry has two brackets of its own; where there are not many more, none of them can be deep.
    if text.count(b"[") + text.count(b"{") >= 2 * number + DEEPEST and any(map(is_deep, told)):
        return None
    return told


def _take(parted: Parted, told: Iterable[Any], confirmed_by: str) -> bool:
    """Add these entries; False where one of them is none, with those before it added.

    Unlike those of `bench.timeline.from_json`, their data is as JSON has it: a page shows it, and nothing compares it.
    """
    entries, after, line_of, said, levels = parted.entries, parted.after, parted.line_of, parted.said, parted.levels
    newest, end = parted.newest, parted.end
    for one in told:
        try:
            index, at, source, kind, data = _FIELDS(one)
        except (KeyError, TypeError):  # without one of them, or no object
            return False
        # What comes out of JSON is of these very types, so to ask for them by name is enough, and fast.
        if type(index) is not int or type(data) is not dict or type(at) not in _SECONDS or not 0 <= at < LONGEST_RUN:
            return False
        if at > end:
            end = at
        if source == "console":
            number = data.get("line_no")
            if type(number) is int:
                line_of[index] = number
            if kind == "record" or kind == "noise":
                level = data.get("level")
                if type(level) is not str or level not in _LEVELS:
                    level = None
                if type(number) is int:
                    if number > newest:
                        newest = number
                    if number not in said:
                        said[number] = at
                    if level is not None and number not in levels:
                        levels[number] = level
                if level not in _GRAVE and not (confirmed_by and confirmed_by in str(data.get("message"))):
                    continue
        if type(source) is not str or type(kind) is not str:
            return False
        entries.append(Entry(index, at, source, kind, data))
        after.append(newest)
    parted.newest, parted.end = newest, end
    return True


def told_console(timeline: bytes) -> bytes:
    """What the timeline in these lines has of a console that is missing: the text of each line that was told."""
    found: dict[int, str] = {}
    for _, line in _lines(timeline):
        parsed = _parsed(line, 1)
        if parsed is None or not _take(Parted(), parsed, ""):
            continue
        _, _, source, kind, data = _FIELDS(parsed[0])
        number = data.get("line_no")
        if source == "console" and type(number) is int and 0 < number < _MOST_LINES:
            if kind == "record":
                found[number] = f"{data.get('level')} ({data.get('ms')}) {data.get('tag')}: {data.get('message')}"
            elif kind == "noise":
                found[number] = str(data.get("text"))
    newest = max(found, default=0)
    texts = (found.get(number, "").replace("\n", " ") for number in range(1, newest + 1))
    return "".join(f"{text}\n" for text in texts).encode("utf-8", "replace")
