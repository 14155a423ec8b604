"""Why a life of the processor began, and how one ends."""

from __future__ import annotations

import enum

__all__ = ["Halted", "PowerLost", "ResetReason", "Restart"]


class ResetReason(enum.IntEnum):
    """Reset reasons, numbered as the ROM prints them (esp_rom/include/*/rom/rtc.h, `RESET_REASON`).

    What the ROM calls them differs by chip: `bench.virtual.chips.Chip.reset_name`.
    """

    POWERON = 0x1
    SW_SYS = 0x3
    DEEPSLEEP = 0x5
    TG0WDT_SYS = 0x7
    TG1WDT_SYS = 0x8
    RTCWDT_SYS = 0x9
    TG0WDT_CPU = 0xB
    SW_CPU = 0xC
    RTCWDT_CPU = 0xD
    BROWNOUT = 0xF
    RTCWDT_RTC = 0x10


class Restart(BaseException):
    """The processor resets itself. Not an `Exception`: firmware that handles errors must not handle this."""

    def __init__(self, reason: ResetReason) -> None:
        super().__init__(reason.name)
        self.reason = reason


class Halted(BaseException):
    """EN is low: the processor stands still in whatever it was doing."""


class PowerLost(Halted):
    """The supply is gone."""
