"""Bytes that are wrong on purpose: cut short, with one byte flipped, or no image at all."""

from __future__ import annotations

import random

from bench.errors import FormatError

__all__ = ["random_payload", "truncated", "with_flipped_byte"]


def truncated(data: bytes, n: int) -> bytes:
    """The first `n` bytes of `data`.

    Raises:
        FormatError: `n` would cut nothing off (a fault that changes nothing proves nothing), or is negative
    """
    if not 0 <= n < len(data):
        raise FormatError("payload", max(n, 0), f"{len(data)} bytes", f"a cut at 0..{len(data) - 1}, not at {n}")
    return data[:n]


def with_flipped_byte(data: bytes, offset: int) -> bytes:
    """`data` with all eight bits of the byte at `offset` inverted; nothing is re-sealed.

    Raises:
        FormatError: there is no byte at `offset`
    """
    if not 0 <= offset < len(data):
        raise FormatError("payload", max(offset, 0), f"{len(data)} bytes", f"a byte at {offset} to flip")
    return data[:offset] + bytes([data[offset] ^ 0xFF]) + data[offset + 1 :]


def random_payload(n: int, seed: int, first_byte: int = 0) -> bytes:
    """`n` pseudo-random bytes, the same for the same `seed`; the first is `first_byte`.

    With 0xE9 as its first byte the payload passes the check for an image's magic.
    """
    if n <= 0:
        return b""
    return bytes([first_byte]) + random.Random(seed).randbytes(n - 1)
