"""Firmware that is an OTA example under another name and in other words, as the literals of its image have them."""

from __future__ import annotations

import re
from dataclasses import replace

from bench.virtual.log import Log
from bench.virtual.rodata import Rodata
from bench.virtual.running import Running

__all__ = ["nvs_of", "style_of", "styled"]

_OF = re.compile(rb"(?<![^\0])CONFIG_STYLE_OF=([a-z_]+)\0")
_TAG = re.compile(rb"(?<![^\0])CONFIG_STYLE_TAG=([ -~]*)\0")
_LINE = re.compile(rb"(?<![^\0])CONFIG_STYLE_LINE=([ -{}~]+)\|([ -{}~]*)\0")
_NVS = re.compile(rb"(?<![^\0])CONFIG_STYLE_NVS=([!-.0-~]+)/([!-~]+)\0")
_EXAMPLE = re.compile(r"[a-z_]+_ota_example\Z")
_BARE = "{message}\n"


class _Styled(Log):
    """A log in which what the example says has another tag and other words."""

    def __init__(self, running: Running, tag: str, lines: tuple[tuple[str, str], ...]) -> None:
        super().__init__(running.machine, running.image, running.release)
        self._tag = tag
        self._lines = lines

    def _say(self, level: str, tag: str, message: str, default: bool, body: str | None = None) -> None:
        if _EXAMPLE.match(tag) is None:
            super()._say(level, tag, message, default, body)
            return
        form = self._form(level, message, default) if body is None else self._form_of(level, body)
        if form is None:
            return
        message = self._restyled(message)
        if self._tag:
            self.raw(form.render(self._tag, message, self._machine.clock.now_ms()))
        else:
            self.raw(_BARE.format(message=message))

    def _restyled(self, message: str) -> str:
        """The longest beginning that has another wording is the one that counts."""
        fitting = [(stock, own) for stock, own in self._lines if message.startswith(stock)]
        if not fitting:
            return message
        stock, own = max(fitting, key=lambda line: len(line[0]))
        return own + message[len(stock) :]


def style_of(rodata: Rodata) -> str | None:
    """The example that an image is in other words; None for any other image."""
    found = rodata.find(_OF)
    return found[1].decode("ascii") if found else None


def styled(running: Running) -> Running:
    """The same application, with its own tag and lines."""
    rodata = running.log.rodata
    tag = rodata.find(_TAG)
    lines = tuple(
        (found[1].decode("ascii"), found[2].decode("ascii")) for part in rodata.parts for found in _LINE.finditer(part)
    )
    return replace(running, log=_Styled(running, tag[1].decode("ascii") if tag else "", lines))


def nvs_of(rodata: Rodata) -> tuple[str, str] | None:
    """Namespace and key of the NVS string that holds the URL, where the firmware has it from there."""
    found = rodata.find(_NVS)
    return (found[1].decode("ascii"), found[2].decode("ascii")) if found else None
