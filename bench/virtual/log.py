"""ESP_LOGx as the running image has it: only what was compiled in is printed, in the form it was compiled in.

Source: components/log (esp_log.h, log.c). The UART's line ending is CR LF, as ESP-IDF's console has it.
"""

from __future__ import annotations

from functools import cached_property

from bench.images import Image
from bench.virtual.machine import Machine
from bench.virtual.release import Release
from bench.virtual.rodata import LogFormat

__all__ = ["Log"]

_COLOURS = {"E": "\x1b[0;31m", "W": "\x1b[0;33m", "I": "\x1b[0;32m", "D": "", "V": ""}
_LANDMARKS = (
    "Pro cpu start user code",
    "Application information:",
    "cpu freq: %d",
    "Calling app_main()",
    "2nd stage bootloader",
    "## Label            Usage",
)
"""Formats that every application or bootloader of ESP-IDF has whose log level is at least info."""


class Log:
    """The log of one running image.

    A message is given as it shall read; its C format string is looked for in the image. Where that is not there, the
    statement was not compiled in (log level, option), and nothing is printed. The start-up's own messages
    (`default=True`) are printed too by images that hold no start-up format at all, in the release's default form:
    the bench writes such images, the compiler never does.

    Args:
        machine: where to print, and whose clock stamps
        image: running application or bootloader
        release: of ESP-IDF, for the default form

    Attributes:
        release: as given
        rodata: the image's strings
    """

    def __init__(self, machine: Machine, image: Image, release: Release) -> None:
        self._machine = machine
        self.release = release
        self.rodata = machine.library.of(image)
        self._last: dict[str, LogFormat] = {}

    def has(self, text: str) -> bool:
        """Does this literal (a C format string, an option's message) stand in the image?"""
        return self.rodata.has(text)

    @cached_property
    def bare(self) -> bool:
        """Has the image no start-up formats at all, although its log level is not below info?"""
        if any(self.rodata.has(landmark) for landmark in _LANDMARKS):
            return False
        formats = self.rodata.formats
        return not formats or any(found.level in "IDV" for found in formats)

    def error(self, tag: str, message: str, *, default: bool = False) -> None:
        """ESP_LOGE."""
        self._say("E", tag, message, default)

    def warn(self, tag: str, message: str, *, default: bool = False) -> None:
        """ESP_LOGW."""
        self._say("W", tag, message, default)

    def info(self, tag: str, message: str, *, default: bool = False, body: str | None = None) -> None:
        """ESP_LOGI; `body` is the C format where it is one that fits any message, such as ``"%s: %s"``."""
        self._say("I", tag, message, default, body)

    def debug(self, tag: str, message: str) -> None:
        """ESP_LOGD."""
        self._say("D", tag, message, False)

    def verbose(self, tag: str, message: str) -> None:
        """ESP_LOGV."""
        self._say("V", tag, message, False)

    def raw(self, text: str) -> None:
        """printf: `text` with CR LF for every newline."""
        self._machine.uart.write(text.replace("\n", "\r\n").encode("utf-8", "surrogateescape"))

    def _say(self, level: str, tag: str, message: str, default: bool, body: str | None = None) -> None:
        form = self._form(level, message, default) if body is None else self._form_of(level, body)
        if form is not None:
            self.raw(form.render(tag, message, self._machine.clock.now_ms()))

    def _form(self, level: str, message: str, default: bool) -> LogFormat | None:
        last = self._last.get(level)
        if last is not None and last.literal and last.fits(message):
            return last
        found = self.rodata.format_of(level, message)
        if found is not None:
            self._last[level] = found
            return found
        if (default and self.bare) or (self._version_2 and self.rodata.has_body(message)):
            return self._default(level)
        return None

    def _form_of(self, level: str, body: str) -> LogFormat | None:
        """The statement with exactly this format."""
        for found in self.rodata.formats:
            if found.level == level and found.body == body:
                return found
        return self._default(level) if self._version_2 and body in self.rodata.strings else None

    @cached_property
    def _version_2(self) -> bool:
        """CONFIG_LOG_VERSION_2 (from v5.5 on): the formats are bare, colour and time are added as it runs."""
        return not self.rodata.formats and not self.bare

    def _default(self, level: str) -> LogFormat:
        if not self.release.colours:
            return LogFormat(level, "", "%lu", "", "\n")
        return LogFormat(level, _COLOURS[level], "%lu", "", "\x1b[0m\n")
