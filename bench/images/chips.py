"""The chips an ESP-IDF image can be for: chip id, architecture, flash-mapped addresses, clock names.

Chip ids are `esp_chip_id_t` of components/bootloader_support/include/esp_app_format.h; the mapped ranges are
`SOC_DROM_LOW` .. `SOC_IROM_HIGH` of components/soc/<chip>/include/soc; the frequency names are those of esptool,
which differ by chip because the header only stores a divider.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

from bench.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CHIPS", "Arch", "Chip", "chip_by_id", "chip_by_name"]


class Arch(Enum):
    """The instruction set, with the shortest instruction that is illegal on it."""

    XTENSA = "xtensa"
    RISCV = "riscv"

    @property
    def illegal_instruction(self) -> bytes:
        """`ILL` of the Xtensa ISA (3 bytes), the defined illegal 16-bit word of RISC-V (2 bytes)."""
        return bytes(3) if self is Arch.XTENSA else bytes(2)


@dataclass(frozen=True)
class Chip:
    """One chip family.

    Attributes:
        name: as ESP-IDF's targets are spelled, e.g. ``"esp32s3"``
        title: as people write it, e.g. ``"ESP32-S3"``
        chip_id: `esp_chip_id_t`
        mapped: ``(first, end)`` address ranges that the MMU maps from flash (DROM and IROM)
        frequencies: SPI flash clock by the 4-bit `spi_speed` field, the usual one first
    """

    name: str
    title: str
    chip_id: int
    arch: Arch
    mapped: tuple[tuple[int, int], ...]
    frequencies: Mapping[int, str]

    def is_mapped(self, address: int) -> bool:
        """Whether a segment with this load address stays in flash and is mapped, rather than copied to RAM."""
        return any(first <= address < end for first, end in self.mapped)


_F80 = MappingProxyType({0xF: "80m", 0: "40m", 1: "26m", 2: "20m"})
_F48 = MappingProxyType({0xF: "48m", 0: "24m", 1: "16m", 2: "12m"})
_F60 = MappingProxyType({0xF: "60m", 0: "30m", 1: "20m", 2: "15m"})
# The ESP32-C6 ROM cannot take 80 MHz, so its images say 0 for both 40 and 80 MHz; the build means 80.
_F80_C6 = MappingProxyType({0: "80m", 2: "20m"})

_C3_MAP = ((0x3C000000, 0x3C800000), (0x42000000, 0x42800000))
_UNIFIED_16M = ((0x42000000, 0x43000000),)
_UNIFIED_32M = ((0x42000000, 0x44000000),)

CHIPS: tuple[Chip, ...] = (
    Chip("esp32", "ESP32", 0x00, Arch.XTENSA, ((0x3F400000, 0x3F800000), (0x400D0000, 0x40400000)), _F80),
    Chip("esp32s2", "ESP32-S2", 0x02, Arch.XTENSA, ((0x3F000000, 0x3F3F0000), (0x40080000, 0x40B80000)), _F80),
    Chip("esp32c3", "ESP32-C3", 0x05, Arch.RISCV, _C3_MAP, _F80),
    Chip("esp32s3", "ESP32-S3", 0x09, Arch.XTENSA, ((0x3C000000, 0x3E000000), (0x42000000, 0x44000000)), _F80),
    Chip("esp32c2", "ESP32-C2", 0x0C, Arch.RISCV, ((0x3C000000, 0x3C400000), (0x42000000, 0x42400000)), _F60),
    Chip("esp32c6", "ESP32-C6", 0x0D, Arch.RISCV, _UNIFIED_16M, _F80_C6),
    Chip("esp32h2", "ESP32-H2", 0x10, Arch.RISCV, _UNIFIED_16M, _F48),
    Chip("esp32p4", "ESP32-P4", 0x12, Arch.RISCV, ((0x40000000, 0x4C000000),), _F80),
    Chip("esp32c61", "ESP32-C61", 0x14, Arch.RISCV, _UNIFIED_16M, _F80),
    Chip("esp32c5", "ESP32-C5", 0x17, Arch.RISCV, _UNIFIED_32M, _F80),
    Chip("esp32h21", "ESP32-H21", 0x19, Arch.RISCV, _UNIFIED_16M, _F48),
    Chip("esp32h4", "ESP32-H4", 0x1C, Arch.RISCV, _UNIFIED_32M, _F48),
)


def chip_by_id(chip_id: int) -> Chip | None:
    """The chip with this `esp_chip_id_t`, or None for an id this table does not know."""
    return next((chip for chip in CHIPS if chip.chip_id == chip_id), None)


def chip_by_name(name: str) -> Chip:
    """The chip called `name` in any common spelling (``esp32s3``, ``ESP32-S3``).

    Raises:
        FormatError: no chip has that name; the message lists those there are
    """
    wanted = name.lower().replace("-", "").replace("_", "")
    for chip in CHIPS:
        if chip.name == wanted:
            return chip
    raise FormatError("chip name", 0, repr(name), "one of " + ", ".join(chip.name for chip in CHIPS))
