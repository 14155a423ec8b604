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

__all__ = ["CHIP_ID", "DOWNLOADED"]

CHIP_ID: Mapping[str, int] = MappingProxyType({chip.name: chip.chip_id for chip in CHIPS})
"""`esp_chip_id_t` by chip name."""

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
