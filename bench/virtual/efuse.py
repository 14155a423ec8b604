"""eFuses: bits that only go from 0 to 1, in the blocks and fields of the chip.

Content as delivered: MAC address (on ESP32 with its CRC), wafer and block revision, package, calibration marks, so
that `espefuse`, the ROM and ESP-IDF's revision checks find what they look for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.errors import FormatError
from bench.flash.efuse_fields import BLOCK_SIZE, EfuseBlocks
from bench.virtual.chips import Chip
from bench.virtual.door import Door
from bench.virtual.store import Store

__all__ = ["EFuse", "delivered"]


class EFuse:
    """The eFuse blocks of one chip.

    Args:
        chip: which blocks and fields there are
        door: every burn by the processor passes it
        check: raises when the processor may not run
        path: file that keeps the bits: all blocks one after another, 32 bytes each
    """

    def __init__(self, chip: Chip, *, door: Door, check: Callable[[], None], path: Path | None = None) -> None:
        self.chip = chip
        self.door = door
        self._check = check
        fresh = delivered(chip).to_bytes()
        self._store = Store(len(fresh), fresh, path=path, what=f"eFuse file of an {chip.name}")
        self.burns: list[str] = []
        """Purpose of every burn that was tried, in order."""

    # -- the processor

    def read_block(self, block: int) -> bytes:
        """All bytes of a block that the chip has, least significant first; FormatError where there is no such block."""
        self._check()
        return self.peek(block)

    def field(self, name: str) -> int:
        """The value of a field, by its name in ESP-IDF's table; FormatError where the chip has no such field."""
        self._check()
        return self.blocks.get(name)

    def burn(self, block: int, bits: bytes, purpose: str) -> None:
        """Set the bits of a block that are 1 in `bits` (which may be shorter than the block).

        Args:
            purpose: what for; the door is told ``"efuse:" + purpose`` unless it begins with that

        Raises:
            FormatError: no such block, or bits beyond its registers
        """
        number = int.from_bytes(bits, "little")
        self._burn(
            purpose,
            lambda: self.blocks.burnt_bits(block, number),
            lambda: self.blocks.burnt_bits(block, _lower_half(number)),
        )

    def burn_bit(self, block: int, bit: int, purpose: str) -> None:
        """Set one bit of a block; FormatError where there is none."""
        self._burn(purpose, lambda: self.blocks.burnt_bits(block, 1 << bit), lambda: self.blocks)

    def burn_field(self, name: str, value: int, purpose: str) -> None:
        """Set the bits of a field that are 1 in `value`; FormatError where it does not fit."""
        self._burn(
            purpose,
            lambda: self.blocks.burnt(name, value),
            lambda: self.blocks.burnt(name, _lower_half(value)),
        )

    @property
    def secure_version(self) -> int:
        """Anti-rollback version: the number of bits set in SECURE_VERSION (esp_efuse_read_secure_version)."""
        self._check()
        return self.blocks.secure_version

    @property
    def secure_version_bits(self) -> int:
        """How many bits SECURE_VERSION has: the highest version that can be burnt."""
        return self.blocks.max_secure_version

    def advance_secure_version(self, version: int, purpose: str = "secure_version") -> None:
        """Burn up to `version` (esp_efuse_update_secure_version); FormatError where it cannot be burnt."""
        have = self.secure_version
        self._burn(
            purpose,
            lambda: self.blocks.with_secure_version(version),
            lambda: self.blocks.with_secure_version(have + (version - have) // 2),
        )

    @property
    def mac(self) -> bytes:
        """The factory MAC address, 6 bytes in the order they are written."""
        return self.blocks.mac

    # -- a programmer's clip

    @property
    def blocks(self) -> EfuseBlocks:
        """All blocks as a value, powered or not."""
        return EfuseBlocks.parse(self.chip.name, self._store.read(0, self._store.size))

    def peek(self, block: int) -> bytes:
        """The bytes of a block that the chip has, powered or not."""
        words = self.chip.efuses.block_words
        if not 0 <= block < len(words):
            raise FormatError("eFuse blocks", 0, f"block {block}", f"a block from 0 to {len(words) - 1}")
        return self._store.read(BLOCK_SIZE * block, 4 * words[block])

    def poke(self, block: int, bits: bytes) -> None:
        """Burn past the door, powered or not; FormatError where there is no such block or register."""
        self._store.write(0, self.blocks.burnt_bits(block, int.from_bytes(bits, "little")).to_bytes())

    @property
    def size(self) -> int:
        """Bytes of all blocks together."""
        return self._store.size

    def watch(self, watcher: Callable[[int, bytes], None] | None) -> None:
        """Have each change told before it is done: offset and new bytes of all blocks in a row."""
        self._store.watcher = watcher

    def content(self) -> bytes:
        """All blocks in a row, powered or not."""
        return self._store.read(0, self._store.size)

    def put(self, content: bytes) -> None:
        """Put all blocks in a row, even with bits that go back to 0: another chip."""
        self._store.write(0, content)

    def renew(self) -> None:
        """A new chip, as delivered."""
        self._store.write(0, delivered(self.chip).to_bytes())
        self.burns.clear()

    def flush(self) -> None:
        self._store.flush()

    def close(self) -> None:
        """Flush the file and let go of it."""
        self._store.close()

    def _burn(self, purpose: str, whole: Callable[[], EfuseBlocks], half: Callable[[], EfuseBlocks]) -> None:
        self._check()
        label = purpose if purpose.startswith("efuse:") else f"efuse:{purpose}"
        self.burns.append(label)
        whole()  # refuses what cannot be burnt before anything is counted
        self.door.change(
            label,
            half=lambda: self._store.write(0, half().to_bytes()),
            whole=lambda: self._store.write(0, whole().to_bytes()),
        )


def _lower_half(bits: int) -> int:
    """The lower half of the bits that are set: what is burnt when the power fails in the middle."""
    kept = bits
    for _ in range((bits.bit_count() + 1) // 2):
        kept &= ~(1 << (kept.bit_length() - 1))
    return kept


def _crc8(data: bytes) -> int:
    """esp_crc8 of the ROM: polynomial 0x8C reflected, initial value 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc


_RATED_240_MHZ = 1 << 109
_CK8M_FREQ = 51 << 128
"""Of the 8 MHz clock, in units that with RTCCALICFG1 give a crystal of 40 MHz (esptool, get_rom_cal_crystal_freq)."""
_ADC_VREF = 4 << 136


def delivered(chip: Chip) -> EfuseBlocks:
    """The eFuses of a chip as it leaves the factory."""
    blocks = EfuseBlocks.blank(chip.name).with_mac(chip.mac)
    major, minor = divmod(chip.revision, 100)
    if chip.name == "esp32":
        blocks = blocks.burnt("MAC_CRC", _crc8(chip.mac)).burnt("CHIP_PACKAGE", 1)
        blocks = blocks.burnt("CHIP_VER_REV1", int(major >= 1)).burnt("CHIP_VER_REV2", int(major >= 2))
        blocks = blocks.burnt("WAFER_VERSION_MINOR", minor)
        return blocks.burnt_bits(0, _RATED_240_MHZ | _CK8M_FREQ | _ADC_VREF)
    block_major, block_minor = divmod(chip.block_revision, 100)
    blocks = blocks.burnt("WAFER_VERSION_MAJOR", major).burnt("WAFER_VERSION_MINOR", minor)
    blocks = blocks.burnt("BLK_VERSION_MAJOR", block_major).burnt("BLK_VERSION_MINOR", block_minor)
    return blocks.burnt("OPTIONAL_UNIQUE_ID", int.from_bytes((chip.mac * 3)[:16], "little"))
