"""The grammar of ESP-IDF log records, whole ones and those that something else has overwritten.

components/log prints ``<colour>L (time) tag: message<reset>`` in every release from v4.4 to v6.x. Of this may be
absent: the colours (CONFIG_LOG_COLORS; levels D and V never have the first one), and in log version 2 the time
(CONFIG_LOG_TIMESTAMP_SOURCE_NONE). The time is milliseconds since boot, or ``HH:MM:SS.sss``, or
``YY-MM-DD HH:MM:SS.sss``, or Unix time in milliseconds. Binary libraries print ``wifi:text`` with no blank.

`WHOLE` takes the lines that are as they should be, which is nearly all of them. `pieces` takes the others apart:
a record that the next one began in the middle of, a record behind garbage, a record cut off by a reset or by
a panic. What it must not do is to find a record in the *text* of another: a gateway that prints what some other
device said, a line echoed, a quotation. So a record inside a line counts only where nothing speaks against it:

* after a colour reset, or with a colour of its own, it counts;
* behind a quotation mark it is a quotation;
* inside a record it needs that record's habits (a build with colours colours its E, W and I) and a time that is
  no earlier, for one clock drives both; only a bootloader starts from 0 again;
* behind text that is no record it must follow directly, as a cut does: behind a blank it is quoted text, unless
  what stands before it is garbage, the torn head of a record, or a prompt.
"""

from __future__ import annotations

import re
from itertools import pairwise

from bench.console.items import Noise, Record
from bench.console.lines import readable

__all__ = ["SUSPECT", "WHOLE", "milliseconds", "pieces", "plain"]

_TIME = (
    r"[0-9]{1,13}|[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}|[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}"
)
_COLOUR = r"\x1b\[0;3[0-7]m"
_RESET = "\x1b[0m"

# The quantifiers are possessive, so that a line which is no record is refused in one pass over it.
WHOLE = re.compile(
    rf"(?:{_COLOUR})?+([EWIDV]) \(({_TIME})\) ([^:()\x1b\r]{{1,64}}+): ?+([^\x1b\r]*+)(\x1b\[0m)?+\r?+\Z"
)
"""One record, and nothing else, in a line: level, time, tag, message, colour reset."""

SUSPECT = re.compile(r"[EWIDV] \([0-9:. \-]{1,21}+\) |ESP-ROM:|ets [JFMASOND]|Guru Med")
"""What a message holds if something else may have begun in it; `pieces` then looks closer."""

# A record that says no time is known by its colour.
_START = re.compile(rf"({_COLOUR})?+([EWIDV]) (?:\(({_TIME})\) |(?(1)|(?!)))([^:()\x1b\r]{{1,64}}+):")
_TIMELESS = re.compile(r"([EWIDV]) ([A-Za-z][A-Za-z0-9_.\-]{1,31}+): ")
_ANSI = re.compile(r"\x1b\[[0-9;?]*+[A-Za-z]")
_GARBAGE = re.compile(r"[^\x20-\x7e\t]")
_NO_PROSE = re.compile(r"(?:entry |[A-Za-z0-9_.\-]{0,24}+> |[EWIDV](?: (?:\([0-9:. \-]{0,21}+\)? ?)?)?)\Z")

_INTERRUPTIONS = re.compile(
    r"(?:ESP-ROM:esp[0-9a-z]{2,8}-[0-9a-z\-]{8,24}|ets [A-Z][a-z]{2} [ 0-9][0-9] 20[0-9]{2} [0-9:]{8}) ?+\Z"
    r"|rst:0x[0-9a-f]{1,2} \([A-Z0-9_]{2,32}\),boot:0x"
    r"|Guru Meditation Error: Core [ 0-9][0-9] panic'ed \("
)
# What begins in the middle of a line because its author was not asked: the ROM after a reset, the panic handler.
# The ROM's banner is all that stands in its line, so a banner with text behind it is somebody's prose.


def milliseconds(time: str) -> int | None:
    """Device milliseconds; None for a time of day, and for Unix time, which the device's 32 bits cannot hold."""
    if time.isdigit():
        ms = int(time)
        return ms if ms <= 0xFFFF_FFFF else None
    return None


def plain(text: str) -> str:
    """Text without ANSI escape sequences."""
    return _ANSI.sub("", text) if "\x1b" in text else text


def pieces(text: str, line_no: int, *, cut: bool = False, part: bool = False) -> list[Record | Noise]:
    """The records and the noise of one line without line ends.

    Args:
        text: Latin-1 text, as `bench.console.lines` gives it
        line_no: goes into the items
        cut: the console broke off here, so the last piece is not whole unless a colour reset ends it
        part: a piece of a line that is longer than any record; its beginning is not the line's
    """
    if not text:
        return []
    bounds = [0, *_cuts(text, part), len(text)]
    found: list[Record | Noise] = []
    for number, (begin, end) in enumerate(pairwise(bounds)):
        if part and number == 0:
            found += _noise(text[begin:end], line_no)
        else:
            found += _piece(text[begin:end], line_no, cut or number < len(bounds) - 2)
    return found


def _piece(text: str, line_no: int, cut: bool) -> list[Record | Noise]:
    match = _START.match(text)
    if match is not None:
        message, whole = _message(text[match.end() :])
        _, level, time, tag = match.groups()
        ms = None if time is None else milliseconds(time)
        return [Record(level, ms, readable(tag), message, line_no, cut and not whole)]
    match = _TIMELESS.match(text)
    if match is not None:
        message, whole = _message(text[match.end() :])
        return [Record(match[1], None, match[2], message, line_no, cut and not whole)]
    return list(_noise(text, line_no))


def _noise(text: str, line_no: int) -> list[Noise]:
    text = plain(text)
    return [Noise(readable(text), line_no)] if text else []


def _message(text: str) -> tuple[str, bool]:
    """The message behind the tag's colon, and whether a colour reset ends it."""
    text = text.removeprefix(" ")
    whole = text.endswith(_RESET)
    return readable(text.removesuffix(_RESET)), whole


def _cuts(text: str, part: bool) -> list[int]:
    """Where in a line, behind its beginning, something else begins."""
    found = {match.start() for match in _INTERRUPTIONS.finditer(text, 1) if _interrupts(text, match)}
    # The record, or the noise, that may have been overwritten: where it begins, and its head if it is a record.
    begin = 0
    head = None if part else _START.match(text)
    for match in _START.finditer(text, head.end() if head else 1):
        if _is_cut(text, begin, head, match, part):
            begin, head = match.start(), match
            found.add(begin)
    return sorted(found)


def _is_cut(text: str, begin: int, head: re.Match[str] | None, match: re.Match[str], part: bool) -> bool:
    """Did a record begin at `match`, within the record `head` (or within noise) that began at `begin`?"""
    start = match.start()
    if match[1] is not None or text.endswith(_RESET, begin, start):
        return True
    if _quoted(text, begin, start) or (part and head is None):
        return False
    if head is None:
        return (
            not text[start - 1].isspace()
            or _GARBAGE.search(text, begin, start) is not None
            or _NO_PROSE.match(text[begin:start]) is not None
        )
    if head[1] is not None and match[2] in "EWI":
        return False
    earlier, later = head[3], match[3]
    if earlier is None:
        return False
    if earlier.isdigit() and later.isdigit():
        return int(later) >= int(earlier) or match[4].startswith("boot")
    if earlier.isdigit() or later.isdigit():
        # A build with times of day counts milliseconds until the scheduler starts.
        return earlier.isdigit()
    # Times of day, in one form: they sort as text.
    return len(earlier) == len(later) and later >= earlier


def _quoted(text: str, begin: int, start: int) -> bool:
    """Does a quotation begin just before `start`?"""
    before = text[start - 1]
    if before in "<[\xab":
        return True
    return before in "\"'`" and text.count(before, begin, start) % 2 == 1


def _interrupts(text: str, match: re.Match[str]) -> bool:
    """Is it the ROM or the panic handler that speaks here, and not somebody who quotes them?"""
    if match[0].startswith("rst:"):
        # Never alone in the middle of a line: the banner comes first. Garbage may have eaten the banner.
        return _GARBAGE.match(text[match.start() - 1]) is not None
    # The ROM's banner goes to the end of its line, so nobody has closed a quotation behind it.
    return not match[0].startswith("Guru") or not _quoted(text, 0, match.start())
