"""NOR flash: erasing sets 4 KiB sectors to 0xFF, programming only clears bits.

Stricter than the part: what real flash would only corrupt is refused or counted.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

from bench.virtual.cipher import BLOCK, FlashCipher
from bench.virtual.door import Door
from bench.virtual.store import Store

__all__ = ["SECTOR", "NorFlash"]

SECTOR = 4096
"""The smallest that can be erased, bytes."""

_ERASED = b"\xff" * SECTOR


class NorFlash:
    """A SPI NOR flash of `size` bytes.

    The processor uses `read`, `erase` and `program`; `peek` and `poke` are a programmer's clip on the chip, which
    works on an unpowered board and knows no rules.

    Args:
        size: bytes, a multiple of 4096
        door: every change by the processor passes it
        check: raises when the processor may not run
        path: file that keeps the content
        what: the file's name in errors
    """

    def __init__(
        self,
        size: int,
        *,
        door: Door,
        check: Callable[[], None],
        path: Path | None = None,
        what: str = "flash file",
    ) -> None:
        if size % SECTOR:
            raise ValueError(f"flash size {size} is not a multiple of {SECTOR}")
        self._store = Store(size, b"\xff" * size, path=path, what=what)
        self._lock = threading.Lock()
        self._check = check
        self.door = door
        self.size = size
        self.cipher: FlashCipher | None = None
        """Between the processor and the flash; the firmware of each life sets it up, the ROM's loader has none."""
        self.lost_bits = 0
        """How often a program operation wanted a bit at 1 that had been programmed to 0 (it stays 0)."""

    def read(self, offset: int, length: int) -> bytes:
        """Read, decrypted where there is a cipher; ValueError outside the chip."""
        self._check()
        self._within(offset, length)
        if self.cipher is None or not self.cipher.covers(offset):
            return self._store.read(offset, length)
        before = offset % BLOCK
        size = before + length
        data = self._store.read(offset - before, size + -size % BLOCK)
        return self.cipher.seen(offset - before, data)[before:size]

    def erase(self, offset: int, length: int, purpose: str) -> None:
        """Set sectors to 0xFF; each sector is one operation at the door, of which the middle is half a sector.

        Raises:
            ValueError: offset or length is not a multiple of 4096, or outside the chip
        """
        self._check()
        self._within(offset, length)
        if offset % SECTOR or length % SECTOR:
            raise ValueError(f"erase of 0x{length:x} bytes at 0x{offset:x} is not aligned to sectors of 0x1000")
        for sector in range(offset, offset + length, SECTOR):
            self._check()
            self.door.change(
                purpose,
                half=lambda at=sector: self._set(at, _ERASED[: SECTOR // 2]),  # type: ignore[misc]
                whole=lambda at=sector: self._set(at, _ERASED),  # type: ignore[misc]
            )

    def program(self, offset: int, data: bytes, purpose: str) -> None:
        """Clear the bits that are 0 in `data`; one operation, of which the middle is the first half of the bytes.

        Raises:
            ValueError: outside the chip
            FormatError: to be encrypted, and not aligned to 16 bytes
        """
        self._check()
        self._within(offset, len(data))
        if self.cipher is not None and self.cipher.covers(offset):
            data = self.cipher.stored(offset, data)
        self.door.change(
            purpose,
            half=lambda: self._clear(offset, data[: len(data) // 2]),
            whole=lambda: self._clear(offset, data),
        )

    def md5(self, offset: int, length: int) -> bytes:
        """MD5 of a region, 16 bytes."""
        return hashlib.md5(self.read(offset, length), usedforsecurity=False).digest()

    def peek(self, offset: int, length: int) -> bytes:
        """Read, powered or not."""
        self._within(offset, length)
        return self._store.read(offset, length)

    def poke(self, offset: int, data: bytes) -> None:
        """Put any bytes anywhere, powered or not, past the door."""
        self._within(offset, len(data))
        self._set(offset, data)

    def watch(self, watcher: Callable[[int, bytes], None] | None) -> None:
        """Have each change of the memory told before it is done, whoever makes it: offset and new bytes."""
        self._store.watcher = watcher

    def renew(self) -> None:
        """A new chip: all 0xFF."""
        self._set(0, b"\xff" * self.size)
        self.lost_bits = 0

    def flush(self) -> None:
        self._store.flush()

    def close(self) -> None:
        """Flush the file and let go of it."""
        with self._lock:
            self._store.close()

    def _within(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise ValueError(f"0x{length:x} bytes at 0x{offset:x} reach outside the flash of 0x{self.size:x} bytes")

    def _set(self, offset: int, data: bytes) -> None:
        with self._lock:
            self._store.write(offset, data)

    def _clear(self, offset: int, data: bytes) -> None:
        with self._lock:
            present = self._store.read(offset, len(data))
            if present.count(0xFF) == len(data):
                result = data
            else:
                # one big-integer AND is a hundred times faster than a loop over bytes
                number = int.from_bytes(present, "little") & int.from_bytes(data, "little")
                result = number.to_bytes(len(data), "little")
                if result != data:
                    self.lost_bits += 1
            self._store.write(offset, result)
