"""The chips that the virtual board can be, each a table.

Numbers and names are those of ESP-IDF v5.3 (`components/efuse/<chip>/esp_efuse_table.csv`,
`components/esp_rom/include/<chip>/rom/rtc.h`) and of the ROM's own banner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bench.virtual.resets import ResetReason

__all__ = ["CHIPS", "Chip", "Field"]


@dataclass(frozen=True)
class Field:
    """One eFuse field: `width` bits from bit `bit` of block `block`."""

    block: int
    bit: int
    width: int


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
    efuse_blocks: tuple[int, ...] = field(repr=False)
    efuse_fields: Mapping[str, Field] = field(repr=False)
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

_ESP32_FIELDS = MappingProxyType(
    {
        "WR_DIS": Field(0, 0, 16),
        "RD_DIS": Field(0, 16, 4),
        "FLASH_CRYPT_CNT": Field(0, 20, 7),
        "MAC": Field(0, 32, 48),
        "MAC_CRC": Field(0, 80, 8),
        "DISABLE_APP_CPU": Field(0, 96, 1),
        "CHIP_PACKAGE": Field(0, 105, 3),
        "CHIP_CPU_FREQ_RATED": Field(0, 109, 1),
        "CHIP_VER_REV1": Field(0, 111, 1),
        "CK8M_FREQ": Field(0, 128, 8),
        "ADC_VREF": Field(0, 136, 5),
        "CHIP_VER_REV2": Field(0, 180, 1),
        "WAFER_VERSION_MINOR": Field(0, 184, 2),
        "CODING_SCHEME": Field(0, 192, 2),
        "SECURE_VERSION": Field(3, 128, 32),
    }
)

_LATER_FIELDS = {
    "WR_DIS": Field(0, 0, 32),
    "RD_DIS": Field(0, 32, 7),
    "SPI_BOOT_CRYPT_CNT": Field(0, 82, 3),
    "SECURE_BOOT_KEY_REVOKE0": Field(0, 85, 1),
    "SECURE_BOOT_KEY_REVOKE1": Field(0, 86, 1),
    "SECURE_BOOT_KEY_REVOKE2": Field(0, 87, 1),
    "KEY_PURPOSE_0": Field(0, 88, 4),
    "KEY_PURPOSE_1": Field(0, 92, 4),
    "KEY_PURPOSE_2": Field(0, 96, 4),
    "KEY_PURPOSE_3": Field(0, 100, 4),
    "KEY_PURPOSE_4": Field(0, 104, 4),
    "KEY_PURPOSE_5": Field(0, 108, 4),
    "SECURE_BOOT_EN": Field(0, 116, 1),
    "SECURE_BOOT_AGGRESSIVE_REVOKE": Field(0, 117, 1),
    "DIS_DOWNLOAD_MODE": Field(0, 128, 1),
    "ENABLE_SECURITY_DOWNLOAD": Field(0, 133, 1),
    "SECURE_VERSION": Field(0, 142, 16),
    "DISABLE_WAFER_VERSION_MAJOR": Field(0, 160, 1),
    "DISABLE_BLK_VERSION_MAJOR": Field(0, 161, 1),
    "MAC": Field(1, 0, 48),
    "WAFER_VERSION_MINOR_LO": Field(1, 114, 3),
    "PKG_VERSION": Field(1, 117, 3),
    "BLK_VERSION_MINOR": Field(1, 120, 3),
    "FLASH_CAP": Field(1, 123, 3),
    "WAFER_VERSION_MINOR_HI": Field(1, 183, 1),
    "WAFER_VERSION_MAJOR": Field(1, 184, 2),
    "OPTIONAL_UNIQUE_ID": Field(2, 0, 128),
    "BLK_VERSION_MAJOR": Field(2, 128, 2),
}

_C3_FIELDS = MappingProxyType(dict(_LATER_FIELDS))
_S3_FIELDS = MappingProxyType({**_LATER_FIELDS, "DIS_APP_CPU": Field(0, 47, 1)})
_LATER_BLOCKS = (24, 24, 32, 32, 32, 32, 32, 32, 32, 32, 32)

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
                efuse_blocks=(28, 32, 32, 32),
                efuse_fields=_ESP32_FIELDS,
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
                efuse_blocks=_LATER_BLOCKS,
                efuse_fields=_C3_FIELDS,
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
                efuse_blocks=_LATER_BLOCKS,
                efuse_fields=_S3_FIELDS,
            ),
        )
    }
)
"""By name as ESP-IDF spells its targets."""
