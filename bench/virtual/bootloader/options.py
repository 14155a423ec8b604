"""What a bootloader was configured to do, read out of its own image.

ESP-IDF's bootloader carries a string for most options (its log messages); where it carries none, bootloaders written
by the bench hold the option itself, e.g. ``CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y``. Flash encryption and secure boot
are not modelled: a bootloader built with them boots plain images.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.images import BootDefect, Image, read_defect
from bench.virtual.release import Release
from bench.virtual.rodata import Rodata

__all__ = ["Options"]

_VERSION = re.compile(rb"(?<![\x20-\x7e])(v\d+\.\d+[0-9A-Za-z.\-+]*)\0")
_TABLE_OFFSET = re.compile(rb"CONFIG_PARTITION_TABLE_OFFSET=(0x[0-9a-fA-F]+|\d+)")
_WDT_TIME = re.compile(rb"CONFIG_BOOTLOADER_WDT_TIME_MS=(\d+)")
_DEFAULT_TABLE_OFFSET = 0x8000


@dataclass(frozen=True)
class Options:
    """The configuration of one bootloader.

    Args:
        release: of ESP-IDF; its text is what the banner shows
        compile_time: date and time as the banner shows them, None where it shows none
        rollback: CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE
        anti_rollback: CONFIG_BOOTLOADER_APP_ANTI_ROLLBACK
        virtual_efuse: CONFIG_EFUSE_VIRTUAL
        virtual_efuse_in_flash: CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH
        unicore: CONFIG_FREERTOS_UNICORE on a chip with two cores
        table_offset: CONFIG_PARTITION_TABLE_OFFSET where the image says it, else None
        wdt_ms: CONFIG_BOOTLOADER_WDT_TIME_MS
        defect: which promise it breaks, of those that the bench writes
    """

    release: Release
    compile_time: str | None
    rollback: bool
    anti_rollback: bool
    virtual_efuse: bool
    virtual_efuse_in_flash: bool
    unicore: bool
    table_offset: int | None
    wdt_ms: int = 9000
    defect: BootDefect | None = None

    @classmethod
    def of(cls, image: Image, rodata: Rodata) -> Options:
        """Read the options of a bootloader image."""
        anti_rollback = rodata.has("Enabled a check secure version of app for anti rollback") or rodata.has(
            "CONFIG_BOOTLOADER_APP_ANTI_ROLLBACK=y"
        )
        in_flash = rodata.has("CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH=y") or rodata.has(
            "Loading virtual efuse blocks from flash"
        )
        offset, wdt = rodata.find(_TABLE_OFFSET), rodata.find(_WDT_TIME)
        return cls(
            release=_release(image, rodata),
            compile_time=_compile_time(image, rodata),
            # Kconfig: anti-rollback depends on rollback
            rollback=anti_rollback
            or rodata.has("CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y")
            or rodata.has("is marking as ABORTED"),
            anti_rollback=anti_rollback,
            virtual_efuse=in_flash or rodata.has("eFuse virtual mode is enabled."),
            virtual_efuse_in_flash=in_flash,
            unicore=rodata.has("Unicore bootloader"),
            table_offset=int(offset[1], 0) if offset else None,
            wdt_ms=int(wdt[1]) if wdt else 9000,
            defect=read_defect(image, BootDefect),
        )

    def find_table(self, image: Image, at: int, sector: bytes) -> int:
        """Where this bootloader looks for the partition table.

        The offset is a number in its code, which nothing in the image marks. It is 0x8000 unless the image says
        otherwise, or is itself so large that it covers 0x8000: then it is the first table behind the bootloader.

        Args:
            image: the bootloader
            at: its offset in flash
            sector: flash content from offset 0 on, in which to look
        """
        if self.table_offset is not None:
            return self.table_offset
        end = at + image.length
        if end <= _DEFAULT_TABLE_OFFSET:
            return _DEFAULT_TABLE_OFFSET
        behind = range(-(-end // 0x1000) * 0x1000, len(sector), 0x1000)
        return next((offset for offset in behind if sector[offset : offset + 2] == b"\xaa\x50"), _DEFAULT_TABLE_OFFSET)


def _release(image: Image, rodata: Rodata) -> Release:
    """Of esp_bootloader_desc_t; before ESP-IDF v5.2 the version is a string of its own (IDF_VER)."""
    if image.bootloader_desc is not None:
        return Release.parse(image.bootloader_desc.idf_ver)
    found = rodata.find(_VERSION)
    return Release.parse(found[1].decode("ascii") if found else "v5.1")


def _compile_time(image: Image, rodata: Rodata) -> str | None:
    """Of esp_bootloader_desc_t; before v5.2 it is spelled out in the format itself."""
    head = "compile time "
    for found in rodata.formats:
        if found.body.startswith(head) and "%" not in found.body:
            return found.body[len(head) :]
    return image.bootloader_desc.date_time or None if image.bootloader_desc is not None else None
