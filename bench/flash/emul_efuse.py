"""The partition in which a build with CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH keeps its emulated eFuses.

Format: the array `virt_blocks`, 32 bytes a block, at the start of the partition, the rest erased
(components/efuse/src/esp_efuse_utility.c, esp_efuse_utility_write_efuses_to_flash). An erased partition is
filled at the first boot with a copy of the chip's real eFuses.
"""

from __future__ import annotations

from bench.errors import FormatError
from bench.flash.efuse_fields import BLOCK_SIZE, EfuseBlocks, layout_of

__all__ = ["EMUL_EFUSE_SIZE", "emulated_efuses", "erased_partition", "partition_bytes"]

EMUL_EFUSE_SIZE = 0x2000  # as in ESP-IDF's own partition tables
_SUBJECT = "emulated eFuse partition"


def emulated_efuses(chip: str, data: bytes) -> EfuseBlocks | None:
    """The emulated eFuses of a chip; None while the partition is erased.

    Args:
        chip: ESP-IDF's target name
        data: the partition from its start

    Raises:
        FormatError: the data ends within the blocks, or the bench has no table for the chip
    """
    count = len(layout_of(chip).block_words)
    if len(data) < count * BLOCK_SIZE:
        raise FormatError(
            _SUBJECT, len(data), f"the end of the data ({len(data)} bytes)", f"{count * BLOCK_SIZE} bytes of blocks"
        )
    # ESP-IDF looks at as many *words* as the array has *bytes* (efuses_in_flash[sizeof(virt_blocks)]).
    looked_at = data[: 4 * count * BLOCK_SIZE]
    if looked_at == b"\xff" * len(looked_at):
        return None
    return EfuseBlocks.parse(chip, data)


def partition_bytes(blocks: EfuseBlocks, size: int = EMUL_EFUSE_SIZE) -> bytes:
    """What ESP-IDF leaves in the partition when it keeps these eFuses.

    Args:
        blocks: the emulated eFuses
        size: bytes of the partition

    Raises:
        FormatError: the partition is too small for the chip's blocks
    """
    data = blocks.to_bytes()
    if len(data) > size:
        raise FormatError(_SUBJECT, size, f"a partition of 0x{size:x} bytes", f"0x{len(data):x} or more")
    return data.ljust(size, b"\xff")


def erased_partition(size: int = EMUL_EFUSE_SIZE) -> bytes:
    """The partition of a build that has never run."""
    return b"\xff" * size
