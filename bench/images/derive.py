"""Images made from others that change more than a version: any field, any size, a merged flash file.

What comes out is sealed, unless the name of a function says otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from bench.errors import FormatError
from bench.images.descriptions import AppDesc
from bench.images.header import ImageHeader, SegmentHeader
from bench.images.image import Image
from bench.images.segment import Segment

__all__ = ["merged", "padded_to", "with_app_desc", "with_header", "with_trailing"]

_BLOCK = 16
"""An image with its SHA-256 is a multiple of this long."""

_HASH = 32

_LARGEST = 128 << 20
"""What the largest flash holds that a header can name."""


def with_header(image: Image, /, **values: int | bytes) -> Image:
    """Other values in fields of `esp_image_header_t`, e.g. ``entry_addr=…, min_chip_rev_full=…``.

    Raises:
        FormatError: no such field, or a value that it cannot hold
    """
    _check(ImageHeader, values)
    header = replace(image.header, **values)  # type: ignore[arg-type]  # the fields are checked by to_bytes
    header.to_bytes()
    return replace(image, header=header).seal()


def with_app_desc(image: Image, /, **values: str | int | bytes) -> Image:
    """Other values in fields of `esp_app_desc_t`, e.g. ``time="12:00:00", min_efuse_blk_rev_full=…``.

    Raises:
        FormatError: no application, no such field, or a value that it cannot hold
    """
    _check(AppDesc, values)
    if image.app_desc is None:
        raise FormatError("ESP-IDF image", 32, "no esp_app_desc_t", f"an application (magic 0x{AppDesc.MAGIC:08x})")
    described = replace(image.app_desc, **values)  # type: ignore[arg-type]  # the fields are checked by to_bytes
    return image.with_patch(0, 0, described.to_bytes())


def padded_to(image: Image, size: int, *, seed: int = 0) -> Image:
    """The image, `size` bytes long: a padding segment of pseudo-random bytes, and a remainder below 16 behind it.

    A padding segment has load address 0: it is written and verified like any other, and loaded nowhere. What does not
    fill 16 bytes trails behind the image, where nothing reads it.

    Args:
        size: in bytes; at least that of the image

    Raises:
        FormatError: too small or too large, no room for one more segment, or something (a signature) trails it already
    """
    if image.trailing:
        found = f"{len(image.trailing)} bytes behind the image"
        raise FormatError("ESP-IDF image", image.length, found, "none: take the signature off, pad, and sign again")
    if size > _LARGEST:
        raise FormatError("ESP-IDF image", 0, f"a size of {size} bytes", f"at most {_LARGEST}, the largest flash")
    rest = (size - (image.length % _BLOCK)) % _BLOCK
    wanted = size - rest
    if wanted < image.length:
        raise FormatError("ESP-IDF image", 0, f"an image of {image.length} bytes", f"one of at most {size}")
    filler = random.Random(seed)
    result = image
    if wanted > image.length:
        result = _with_padding_segment(image, wanted, filler)
    return replace(result, trailing=filler.randbytes(rest))


def _with_padding_segment(image: Image, length: int, filler: random.Random) -> Image:
    if len(image.segments) >= Image.MAX_SEGMENTS:
        found = f"{len(image.segments)} segments"
        raise FormatError("ESP-IDF image", 1, found, f"fewer than {Image.MAX_SEGMENTS}, to add a padding one")
    start = image.segments[-1].end if image.segments else ImageHeader.SIZE
    checksum_at = length - 1 - (_HASH if image.digest is not None else 0)
    size = (checksum_at - start - SegmentHeader.SIZE) // 4 * 4
    segments = (*image.segments, Segment(0, filler.randbytes(size), start))
    header = replace(image.header, segment_count=len(segments))
    return replace(image, header=header, segments=segments, padding=bytes(checksum_at - segments[-1].end)).seal()


def with_trailing(image: Image, count: int, *, seed: int = 0) -> Image:
    """`count` pseudo-random bytes more behind the image; the image itself stays valid."""
    return replace(image, trailing=image.trailing + random.Random(seed).randbytes(count))


def merged(parts: Mapping[int, bytes], *, fill: int = 0xFF) -> bytes:
    """One file of several that lie at their offsets of flash, from offset 0 on: what `esptool merge-bin` writes.

    Args:
        parts: bytes by offset
        fill: what stands between them

    Raises:
        FormatError: nothing to merge, or two that overlap
    """
    if not parts:
        raise FormatError("merged flash file", 0, "no files", "at least one")
    result = bytearray()
    for offset, data in sorted(parts.items()):
        if offset < len(result):
            raise FormatError("merged flash file", offset, f"the one before, up to 0x{len(result):x}", "free space")
        result += bytes([fill]) * (offset - len(result)) + data
    return bytes(result)


def _check(kind: type[Any], values: Mapping[str, object]) -> None:
    known = [field.name for field in fields(kind)]
    for name in values:
        if name not in known:
            raise FormatError(kind.__name__, 0, f"field {name!r}", "one of " + ", ".join(known))
