"""The two fixed headers of an ESP-IDF image: `esp_image_header_t` and `esp_image_segment_header_t`.

Source: components/bootloader_support/include/esp_app_format.h (the same in ESP-IDF v4.4 to v6.0).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from bench.errors import FormatError
from bench.images.chips import Chip, chip_by_id

__all__ = ["FLASH_SIZES", "MAX_SEGMENTS", "SPI_MODES", "ImageHeader", "SegmentHeader", "revision_text"]

MAX_SEGMENTS = 16
"""`ESP_IMAGE_MAX_SEGMENTS`."""

SPI_MODES = ("qio", "qout", "dio", "dout", "fast_read", "slow_read")
"""Names by `esp_image_spi_mode_t`."""

FLASH_SIZES = ("1MB", "2MB", "4MB", "8MB", "16MB", "32MB", "64MB", "128MB")
"""Names by `esp_image_flash_size_t`."""


def revision_text(full: int) -> str:
    """`301` -> ``"v3.1"``: ESP-IDF's way to write a chip or eFuse block revision (major * 100 + minor)."""
    return f"v{full // 100}.{full % 100}"


@dataclass(frozen=True)
class ImageHeader:
    """`esp_image_header_t`, 24 bytes, little endian, at the start of every image.

    `spi_speed` and `spi_size` share one byte, low and high nibble. Revisions are major * 100 + minor, except
    the legacy `min_chip_rev`. `hash_appended` is a C truth value: anything but 0 means a SHA-256 follows.
    """

    SIZE: ClassVar[int] = 24
    MAGIC: ClassVar[int] = 0xE9
    _LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBBBIB3sHBHH4sB")

    segment_count: int
    entry_addr: int
    chip_id: int
    spi_mode: int = 2
    spi_speed: int = 0
    spi_size: int = 2
    wp_pin: int = 0xEE
    spi_pin_drv: bytes = bytes(3)
    min_chip_rev: int = 0
    min_chip_rev_full: int = 0
    max_chip_rev_full: int = 0xFFFF
    reserved: bytes = bytes(4)
    hash_appended: int = 1
    magic: int = MAGIC

    @classmethod
    def parse(cls, data: bytes, *, subject: str = "ESP-IDF image") -> ImageHeader:
        """Read the first 24 bytes of `data`; only the length is checked, so that an erased flash reads too.

        Raises:
            FormatError: fewer than 24 bytes
        """
        if len(data) < cls.SIZE:
            raise FormatError(subject, len(data), f"the end after {len(data)} bytes", "a 24-byte image header")
        (magic, count, mode, nibbles, entry, wp_pin, drive, chip_id, min_rev, min_full, max_full, reserved,
         hashed) = cls._LAYOUT.unpack_from(data)  # fmt: skip
        return cls(
            magic=magic,
            segment_count=count,
            spi_mode=mode,
            spi_speed=nibbles & 0xF,
            spi_size=nibbles >> 4,
            entry_addr=entry,
            wp_pin=wp_pin,
            spi_pin_drv=drive,
            chip_id=chip_id,
            min_chip_rev=min_rev,
            min_chip_rev_full=min_full,
            max_chip_rev_full=max_full,
            reserved=reserved,
            hash_appended=hashed,
        )

    def to_bytes(self) -> bytes:
        """The 24 bytes.

        Raises:
            FormatError: a field holds a number that its width cannot
        """
        try:
            return self._LAYOUT.pack(
                self.magic,
                self.segment_count,
                self.spi_mode,
                (self.spi_speed & 0xF) | (self.spi_size << 4),
                self.entry_addr,
                self.wp_pin,
                self.spi_pin_drv,
                self.chip_id,
                self.min_chip_rev,
                self.min_chip_rev_full,
                self.max_chip_rev_full,
                self.reserved,
                self.hash_appended,
            )
        except struct.error as error:
            raise FormatError(
                "ESP-IDF image header", 0, f"{self}", f"numbers that fit their fields ({error})"
            ) from None

    @property
    def chip(self) -> Chip | None:
        """The chip that `chip_id` names, if the bench knows it."""
        return chip_by_id(self.chip_id)

    @property
    def spi_mode_text(self) -> str:
        """``"dio"``, or ``"unknown (9)"``."""
        return SPI_MODES[self.spi_mode] if self.spi_mode < len(SPI_MODES) else f"unknown ({self.spi_mode})"

    @property
    def flash_size_text(self) -> str:
        """``"4MB"``, or ``"unknown (9)"``."""
        return FLASH_SIZES[self.spi_size] if self.spi_size < len(FLASH_SIZES) else f"unknown ({self.spi_size})"

    @property
    def flash_freq_text(self) -> str:
        """``"80m"``, as esptool names it for this chip, or ``"unknown (9)"``."""
        names = self.chip.frequencies if self.chip else {}
        return names.get(self.spi_speed, f"unknown ({self.spi_speed})")


@dataclass(frozen=True)
class SegmentHeader:
    """`esp_image_segment_header_t`, 8 bytes: where the data that follows is loaded, and its length in bytes."""

    SIZE: ClassVar[int] = 8
    MAX_LENGTH: ClassVar[int] = 16 * 1024 * 1024
    _LAYOUT: ClassVar[struct.Struct] = struct.Struct("<II")

    load_addr: int
    data_len: int

    @classmethod
    def parse(cls, data: bytes, offset: int = 0, *, subject: str = "ESP-IDF image") -> SegmentHeader:
        """Read the 8 bytes at `offset`; the length they announce is not judged here.

        Raises:
            FormatError: fewer than 8 bytes from there on
        """
        if offset + cls.SIZE > len(data):
            left = max(0, len(data) - offset)
            raise FormatError(subject, offset, f"{left} bytes before the end", "an 8-byte segment header")
        return cls(*cls._LAYOUT.unpack_from(data, offset))

    def to_bytes(self) -> bytes:
        """The 8 bytes.

        Raises:
            FormatError: a field holds a number that 32 bits cannot
        """
        try:
            return self._LAYOUT.pack(self.load_addr, self.data_len)
        except struct.error:
            raise FormatError("ESP-IDF image segment", 0, f"{self}", "two unsigned 32-bit numbers") from None
