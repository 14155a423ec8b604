"""The log format strings that were compiled into an image: what its firmware can say, and in which form.

`ESP_LOGI(tag, "OTA started")` leaves the string ``"\\x1b[0;32mI (%lu) %s: OTA started\\x1b[0m\\n"`` in the image
(components/log/include/esp_log.h, LOG_FORMAT): with colour or without, with milliseconds (``%lu``, in v4.4 ``%u``) or
system time (``%s``). A level that was not compiled in leaves no string.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from bench.images import Image

__all__ = ["Library", "LogFormat", "Rodata"]

_ANCHOR = b") %s: "
_HEAD = re.compile(rb"(\x1b\[[0-9;]*m)?([EWIDV]) \((%[a-z]+)\Z")
_TAIL = re.compile(rb"(.*?)((?:\x1b\[0m)?\n?)\Z", re.DOTALL)
_CONVERSION = re.compile(r"%(?:%|[-+ #0]*(?:\d+|\*)?(?:\.\d+)?(?:hh|h|ll|l|z|j|t)?[diouxXcspfFgGeE])")
_LONGEST_FORMAT = 1024
_LETTER = re.compile(r"[A-Za-z]")
_TELLING_CONVERSIONS = 5
_MOST_ANSWERS = 2000

_Key = TypeVar("_Key")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class LogFormat:
    """One log statement of an image.

    Args:
        level: ``E``, ``W``, ``I``, ``D`` or ``V``
        colour: escape sequence before it, or nothing
        time: the conversion of its time stamp: ``%lu``, ``%u`` or ``%s``
        body: the format of the message itself
        tail: escape sequence and newline after it
    """

    level: str
    colour: str
    time: str
    body: str
    tail: str

    @cached_property
    def literal(self) -> str:
        """The body up to its first conversion."""
        return _CONVERSION.split(self.body, maxsplit=1)[0]

    @cached_property
    def speaks(self) -> bool:
        """Does the body tell its messages apart? One like ``"%s"`` does not; a row of a table or a MAC address does."""
        own, conversions = _CONVERSION.subn("", self.body)
        return _LETTER.search(own) is not None or conversions >= _TELLING_CONVERSIONS

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(_pattern_of(self.body), re.DOTALL)

    def fits(self, message: str) -> bool:
        """Can this format have produced `message`?"""
        if not message.startswith(self.literal):
            return False
        return message == self.body or self._pattern.fullmatch(message) is not None

    def render(self, tag: str, message: str, ms: int) -> str:
        """The line as printed, with a bare newline where there is one."""
        return f"{self.colour}{self.level} ({_time(self.time, ms)}) {tag}: {message}{self.tail}"


class Rodata:
    """The strings of one image.

    Args:
        image: application or bootloader
    """

    def __init__(self, image: Image) -> None:
        self._parts = tuple(segment.data for segment in image.segments if segment.load_addr)
        self._has: dict[bytes, bool] = {}
        self._found: dict[re.Pattern[bytes], re.Match[bytes] | None] = {}
        self._format_of: dict[tuple[str, str], LogFormat | None] = {}
        self._has_body: dict[str, bool] = {}

    @property
    def parts(self) -> tuple[bytes, ...]:
        """The data of every segment that is loaded or mapped."""
        return self._parts

    def has(self, text: str) -> bool:
        """Does this text stand anywhere in the image?"""
        wanted = text.encode()
        if wanted not in self._has:
            self._has[wanted] = any(wanted in part for part in self._parts)
        return self._has[wanted]

    def find(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """The first match of a pattern, segment by segment."""
        if pattern not in self._found:
            self._found[pattern] = next((found for part in self._parts if (found := pattern.search(part))), None)
        return self._found[pattern]

    @cached_property
    def formats(self) -> tuple[LogFormat, ...]:
        """Every log statement compiled in."""
        return tuple(dict.fromkeys(found for part in self._parts for found in _formats(part)))

    @cached_property
    def _by_level(self) -> dict[str, dict[str, list[LogFormat]]]:
        index: dict[str, dict[str, list[LogFormat]]] = {}
        for found in self.formats:
            if found.speaks:
                index.setdefault(found.level, {}).setdefault(found.literal[:1], []).append(found)
        return index

    def format_of(self, level: str, message: str) -> LogFormat | None:
        """The statement of that level that can have produced `message`; the most literal one of several."""
        key = level, message
        if key not in self._format_of:
            _make_room(self._format_of)
            self._format_of[key] = self._searched(level, message)
        return self._format_of[key]

    def _searched(self, level: str, message: str) -> LogFormat | None:
        by_first = self._by_level.get(level, {})
        candidates = [*by_first.get(message[:1], ()), *(by_first.get("", ()) if message else ())]
        fitting = (found for found in candidates if found.fits(message))
        return max(fitting, key=lambda found: len(found.literal), default=None)

    @cached_property
    def strings(self) -> tuple[str, ...]:
        """Every printable string of at least four characters that ends in NUL, for images with log version 2."""
        found: list[str] = []
        for part in self._parts:
            found += [one.decode("ascii") for one in re.findall(rb"([\x09\x0a\x20-\x7e]{4,})\0", part)]
        return tuple(found)

    def has_body(self, message: str) -> bool:
        """Is there a string that is, as a format, able to produce `message`? (Log version 2 keeps bare bodies.)"""
        if message not in self._has_body:
            _make_room(self._has_body)
            self._has_body[message] = any(
                body == message or (body[0] == message[:1] and "%" in body and re.fullmatch(_pattern_of(body), message))
                for body in self.strings
            )
        return self._has_body[message]


def _make_room(answers: dict[_Key, _Answer]) -> None:
    """Forget what is known where that is too much: a boot says much the same every time, a download does not."""
    if len(answers) >= _MOST_ANSWERS:
        answers.clear()


class Library:
    """The strings of the images that a machine has run lately: reading them costs more than running most images."""

    _KEPT = 8

    def __init__(self) -> None:
        self._read: dict[tuple[bytes, ...], Rodata] = {}

    def of(self, image: Image) -> Rodata:
        """The strings of an image; read once for each content."""
        fresh = Rodata(image)
        found = self._read.pop(fresh.parts, fresh)
        self._read[found.parts] = found  # the one used last stands last
        if len(self._read) > self._KEPT:
            del self._read[next(iter(self._read))]
        return found


def _formats(part: bytes) -> list[LogFormat]:
    found: list[LogFormat] = []
    at = part.find(_ANCHOR)
    while at >= 0:
        head = _HEAD.search(part[max(0, at - 24) : at])
        start = at + len(_ANCHOR)
        end = part.find(b"\0", start, start + _LONGEST_FORMAT)
        tail = _TAIL.match(part[start:end]) if end >= 0 else None
        if head is not None and tail is not None:
            found.append(
                LogFormat(
                    level=head[2].decode("ascii"),
                    colour=(head[1] or b"").decode("ascii"),
                    time=head[3].decode("ascii"),
                    body=tail[1].decode("utf-8", "backslashreplace"),
                    tail=tail[2].decode("ascii"),
                )
            )
        at = part.find(_ANCHOR, at + 1)
    return found


def _pattern_of(body: str) -> str:
    pattern, end = "", 0
    for conversion in _CONVERSION.finditer(body):
        pattern += re.escape(body[end : conversion.start()]) + _values(conversion[0])
        end = conversion.end()
    return pattern + re.escape(body[end:])


def _values(conversion: str) -> str:
    kind = conversion[-1]
    if kind == "%":
        return "%"
    if kind == "s":
        return ".*?"
    if kind == "c":
        return "."
    if kind == "p":
        return r"(?:0x[0-9a-f]+|\(nil\))"
    return r"[ ]*[-+]?[0-9a-fA-Fx.]+"


def _time(conversion: str, ms: int) -> str:
    if conversion == "%s":  # esp_log_system_timestamp
        seconds, rest = divmod(ms, 1000)
        return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
    return str(ms)
