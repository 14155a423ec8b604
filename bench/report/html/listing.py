"""The console of one scenario as rows of text, with what server and bench did standing where it happened.

A row is a string whose first character says what it is: a log level (``E W I D V``), ``-`` for a line of the device
without one, ``s`` for the server, ``b`` for the bench and the board's supply, ``!`` for a gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.report.html.parting import Parted
from bench.report.html.telling import LONGEST, clean, tell
from bench.timeline import Decode, Entry

__all__ = ["Listing", "listing"]

MOST, HEAD = 6000, 1500
"""Rows that are shown, and how many of them from the beginning where there are more."""

_MOST_OF_LINE = 4 * LONGEST
"""Bytes of a line that are looked at."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LEVEL = re.compile(r"([EWIDV]) \([0-9:. \-]{1,21}\) ")


@dataclass(frozen=True)
class Listing:
    """The rows, and where in them an entry or a line stands.

    Attributes:
        causes: decoded error codes by row
        steps: how much further than the row before each row is in the console's lines; 0 for what the device did not
            say. Told so, they pack better than the numbers of the lines.
    """

    rows: list[str]
    steps: list[int]
    causes: dict[int, str] = field(default_factory=dict)
    _of_entry: dict[int, int] = field(default_factory=dict)
    _of_line: dict[int, int] = field(default_factory=dict)
    _line_of: Mapping[int, int] = field(default_factory=dict)

    def row(self, index: object) -> int | None:
        """The row of the entry with this index; None where it was left out."""
        if not isinstance(index, int):
            return None
        found = self._of_entry.get(index)
        return found if found is not None else self.line(self._line_of.get(index))

    def line(self, number: object) -> int | None:
        """The row of a line of the console."""
        return self._of_line.get(number) if isinstance(number, int) else None


def listing(console: bytes, timeline: Parted, decode: Decode | None) -> Listing:
    """The rows of a console, with the entries of other sources between them."""
    lines = console.split(b"\n")
    if not lines[-1]:
        lines.pop()
    between, texts, level_of = _between(timeline, len(lines)), _texts(lines), timeline.levels.get
    left_out = _left_out(lines, between)
    made = Listing([], [], _line_of=timeline.line_of)
    edges = (left_out.start - 1, left_out.stop - 1) if left_out else ()
    done = shown = 0
    for last in sorted({*between, *edges, len(lines)}):
        if last in left_out:
            if done + 1 == left_out.start:
                made.rows.append(f"!{len(left_out):,} lines are left out here: console.raw has them")
                made.steps.append(0)
            done = last
            continue
        numbers, first = range(done + 1, last + 1), len(made.rows)
        told = zip(numbers, texts[done:last], strict=True)
        made.rows.extend([(level_of(number) or _level(text)) + text for number, text in told])
        if numbers:
            made.steps.extend([numbers[0] - shown, *([1] * (len(numbers) - 1))])
            shown = last
        made._of_line.update(zip(numbers, range(first, first + len(numbers)), strict=True))
        for entry in between.get(last, ()):
            made._of_entry[entry.index] = len(made.rows)
            made.rows.append(("s" if entry.source == "server" else "b") + tell(entry))
            made.steps.append(0)
        done = last
    causes = _causes(timeline.entries, decode)
    made.causes.update({row: cause for number, cause in causes.items() if (row := made.line(number)) is not None})
    return made


def _between(timeline: Parted, lines: int) -> dict[int, list[Entry]]:
    """What others did, by the line of the console that it came after."""
    found: dict[int, list[Entry]] = {}
    for entry, line in zip(timeline.entries, timeline.after, strict=True):
        if entry.source != "console":
            found.setdefault(min(line, lines), []).append(entry)
    return found


def _causes(entries: Iterable[Entry], decode: Decode | None) -> dict[int, str]:
    """The causes that warnings and errors name, by line."""
    found: dict[int, str] = {}
    if decode is None:
        return found
    for entry in entries:
        number, message = entry.get("line_no"), entry.get("message")
        if entry.kind == "record" and isinstance(number, int) and isinstance(message, str):
            cause = decode(message)
            if cause is not None:
                found[number] = clean(cause)
    return found


def _left_out(lines: Sequence[bytes], between: dict[int, list[Entry]]) -> range:
    """Lines in the middle of a console that is longer than what a page can show."""
    extra = len(lines) + sum(map(len, between.values())) - MOST
    return range(HEAD, min(HEAD + extra, len(lines))) if extra > 0 else range(0)


def _texts(lines: Sequence[bytes]) -> list[str]:
    """Each line as it is shown. All of them are decoded together: none can reach into the next one."""
    if not lines:
        return []
    cut = [line[:_MOST_OF_LINE] for line in lines] if max(map(len, lines)) > _MOST_OF_LINE else lines
    whole = b"\n".join((*cut, b"")).replace(b"\r\n", b"\n")[:-1].decode("utf-8", "backslashreplace")
    texts = _ANSI.sub("", whole).split("\n")
    if max(map(len, texts)) <= LONGEST and "".join(texts).isprintable():
        return texts
    return [
        clean(text) if len(line) <= _MOST_OF_LINE else f"{clean(text)[:LONGEST]} … ({len(line):,} bytes)"
        for text, line in zip(texts, lines, strict=True)
    ]


def _level(text: str) -> str:
    match = _LEVEL.match(text)
    return match[1] if match else "-"
