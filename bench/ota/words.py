"""Constants that scenarios read well with."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bench.images import CHIPS
from bench.timeline import (
    CONNECTED,
    GET_IMG_DESC,
    START,
    VERIFY_CHIP_ID,
    VERIFY_CHIP_REVISION,
    WRITE_FLASH,
    Step,
    maybe,
)

__all__ = ["CHIP_ID", "DOWNLOADED", "SOFTWARE_RESET"]

CHIP_ID: Mapping[str, int] = MappingProxyType({chip.name: chip.chip_id for chip in CHIPS})
"""`esp_chip_id_t` by chip name."""

SOFTWARE_RESET = frozenset({"SW_CPU_RESET", "RTC_SW_CPU_RST"})
"""How the ROMs call the reset of esp_restart() and of a panic, the ESP32's first."""

DOWNLOADED: tuple[Step, ...] = (
    START,
    CONNECTED,
    GET_IMG_DESC,
    VERIFY_CHIP_ID,
    maybe(VERIFY_CHIP_REVISION),
    maybe(WRITE_FLASH),
)
"""The events of a whole download.

VERIFY_CHIP_REVISION came with v5.5; WRITE_FLASH is logged at debug level, so that a default build never prints it.
"""
