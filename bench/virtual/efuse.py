"""eFuses: bits that only go from 0 to 1, in the blocks and fields of the chip.

Content as delivered: MAC address (on ESP32 with its CRC), wafer and block revision, package, calibration marks, so
that `espefuse`, the ROM and ESP-IDF's revision checks find what they look for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.virtual.chips import Chip, Field
from bench.virtual.door import Door
from bench.virtual.store import Store

__all__ = ["EFuse", "delivered"]


class EFuse:
    """The eFuse blocks of one chip.

    Args:
        chip: which blocks and fields there are
        door: every burn by the processor passes it
        check: raises when the processor may not run
        path: file that keeps the bits: all blocks one after another
    """

    def __init__(
        self, chip: Chip, *, door: Door, check: Callable[[], None], path: Path | None = None
    ) -> None:
        self.chip = chip
        self.door = door
        self._check = check
        fresh = delivered(chip)
        self._store = Store(len(fresh), fresh, path=path, what=f"eFuse file of an {chip.name}")
        self.burns: list[str] = []
        """Purpose of every burn that was tried, in order."""

    # -- the processor

    def read_block(self, block: int) -> bytes:
        """All bytes of a block, least significant first; IndexError where the chip has no such block."""
        self._check()
        return self.peek(block)

    def field(self, name: str) -> int:
        """The value of a field, by its name in ESP-IDF's table; KeyError where the chip has no such field."""
        where = self.chip.efuse_fields[name]
        value = int.from_bytes(self.read_block(where.block), "little")
        return value >> where.bit & ((1 << where.width) - 1)

    def burn(self, block: int, bits: bytes, purpose: str) -> None:
        """Set the bits of a block that are 1 in `bits` (which may be shorter than the block).

        Args:
            purpose: what for; the door is told ``"efuse:" + purpose`` unless it begins with that
        """
        self._check()
        size = self.chip.efuse_blocks[block]
        if len(bits) > size:
            raise ValueError(f"block {block} has {size} bytes, not {len(bits)}")
        label = purpose if purpose.startswith("efuse:") else f"efuse:{purpose}"
        self.burns.append(label)
        self.door.change(
            label,
            half=lambda: self._set(block, bits[: len(bits) // 2]),
            whole=lambda: self._set(block, bits),
        )

    def burn_bit(self, block: int, bit: int, purpose: str) -> None:
        """Set one bit of a block."""
        if not 0 <= bit < self.chip.efuse_blocks[block] * 8:
            raise ValueError(f"block {block} has no bit {bit}")
        self.burn(block, (1 << bit).to_bytes(self.chip.efuse_blocks[block], "little"), purpose)

    def burn_field(self, name: str, value: int, purpose: str) -> None:
        """Set the bits of a field that are 1 in `value`."""
        where = self.chip.efuse_fields[name]
        self.burn(where.block, _placed(where, value, self.chip.efuse_blocks[where.block]), purpose)

    @property
    def secure_version(self) -> int:
        """Anti-rollback version: the number of bits set in SECURE_VERSION (esp_efuse_read_secure_version)."""
        return self.field("SECURE_VERSION").bit_count()

    @property
    def secure_version_bits(self) -> int:
        """How many bits SECURE_VERSION has: the highest version that can be burnt."""
        return self.chip.efuse_fields["SECURE_VERSION"].width

    @property
    def mac(self) -> bytes:
        """The factory MAC address, 6 bytes in the order they are written."""
        raw = self.field("MAC").to_bytes(6, "little")
        return raw[::-1]

    # -- a programmer's clip

    def peek(self, block: int) -> bytes:
        """A block, powered or not."""
        if not 0 <= block < len(self.chip.efuse_blocks):
            raise IndexError(f"{self.chip.name} has no eFuse block {block}")
        return self._store.read(self._offset(block), self.chip.efuse_blocks[block])

    def renew(self) -> None:
        """A new chip, as delivered."""
        self._store.write(0, delivered(self.chip))
        self.burns.clear()

    def flush(self) -> None:
        self._store.flush()

    def close(self) -> None:
        """Flush the file and let go of it."""
        self._store.close()

    def _offset(self, block: int) -> int:
        return sum(self.chip.efuse_blocks[:block])

    def _set(self, block: int, bits: bytes) -> None:
        present = self.peek(block)[: len(bits)]
        self._store.write(self._offset(block), bytes(a | b for a, b in zip(present, bits, strict=True)))


def _placed(where: Field, value: int, size: int) -> bytes:
    if value >> where.width:
        raise ValueError(f"0x{value:x} does not fit {where.width} bits")
    return (value << where.bit).to_bytes(size, "little")


def _crc8(data: bytes) -> int:
    """esp_crc8 of the ROM: polynomial 0x8C reflected, initial value 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc


def delivered(chip: Chip) -> bytes:
    """The eFuses of a chip as it leaves the factory: all blocks one after another."""
    values = {"MAC": int.from_bytes(chip.mac[::-1], "little")}
    major, minor = divmod(chip.revision, 100)
    if chip.name == "esp32":
        # The third revision bit is not a fuse (APB_CTL_DATE); 40 MHz crystal against an 8 MHz clock of 51 * 156 kHz.
        values |= {"MAC_CRC": _crc8(chip.mac), "CHIP_PACKAGE": 1, "CHIP_CPU_FREQ_RATED": 1, "CK8M_FREQ": 51}
        values |= {"CHIP_VER_REV1": int(major >= 1), "CHIP_VER_REV2": int(major >= 2), "WAFER_VERSION_MINOR": minor}
        values |= {"ADC_VREF": 4}
    else:
        block_major, block_minor = divmod(chip.block_revision, 100)
        values |= {"WAFER_VERSION_MAJOR": major, "WAFER_VERSION_MINOR_LO": minor & 7}
        values |= {"WAFER_VERSION_MINOR_HI": minor >> 3, "BLK_VERSION_MAJOR": block_major}
        values |= {"BLK_VERSION_MINOR": block_minor}
        values |= {"OPTIONAL_UNIQUE_ID": int.from_bytes(chip.mac * 3, "little") & (1 << 128) - 1}
    blocks = [0] * len(chip.efuse_blocks)
    for name, value in values.items():
        where = chip.efuse_fields[name]
        blocks[where.block] |= value << where.bit
    return b"".join(
        block.to_bytes(size, "little") for block, size in zip(blocks, chip.efuse_blocks, strict=True)
    )
