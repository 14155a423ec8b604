"""The words of a scenario: what is released, what the board must do about it, and what it must look like afterwards.

A scenario holds no plumbing; this room holds the plumbing's verbs: `Draft` (an image on its way to becoming a
release), `Ota` (one board, one server, one timeline), `Slot` (what lies in flash) and `Firmware` (what runs).
"""

from __future__ import annotations

from bench.ota.dialect import DIALECTS, Dialect, Place, dialect_of
from bench.ota.dialect_file import load_dialect, parse_dialect
from bench.ota.draft import Draft
from bench.ota.firmware import ENABLED_BY, Firmware
from bench.ota.keys import Keys
from bench.ota.ota import Device, Ota
from bench.ota.programmer import Programmer
from bench.ota.slots import FlashView, Slot
from bench.ota.soak import Soak
from bench.ota.tap import Tap
from bench.ota.telling import AtBoot, OnConsole, Telling
from bench.ota.wire import Altered, Corrupted, Lost, Mishap, Repeated

__all__ = [
    "DIALECTS",
    "ENABLED_BY",
    "Altered",
    "AtBoot",
    "Corrupted",
    "Device",
    "Dialect",
    "Draft",
    "Firmware",
    "FlashView",
    "Keys",
    "Lost",
    "Mishap",
    "OnConsole",
    "Ota",
    "Place",
    "Programmer",
    "Repeated",
    "Slot",
    "Soak",
    "Tap",
    "Telling",
    "dialect_of",
    "load_dialect",
    "parse_dialect",
]
