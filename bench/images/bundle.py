"""ESP-IDF's certificate bundle in a prebuilt image, replaced by one that holds the bench's own roots.

A bundle holds subject names and public keys of roots. Up to v5.3: their number, then for each the lengths of name and
key (all uint16, big endian), name and key in DER. From v5.4 on: for each its offset (uint32), and the lengths are
little endian. Source: components/mbedtls/esp_crt_bundle/gen_crt_bundle.py and esp_crt_bundle.c, which takes a bundle
that is shorter than the room for it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.errors import FormatError
from bench.images.image import Image

__all__ = ["Bundle", "find_bundle", "with_bundle"]

_NAME = re.compile(rb"\x30(?:[\x08-\x7f]|\x81[\x80-\xff])\x31")
_MOST = 1000
_LENGTHS = 4


@dataclass(frozen=True)
class Bundle:
    """Where a bundle stands: segment number, offset in its data, size in bytes; and how it is written.

    `offsets` is the form of v5.4 and later. `count` roots are in it.
    """

    segment: int
    at: int
    size: int
    offsets: bool
    count: int


def find_bundle(image: Image) -> Bundle | None:
    """The first bundle of an image; None where there is none."""
    for number, segment in enumerate(image.segments):
        for at, size, offsets, count in _bundles(segment.data):
            return Bundle(number, at, size, offsets, count)
    return None


def with_bundle(image: Image, pem: bytes) -> Image:
    """The image with a bundle of these roots alone, and zeros where the others were.

    Args:
        pem: certificates, one behind the other

    Raises:
        FormatError: no bundle, no certificate, or more than fits; with the sizes
    """
    found = find_bundle(image)
    if found is None:
        raise FormatError("ESP-IDF image", 0, "no certificate bundle", "one to replace: build it with one")
    try:
        roots = x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise FormatError("certificates", 0, "no readable certificate", "PEM (-----BEGIN CERTIFICATE-----)") from None
    data = _written(sorted(map(_entry, roots)), offsets=found.offsets)
    if len(data) > found.size:
        offset = image.segments[found.segment].data_offset + found.at
        room = f"room for a bundle of {found.size} bytes"
        raise FormatError("ESP-IDF image", offset, room, f"{len(data)} bytes: it does not fit")
    return image.with_patch(found.segment, found.at, data.ljust(found.size, b"\0"))


def _entry(root: x509.Certificate) -> tuple[bytes, bytes]:
    return (
        root.subject.public_bytes(),
        root.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    )


def _written(roots: list[tuple[bytes, bytes]], *, offsets: bool) -> bytes:
    order = "<" if offsets else ">"
    entries = [struct.pack(f"{order}HH", len(name), len(key)) + name + key for name, key in roots]
    if not offsets:
        return struct.pack(">H", len(entries)) + b"".join(entries)
    places, place = [], 4 * len(entries)
    for entry in entries:
        places.append(place)
        place += len(entry)
    return struct.pack(f"<{len(places)}L", *places) + b"".join(entries)


def _bundles(data: bytes) -> Iterator[tuple[int, int, bool, int]]:
    """Offset, size, form and number of roots of each bundle: a first entry, and in front of it what a bundle has."""
    for match in _NAME.finditer(data):
        first = match.start() - _LENGTHS
        if first < 2:
            continue
        count = int.from_bytes(data[first - 2 : first], "big")
        end = _walk(data, first, count, ">HH")
        if end is not None:
            yield first - 2, end - first + 2, False, count
            return
        for many in range(1, min(_MOST, first // 4) + 1):
            at = first - 4 * many
            if int.from_bytes(data[at : at + 4], "little") == 4 * many:
                end = _walk(data, first, many, "<HH")
                if end is not None:
                    yield at, end - at, True, many
                    return


def _walk(data: bytes, at: int, count: int, form: str) -> int | None:
    """Where `count` entries from `at` on end; None where that many are not there."""
    if not 1 <= count <= _MOST:
        return None
    for _ in range(count):
        if at + _LENGTHS > len(data):
            return None
        name, key = struct.unpack_from(form, data, at)
        start = at + _LENGTHS
        if (
            not name
            or not key
            or data[start : start + 1] != b"\x30"
            or data[start + name : start + name + 1] != b"\x30"
        ):
            return None
        at = start + name + key
    return at if at <= len(data) else None
