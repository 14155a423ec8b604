"""The eFuse file of an emulated board: the read registers of all blocks, one after the other, little endian.

QEMU maps the file onto its eFuse device, and esp-emu takes the same format. Sizes of the blocks and the chip revision
that a new file holds are those of `QEMU_TARGETS` in ESP-IDF's tools/idf_py_actions/qemu_ext.py (v5.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.errors import BenchError
from bench.flash.efuse_fields import EfuseBlocks

__all__ = ["EfuseFile"]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Bytes of each block in the file, bytes of the file, and what stands there from the factory, by offset."""

    blocks: tuple[int, ...]
    size: int
    delivered: Mapping[int, int]


_NEWER = _Layout((24, 24, *(32,) * 9), 1024, MappingProxyType({38: 0x0C}))
"""Chip revision v0.3."""

_LAYOUTS = MappingProxyType(
    {
        "esp32": _Layout((28, 32, 32, 32), 124, MappingProxyType({13: 0x80, 22: 0x10})),  # chip revision v3.0
        "esp32c3": _NEWER,
        "esp32s3": _NEWER,
    }
)


@dataclass(frozen=True, slots=True)
class EfuseFile:
    """A file that an emulator keeps eFuses in."""

    path: Path
    chip: str

    def renew(self) -> None:
        """As delivered."""
        layout = _LAYOUTS[self.chip]
        data = bytearray(layout.size)
        for offset, value in layout.delivered.items():
            data[offset] = value
        self.path.write_bytes(data)

    def blocks(self) -> EfuseBlocks:
        """What the file holds. Raises `BenchError` where it is cut short."""
        data, at, blocks = self.path.read_bytes(), 0, []
        for length in _LAYOUTS[self.chip].blocks:
            blocks.append(data[at : at + length].ljust(32, b"\0"))
            at += length
        if len(data) < at:
            raise BenchError(
                f"{self.path}: an eFuse file of an {self.chip} has {at} bytes or more, and not {len(data)}"
            )
        return EfuseBlocks.parse(self.chip, b"".join(blocks))

    def burn(self, block: int, bits: bytes) -> None:
        """Set the bits that are 1 in a block, least significant byte first."""
        sizes = _LAYOUTS[self.chip].blocks
        if not 0 <= block < len(sizes) or any(bits[sizes[block] :]):
            raise BenchError(f"an {self.chip} has no such eFuse bits: block {block}, {bits.hex()}")
        data, at = bytearray(self.path.read_bytes()), sum(sizes[:block])
        for index, value in enumerate(bits[: sizes[block]]):
            data[at + index] |= value
        self.path.write_bytes(data)
