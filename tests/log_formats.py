"""The log lines that a firmware image can print, read out of the format strings compiled into it.

A format of ESP-IDF's log stands in the image as ``I (%lu) %s: Loaded app from partition at offset 0x%lx``, with the
colour before it and the newline behind it (components/log/include/esp_log.h, ``LOG_FORMAT``). So a real image is an
oracle of its own wording, where no console of it was ever recorded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["Spoken", "format_of", "formats_in"]

Spoken = dict[str, list[re.Pattern[str]]]
"""By colour and level (``"\\x1b[0;32mI"``, ``"I"``): patterns of the first lines of messages, to the colour's end."""

_FORMAT = re.compile(r"(\x1b\[0;3\dm)?([EWID]) \((?:%l?[ud]|%s)\) %s: ([^\0]*)\0")
_CONVERSION = re.compile(r"%(%|[-+ #0]*\d*(?:\.\*)?(?:hh|h|ll|l|z)?[diuoxXcsp])")
_VALUES = {
    "d": r" *-?\d+",
    "i": r"-?\d+",
    "u": r" *\d+",
    "x": r"[0-9a-f]+",
    "X": r"[0-9A-F]+",
    "s": r".*",
    "c": r".",
    "p": r"0x[0-9a-f]+",
}
_RECORD = re.compile(r"(\x1b\[0;3\dm)?([EWID]) \(\d+\) [^:\x1b]+: (.*)")


def formats_in(data: bytes, *, varying: Sequence[str] = ()) -> Spoken:
    """Every log format in the bytes of an image.

    Args:
        varying: texts in whose place another build of the same would have others, as its compile time
    """
    found: Spoken = {}
    for colour, level, text in _FORMAT.findall(data.decode("latin-1")):
        body = text.split("\n")[0]
        for one in varying:
            body = body.replace(one, "%s")
        found.setdefault(colour + level, []).append(_pattern(body))
    return found


def format_of(formats: Spoken, line: str, *, whole: bool = True) -> str | None:
    """The one of these formats that can have printed this line of the log, colours and all; None where none can.

    Args:
        whole: False where something else may stand in the end of the line, or the line may go on in the next
    """
    record = _RECORD.fullmatch(line)
    if record is None:
        return None
    for pattern in formats.get((record[1] or "") + record[2], []):
        if pattern.fullmatch(record[3]) or (not whole and pattern.match(record[3] + "\x1b[0m")):
            return pattern.pattern
    return None


def _pattern(body: str) -> re.Pattern[str]:
    pattern, end = "", 0
    for one in _CONVERSION.finditer(body):
        pattern += re.escape(body[end : one.start()]) + ("%" if one[1] == "%" else _VALUES[one[1][-1]])
        end = one.end()
    return re.compile(pattern + re.escape(body[end:]), re.DOTALL)
