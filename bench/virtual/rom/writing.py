"""One write to flash through the loader: erased up front (ROM) or sector by sector (stub), plain or deflated."""

from __future__ import annotations

import zlib

from bench.virtual.nor import SECTOR, NorFlash

__all__ = ["FlashWrite", "Overfull"]

_PURPOSE = "rom"


class Overfull(Exception):
    """More data than was announced."""


class FlashWrite:
    """Data for the flash from `offset` on.

    Args:
        flash: where it goes
        offset: where it begins; the sector it lies in is erased whole
        size: bytes that were announced, erased, and not exceeded
        deflated: is the data a zlib stream?
        erase_ahead: erase all at once (ROM), or each sector just before it is written (stub)

    Raises:
        ValueError: the region is not inside the flash
    """

    def __init__(self, flash: NorFlash, offset: int, size: int, *, deflated: bool, erase_ahead: bool) -> None:
        if offset + size > flash.size:
            raise ValueError("region outside the flash")
        self._flash = flash
        self._at = offset
        self._end = offset + size
        self._inflate = zlib.decompressobj() if deflated else None
        self._erased_to = offset - offset % SECTOR
        if erase_ahead:
            self._erase_to(self._end)

    def write(self, data: bytes) -> None:
        """Write the next block.

        Raises:
            zlib.error: not a zlib stream
            Overfull: a deflated stream holds more than was announced (plain blocks are padded, and cut at the end)
        """
        if self._inflate is not None:
            # never more than one byte too many: a block may inflate to a thousand times its size
            data = self._inflate.decompress(data, self._end - self._at + 1)
            if self._at + len(data) > self._end:
                raise Overfull
        data = data[: self._end - self._at]
        if data:
            self._erase_to(self._at + len(data))
            self._flash.program(self._at, data, _PURPOSE)
            self._at += len(data)

    @property
    def complete(self) -> bool:
        return self._at >= self._end

    def _erase_to(self, end: int) -> None:
        end += -end % SECTOR
        if end > self._erased_to:
            self._flash.erase(self._erased_to, end - self._erased_to, _PURPOSE)
            self._erased_to = end
