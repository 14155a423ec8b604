"""The chips that the virtual board can be, each a table.

Numbers and names are those of ESP-IDF v5.3 (`components/esp_rom/include/<chip>/rom/rtc.h`) and of the ROM's banner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bench.flash.efuse_fields import EfuseLayout, layout_of
from bench.virtual.resets import ResetReason

__all__ = ["CHIPS", "Chip"]


@dataclass(frozen=True)
class Chip:
    """What tells one chip from another. Sizes and offsets in bytes, revisions as major * 100 + minor."""

    name: str
    title: str
    chip_id: int
    arch: str
    cores: int
    revision: int
    block_revision: int
    mac: bytes
    bootloader_offset: int
    rom_lines: tuple[str, ...]
    flash_boot: str
    download_boot: str
    reset_names: Mapping[ResetReason, str] = field(repr=False)
    efuses: EfuseLayout = field(repr=False)
    flash_size: int = 8 * 1024 * 1024
    flash_id: tuple[int, int, int] = (0xEF, 0x40, 0x17)
    xtal_mhz: int = 40

    def reset_name(self, reason: ResetReason) -> str:
        """What this chip's ROM calls a reset reason, e.g. ``"RTC_SW_CPU_RST"``."""
        return self.reset_names[reason]

    def rom_banner(self, reason: ResetReason, *, download: bool) -> str:
        """The lines that the ROM prints first after a reset, up to and with the ``rst:… ,boot:…`` line (CR LF)."""
        boot = self.download_boot if download else self.flash_boot
        last = f"rst:0x{reason:x} ({self.reset_name(reason)}),boot:{boot}"
        return "".join(f"{line}\r\n" for line in (*self.rom_lines, last))


_ESP32_RESETS = MappingProxyType(
    {
        ResetReason.POWERON: "POWERON_RESET",
        ResetReason.SW_SYS: "SW_RESET",
        ResetReason.DEEPSLEEP: "DEEPSLEEP_RESET",
        ResetReason.TG0WDT_SYS: "TG0WDT_SYS_RESET",
        ResetReason.TG1WDT_SYS: "TG1WDT_SYS_RESET",
        ResetReason.RTCWDT_SYS: "RTCWDT_SYS_RESET",
        ResetReason.TG0WDT_CPU: "TGWDT_CPU_RESET",
        ResetReason.SW_CPU: "SW_CPU_RESET",
        ResetReason.RTCWDT_CPU: "RTCWDT_CPU_RESET",
        ResetReason.BROWNOUT: "RTCWDT_BROWN_OUT_RESET",
        ResetReason.RTCWDT_RTC: "RTCWDT_RTC_RESET",
    }
)

_LATER_RESETS = MappingProxyType(
    {
        ResetReason.POWERON: "POWERON",
        ResetReason.SW_SYS: "RTC_SW_SYS_RST",
        ResetReason.DEEPSLEEP: "DSLEEP",
        ResetReason.TG0WDT_SYS: "TG0WDT_SYS_RST",
        ResetReason.TG1WDT_SYS: "TG1WDT_SYS_RST",
        ResetReason.RTCWDT_SYS: "RTCWDT_SYS_RST",
        ResetReason.TG0WDT_CPU: "TG0WDT_CPU_RST",
        ResetReason.SW_CPU: "RTC_SW_CPU_RST",
        ResetReason.RTCWDT_CPU: "RTCWDT_CPU_RST",
        ResetReason.BROWNOUT: "RTCWDT_BROWN_OUT_RST",
        ResetReason.RTCWDT_RTC: "RTCWDT_RTC_RST",
    }
)

CHIPS: Mapping[str, Chip] = MappingProxyType(
    {
        chip.name: chip
        for chip in (
            Chip(
                name="esp32",
                title="ESP32",
                chip_id=0,
                arch="xtensa",
                cores=2,
                revision=301,
                block_revision=0,
                mac=bytes.fromhex("246f28b0f5a4"),
                bootloader_offset=0x1000,
                rom_lines=("ets Jul 29 2019 12:21:46", ""),
                flash_boot="0x13 (SPI_FAST_FLASH_BOOT)",
                download_boot="0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))",
                reset_names=_ESP32_RESETS,
                efuses=layout_of("esp32"),
            ),
            Chip(
                name="esp32c3",
                title="ESP32-C3",
                chip_id=5,
                arch="riscv",
                cores=1,
                revision=3,
                block_revision=103,
                mac=bytes.fromhex("7cdfa1b0f5a4"),
                bootloader_offset=0x0,
                rom_lines=("ESP-ROM:esp32c3-api1-20210207", "Build:Feb  7 2021"),
                flash_boot="0x8 (SPI_FAST_FLASH_BOOT)",
                download_boot="0x4 (DOWNLOAD(USB/UART0/1))",
                reset_names=_LATER_RESETS,
                efuses=layout_of("esp32c3"),
            ),
            Chip(
                name="esp32s3",
                title="ESP32-S3",
                chip_id=9,
                arch="xtensa",
                cores=2,
                revision=2,
                block_revision=103,
                mac=bytes.fromhex("f412fab0f5a4"),
                bootloader_offset=0x0,
                rom_lines=("ESP-ROM:esp32s3-20210327", "Build:Mar 27 2021"),
                flash_boot="0x8 (SPI_FAST_FLASH_BOOT)",
                download_boot="0x0 (DOWNLOAD(USB/UART0))",
                reset_names=_LATER_RESETS,
                efuses=layout_of("esp32s3"),
            ),
        )
    }
)
"""By name as ESP-IDF spells its targets."""
