"""The console of one scenario as rows of text, with what server and bench did standing where it happened.

A row is a string whose first character says what it is: a log level (``E W I D V``), ``-`` for a line of the device
without one, ``s`` for the server, ``b`` for the bench and the board's supply, ``!`` for a gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.report.html.telling import LONGEST, clean, tell
from bench.timeline import Decode, Entry

__all__ = ["Listing", "listing"]

MOST, HEAD = 6000, 1500
"""Rows that are shown, and how many of them from the beginning where there are more."""

_MOST_OF_LINE = 4 * LONGEST
"""Bytes of a line that are looked at."""

_LEVELS = frozenset("EWIDV")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LEVEL = re.compile(r"([EWIDV]) \([0-9:. \-]{1,21}\) ")


@dataclass(frozen=True)
class Listing:
    """The rows, and where in them an entry or a line stands.

    Attributes:
        causes: decoded error codes by row
        numbers: the console's line number of each row, 0 for what the device did not say
    """

    rows: list[str]
    numbers: list[int]
    causes: dict[int, str] = field(default_factory=dict)
    _of_entry: dict[int, int] = field(default_factory=dict)
    _of_line: dict[int, int] = field(default_factory=dict)

    def row(self, entry: Entry) -> int | None:
        """The row of an entry; None where it was left out."""
        found = self._of_entry.get(entry.index)
        return found if found is not None else self.line(entry.get("line_no"))

    def line(self, number: object) -> int | None:
        """The row of a line of the console."""
        return self._of_line.get(number) if isinstance(number, int) else None


def listing(console: bytes | None, entries: Sequence[Entry], decode: Decode | None) -> Listing:
    """The rows of a console, with the entries of other sources between them."""
    lines = console.split(b"\n") if console is not None else _told_lines(entries)
    if lines and not lines[-1]:
        lines.pop()
    levels, causes, between = _what_is_known(entries, len(lines), decode)
    texts = _texts(lines)
    left_out = _left_out(lines, between)
    made = Listing([], [])
    for number in range(len(lines) + 1):
        if number in left_out:
            if number == left_out.start:
                made.rows.append(f"!{len(left_out):,} lines are left out here: console.raw has them")
                made.numbers.append(0)
            continue
        if number:
            text = texts[number - 1]
            level = levels.get(number) or _level(text)
            made._of_line[number] = len(made.rows)
            if number in causes:
                made.causes[len(made.rows)] = causes[number]
            made.rows.append(level + text)
            made.numbers.append(number)
        for entry in between.get(number, ()):
            made._of_entry[entry.index] = len(made.rows)
            made.rows.append(("s" if entry.source == "server" else "b") + tell(entry))
            made.numbers.append(0)
    return made


def _what_is_known(
    entries: Iterable[Entry], lines: int, decode: Decode | None
) -> tuple[dict[int, str], dict[int, str], dict[int, list[Entry]]]:
    """By line of the console: its level, the cause it names, and the entries of others that came after it."""
    levels: dict[int, str] = {}
    causes: dict[int, str] = {}
    between: dict[int, list[Entry]] = {}
    newest = 0
    for entry in entries:
        if entry.source != "console":
            between.setdefault(min(newest, lines), []).append(entry)
            continue
        number = entry.data.get("line_no")
        if isinstance(number, int) and entry.kind in ("record", "noise"):
            newest = max(newest, number)
            level = entry.data.get("level")
            if isinstance(level, str) and level in _LEVELS:
                levels.setdefault(number, level)
            if level in ("E", "W") and decode is not None:
                message = entry.data.get("message")
                cause = decode(message) if isinstance(message, str) else None
                if cause is not None:
                    causes[number] = clean(cause)
    return levels, causes, between


def _told_lines(entries: Iterable[Entry]) -> list[bytes]:
    """What the timeline has of a console that is missing."""
    lines: dict[int, str] = {}
    for entry in entries:
        number, level = entry.get("line_no"), entry.get("level")
        if entry.source == "console" and isinstance(number, int) and 0 < number < 1_000_000:
            if entry.kind == "record":
                lines[number] = f"{level!s} ({entry.get('ms')!s}) {entry.get('tag')!s}: {entry.get('message')!s}"
            elif entry.kind == "noise":
                lines[number] = str(entry.get("text"))
    newest = max(lines, default=0)
    return [lines.get(number, "").encode("utf-8", "replace") for number in range(1, newest + 1)]


def _left_out(lines: Sequence[bytes], between: dict[int, list[Entry]]) -> range:
    """Lines in the middle of a console that is longer than what a page can show."""
    extra = len(lines) + sum(map(len, between.values())) - MOST
    return range(HEAD, min(HEAD + extra, len(lines))) if extra > 0 else range(0)


def _texts(lines: Sequence[bytes]) -> list[str]:
    """Each line as it is shown. All of them are decoded together: none can reach into the next one."""
    if not lines:
        return []
    cut = [line[:_MOST_OF_LINE].removesuffix(b"\r") for line in lines]
    texts = _ANSI.sub("", b"\n".join(cut).decode("utf-8", "backslashreplace")).split("\n")
    return [
        clean(text) if len(line) <= _MOST_OF_LINE else f"{clean(text)[:LONGEST]} … ({len(line):,} bytes)"
        for text, line in zip(texts, lines, strict=True)
    ]


def _level(text: str) -> str:
    match = _LEVEL.match(text)
    return match[1] if match else "-"
