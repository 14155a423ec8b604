"""One bit wrong on purpose, in a place that is called by its name.

In an application or bootloader image: `header` (the entry point), `segment_header` (the length of the first segment),
`app_desc` (the version), `segment` (the middle of the longest segment), `checksum`, `hash`, and where there is a
Secure Boot V2 signature `signature` (the signature's own bytes, with the block's CRC put right again, so that it is the
signature that is judged) and `signature_block` (the same bit, with the CRC left wrong, so that there is no block).
In a pre-encrypted image: `magic`, `key`, `iv`, `size`, `tag`, `reserved`, `ciphertext`.
"""

from __future__ import annotations

from bench.errors import FormatError
from bench.images.encrypted import EncryptedHeader, is_encrypted
from bench.images.header import ImageHeader
from bench.images.image import Image
from bench.images.signature import SignatureBlock, signature_offset

__all__ = ["offset_of", "places_of", "with_flipped_bit"]

_SUBJECT = "bit to flip"
_ENTRY_AT = 4
_ENCRYPTED = {"magic": 0, "key": 4, "iv": 388, "size": 404, "tag": 408, "reserved": 424}


def with_flipped_bit(data: bytes, place: str, *, bit: int = 0) -> bytes:
    """`data` with one bit inverted in the first byte of a named place; nothing is re-sealed.

    Args:
        place: see the module; `places_of(data)` lists those that this data has
        bit: 0 to 7, 0 the least significant

    Raises:
        FormatError: no such place in this data, no such bit, or data that is no image
    """
    if not 0 <= bit < 8:
        raise FormatError(_SUBJECT, 0, f"bit {bit}", "a bit from 0 to 7")
    at = offset_of(data, place)
    flipped = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
    if place != "signature":
        return flipped
    start = signature_offset(Image.parse(data))
    assert start is not None, "there is a signature in a block"
    end = start + SignatureBlock.SIZE
    return flipped[:start] + SignatureBlock.with_crc(flipped[start:end]) + flipped[end:]


def offset_of(data: bytes, place: str) -> int:
    """Where a named place begins, in bytes.

    Raises:
        FormatError: as `with_flipped_bit`
    """
    places = places_of(data)
    if place not in places:
        raise FormatError(_SUBJECT, 0, repr(place), "one of " + ", ".join(places))
    return places[place]


def places_of(data: bytes) -> dict[str, int]:
    """Every named place of this data and its offset in bytes.

    Raises:
        FormatError: neither an image nor a pre-encrypted one
    """
    if is_encrypted(data):
        EncryptedHeader.parse(data)
        content = {"ciphertext": (EncryptedHeader.SIZE + len(data)) // 2} if len(data) > EncryptedHeader.SIZE else {}
        return {**_ENCRYPTED, **content}
    image = Image.parse(data)
    places = {"header": _ENTRY_AT}
    if image.segments:
        longest = max(image.segments, key=lambda segment: len(segment.data))
        places["segment_header"] = ImageHeader.SIZE + 4
        places["segment"] = longest.data_offset + len(longest.data) // 2
    if image.app_desc is not None:
        places["app_desc"] = image.segments[0].data_offset + image.app_desc.VERSION_AT
    places["checksum"] = image.checksum_offset
    if image.digest is not None:
        places["hash"] = image.checksum_offset + 1
    block_at = signature_offset(image)
    if block_at is not None:
        at = block_at + SignatureBlock.signature_at(data, block_at)
        places |= {"signature": at, "signature_block": at}
    return places
