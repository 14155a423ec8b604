"""Where the parts of an image lie in each chip's address space, and what ESP-IDF configures by default for it.

Sources: components/bootloader/subproject/main/ld/<chip>/bootloader.ld, components/esp_system/ld/<chip>/memory.ld.in,
components/esp_hw_support/port/<chip>/Kconfig.hw_support, components/bootloader/Kconfig.projbuild; the addresses of
real consoles and images agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.errors import BuildError
from bench.images import Chip, chip_by_name

__all__ = ["TARGETS", "Target", "target_of"]


@dataclass(frozen=True)
class Target:
    """What a build for one chip needs to know.

    Args:
        chip: the chip as images know it
        bootloader_offset: bytes from the start of flash
        drom, irom: start of the flash-mapped ranges; offset % 64 KiB of the data must agree with the address
        dram, iram: where data and code are loaded
        bootloader_segments: where the second-stage bootloader's data and its two pieces of code are loaded
        bootloader_entry: its entry point, within one of them
        flash_freq: CONFIG_ESPTOOLPY_FLASHFREQ
        flash_freq_code: the same in the image header
        min_chip_rev: legacy field of the header
        min_chip_rev_full, max_chip_rev_full: 100 * major + minor
        secure_version_bits: how many secure versions the eFuse can count (CONFIG_BOOTLOADER_APP_SEC_VER_SIZE_…)
        prologue: machine code that is legal at an entry point
        unicore: the chip has one core
    """

    chip: Chip
    bootloader_offset: int
    drom: int
    irom: int
    dram: int
    iram: int
    bootloader_segments: tuple[int, int, int]
    bootloader_entry: int
    flash_freq: str
    flash_freq_code: int
    min_chip_rev: int
    min_chip_rev_full: int
    max_chip_rev_full: int
    secure_version_bits: int
    prologue: bytes
    unicore: bool


_ENTRY_XTENSA = bytes.fromhex("364100")  # entry a1, 32
_ENTRY_RISCV = bytes.fromhex("411106c6")  # addi sp, sp, -16; sw ra, 12(sp)

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "esp32": Target(
            chip=chip_by_name("esp32"),
            bootloader_offset=0x1000,
            drom=0x3F400000,
            irom=0x400D0000,
            dram=0x3FFB0000,
            iram=0x40080000,
            bootloader_segments=(0x3FFF0030, 0x40078000, 0x40080400),
            bootloader_entry=0x40080650,
            flash_freq="40m",
            flash_freq_code=0,
            min_chip_rev=0,
            min_chip_rev_full=0,
            max_chip_rev_full=399,
            secure_version_bits=32,
            prologue=_ENTRY_XTENSA,
            unicore=False,
        ),
        "esp32c3": Target(
            chip=chip_by_name("esp32c3"),
            bootloader_offset=0x0,
            drom=0x3C020000,
            irom=0x42000000,
            dram=0x3FC8C800,
            iram=0x40380000,
            bootloader_segments=(0x3FCD5820, 0x403CC710, 0x403CE710),
            bootloader_entry=0x403CC71A,
            flash_freq="80m",
            flash_freq_code=0xF,
            min_chip_rev=3,
            min_chip_rev_full=3,
            max_chip_rev_full=199,
            secure_version_bits=16,
            prologue=_ENTRY_RISCV,
            unicore=True,
        ),
        "esp32s3": Target(
            chip=chip_by_name("esp32s3"),
            bootloader_offset=0x0,
            drom=0x3C020000,
            irom=0x42000000,
            dram=0x3FC92000,
            iram=0x40374000,
            bootloader_segments=(0x3FCE3820, 0x403C9700, 0x403CC700),
            bootloader_entry=0x403C9908,
            flash_freq="80m",
            flash_freq_code=0xF,
            min_chip_rev=0,
            min_chip_rev_full=0,
            max_chip_rev_full=99,
            secure_version_bits=16,
            prologue=_ENTRY_XTENSA,
            unicore=False,
        ),
    }
)


def target_of(chip: str) -> Target:
    """The table of a chip.

    Raises:
        BuildError: the bench writes no builds for it
    """
    try:
        return TARGETS[chip]
    except KeyError:
        raise BuildError(f"chip {chip!r}: the bench writes builds for {', '.join(TARGETS)}") from None
