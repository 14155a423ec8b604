"""Where memory lies on each chip: what a bootloader loads, maps or refuses, and what is left for the heap.

Sources: components/soc/<chip>/include/soc/soc.h and ext_mem_defs.h, components/heap/port/<chip>/memory_layout.c,
components/bootloader/subproject/main/ld/<chip>/bootloader.ld (the same in ESP-IDF v5.1 and v5.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.virtual.release import Release

__all__ = ["MEMORY_MAPS", "HeapRegion", "MemoryMap", "Range"]

_STACK_LOAD_HEADROOM = 32768


@dataclass(frozen=True)
class Range:
    """Addresses from `low` up to, and without, `high`."""

    low: int
    high: int

    def __contains__(self, address: int) -> bool:
        return self.low <= address < self.high

    def holds(self, low: int, high: int) -> bool:
        """Does the whole of low .. high lie in it?"""
        return low in self and high - 1 in self

    def overlaps(self, low: int, high: int) -> bool:
        return low < self.high and self.low < high


@dataclass(frozen=True)
class HeapRegion:
    """A region that heap_init announces; `since` and `until` are releases (major, minor), `until` without."""

    low: int
    high: int
    name: str
    dynamic: bool = False
    since: tuple[int, int] = (0, 0)
    until: tuple[int, int] = (99, 0)

    def in_release(self, release: Release) -> bool:
        return release.at_least(*self.since) and release.before(*self.until)


@dataclass(frozen=True)
class MemoryMap:
    """One chip's addresses.

    Args:
        mapped: flash seen through the MMU (SOC_DROM, SOC_IROM)
        dram, iram: where segments may be loaded
        rtc: RTC memories, loaded except after deep sleep
        alias: IRAM address - DRAM address of memory that is both, None where the order is reversed (ESP32)
        loader: IRAM in which the bootloader itself runs while it loads
        rom_stack: SOC_ROM_STACK_START
        console_pins: RX and TX of UART0
        max_revision: CONFIG_ESP_REV_MAX_FULL by default
        heap: regions that heap_init announces
    """

    mapped: tuple[Range, ...]
    dram: Range
    iram: Range
    rtc: tuple[Range, ...]
    alias: int | None
    loader: Range
    rom_stack: int
    console_pins: tuple[int, int]
    max_revision: int
    heap: tuple[HeapRegion, ...]

    def is_mapped(self, address: int) -> bool:
        """should_map of esp_image_format.c."""
        return any(address in one for one in self.mapped)

    def is_loaded(self, address: int, *, deep_sleep: bool = False) -> bool:
        """should_load of esp_image_format.c."""
        if self.is_mapped(address) or address < 0x10000000:
            return False
        return not (deep_sleep and any(address in one for one in self.rtc))

    def refusal(self, low: int, high: int, bootloader_data: tuple[Range, ...]) -> str | None:
        """Why a segment may not be loaded to low .. high (verify_load_addresses); None where it may.

        Args:
            bootloader_data: static data of the bootloader
        """
        if low == high:
            return None
        if self.dram.holds(low, high):
            reason = self._dram_refusal(low, high, bootloader_data)
            return reason or (None if self.alias is None else self._iram_refusal(low + self.alias, high + self.alias))
        if self.iram.holds(low, high):
            reason = self._iram_refusal(low, high)
            if reason is None and self.alias is not None:
                return self._dram_refusal(low - self.alias, high - self.alias, bootloader_data)
            return reason
        if any(one.holds(low, high) for one in self.rtc):
            return None
        return "bad load address range"

    def _dram_refusal(self, low: int, high: int, bootloader_data: tuple[Range, ...]) -> str | None:
        if Range(self.rom_stack - _STACK_LOAD_HEADROOM, self.rom_stack).overlaps(low, high):
            return "overlaps bootloader stack"
        if any(one.overlaps(low, high) for one in bootloader_data):
            return "overlaps bootloader data"
        return None

    def _iram_refusal(self, low: int, high: int) -> str | None:
        return "overlaps loader IRAM" if self.loader.overlaps(low, high) else None


_ESP32 = MemoryMap(
    mapped=(Range(0x400D0000, 0x40400000), Range(0x3F400000, 0x3F800000)),
    dram=Range(0x3FFAE000, 0x40000000),
    iram=Range(0x40080000, 0x400AA000),
    rtc=(Range(0x400C0000, 0x400C2000), Range(0x3FF80000, 0x3FF82000), Range(0x50000000, 0x50002000)),
    alias=None,
    loader=Range(0x40078000, 0x40080000),
    rom_stack=0x3FFE3F20,
    console_pins=(3, 1),
    max_revision=399,
    heap=(
        HeapRegion(0x3FFAE6E0, 0x3FFB0000, "DRAM"),
        HeapRegion(0x3FFB0000, 0x3FFE0000, "DRAM", dynamic=True),
        HeapRegion(0x3FFE0440, 0x3FFE3F20, "D/IRAM"),
        HeapRegion(0x3FFE4350, 0x40000000, "D/IRAM"),
        HeapRegion(0x40080000, 0x400A0000, "IRAM", dynamic=True),
    ),
)

_ESP32C3 = MemoryMap(
    mapped=(Range(0x42000000, 0x42800000), Range(0x3C000000, 0x3C800000)),
    dram=Range(0x3FC80000, 0x3FCE0000),
    iram=Range(0x4037C000, 0x403E0000),
    rtc=(Range(0x50000000, 0x50002000),),
    alias=0x700000,
    loader=Range(0x403CE710, 0x403D5710),
    rom_stack=0x3FCDE710,
    console_pins=(20, 21),
    max_revision=199,
    heap=(
        HeapRegion(0x3FC80000, 0x3FCDC710, "DRAM", dynamic=True, until=(5, 1)),
        HeapRegion(0x3FCDC710, 0x3FCDF060, "STACK/DRAM", until=(5, 1)),
        HeapRegion(0x50000020, 0x50002000, "RTCRAM", until=(5, 1)),
        HeapRegion(0x3FC80000, 0x3FCC0000, "DRAM", dynamic=True, since=(5, 1), until=(5, 2)),
        HeapRegion(0x3FCC0000, 0x3FCDC710, "DRAM/RETENTION", since=(5, 1), until=(5, 2)),
        HeapRegion(0x3FCDC710, 0x3FCDF060, "DRAM/RETENTION/STACK", since=(5, 1), until=(5, 2)),
        HeapRegion(0x50000010, 0x50001FE8, "RTCRAM", since=(5, 1), until=(5, 2)),
        HeapRegion(0x3FC80000, 0x3FCC0000, "RAM", dynamic=True, since=(5, 2)),
        HeapRegion(0x3FCC0000, 0x3FCDC710, "Retention RAM", since=(5, 2)),
        HeapRegion(0x3FCDC710, 0x3FCDF060, "Retention RAM", since=(5, 2)),
        HeapRegion(0x50000200, 0x50001FE8, "RTCRAM", since=(5, 2)),
    ),
)

_ESP32S3 = MemoryMap(
    mapped=(Range(0x42000000, 0x44000000), Range(0x3C000000, 0x3E000000)),
    dram=Range(0x3FC88000, 0x3FD00000),
    iram=Range(0x40370000, 0x403E0000),
    rtc=(Range(0x600FE000, 0x60100000), Range(0x50000000, 0x50002000)),
    alias=0x6F0000,
    loader=Range(0x403CC700, 0x403D3700),
    rom_stack=0x3FCEB710,
    console_pins=(44, 43),
    max_revision=99,
    heap=(
        HeapRegion(0x3FC88000, 0x3FCE9710, "DRAM", dynamic=True, until=(5, 2)),
        HeapRegion(0x3FCE9710, 0x3FCEEE34, "STACK/DRAM", until=(5, 2)),
        HeapRegion(0x3FC88000, 0x3FCE9710, "RAM", dynamic=True, since=(5, 2)),
        HeapRegion(0x3FCE9710, 0x3FCEEE34, "RAM", since=(5, 2)),
        HeapRegion(0x3FCF0000, 0x3FCF8000, "DRAM"),
        HeapRegion(0x600FE010, 0x600FFFE8, "RTCRAM", until=(5, 2)),
        HeapRegion(0x600FE100, 0x600FFFE8, "RTCRAM", since=(5, 2)),
    ),
)

MEMORY_MAPS: Mapping[str, MemoryMap] = MappingProxyType({"esp32": _ESP32, "esp32c3": _ESP32C3, "esp32s3": _ESP32S3})
"""By the names of `bench.virtual.chips`."""
