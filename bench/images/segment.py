"""One segment of an image, and the checksum over all of them.

Source: components/bootloader_support/src/esp_image_format.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import FormatError
from bench.images.header import SegmentHeader

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Segment", "segment_checksum"]


@dataclass(frozen=True)
class Segment:
    """One segment: `data` is loaded (or mapped) at `load_addr`; address 0 marks padding that goes nowhere.

    `offset` is that of its 8-byte header from the start of the image, as esptool prints it.
    """

    load_addr: int
    data: bytes
    offset: int = 0

    @property
    def data_offset(self) -> int:
        """Offset of the data from the start of the image (the bootloader's `paddr`, less the partition's)."""
        return self.offset + SegmentHeader.SIZE

    @property
    def end(self) -> int:
        """Offset of the first byte behind the data, from the start of the image."""
        return self.data_offset + len(self.data)

    @classmethod
    def parse(cls, data: bytes, offset: int, *, number: int, subject: str = "ESP-IDF image") -> Segment:
        """Read header and data of segment `number` at `offset` of an image.

        Raises:
            FormatError: a length that is no multiple of 4, 16 MiB and more, or beyond the end of `data`
        """
        header = SegmentHeader.parse(data, offset, subject=subject)
        length = header.data_len
        if length % 4 or length >= SegmentHeader.MAX_LENGTH:
            found = f"length 0x{length:x} of segment {number}"
            raise FormatError(subject, offset + 4, found, "a multiple of 4 below 16 MiB")
        start = offset + SegmentHeader.SIZE
        if length > len(data) - start:
            found = f"{len(data) - start} bytes of segment {number} before the end"
            raise FormatError(subject, len(data), found, f"{length} bytes from 0x{start:x} on")
        return cls(header.load_addr, data[start : start + length], offset)


def segment_checksum(segments: Iterable[Segment]) -> int:
    """0xEF XORed with every byte of every segment's data (`ESP_ROM_CHECKSUM_INITIAL`)."""
    total = 0xEF
    for segment in segments:
        # Folding one big integer in halves: a thousand times faster than a loop over the bytes.
        folded, bits = int.from_bytes(segment.data, "little"), len(segment.data) * 8
        while bits > 8:
            half = (bits // 8 + 1) // 2 * 8
            folded, bits = (folded >> half) ^ (folded & ((1 << half) - 1)), half
        total ^= folded
    return total
