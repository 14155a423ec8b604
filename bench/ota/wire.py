"""An image on its way over a wire: the frames that a neighbour of the board sends it, and what befalls them.

The protocol is that of docs/serial-update.md, whose other side is the application serial_ota. A mishap is a value,
as the faults of the server are: it names the chunk it befalls, counted from 0.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass

from bench.errors import BenchError
from bench.ota.dialect import Dialect
from bench.timeline import Matcher, any_of, said

__all__ = ["END", "Altered", "Corrupted", "Frame", "Lost", "Mishap", "Repeated", "answer_to", "frames_of", "sent"]

MAGIC = b"WOTA"
BEGIN, DATA, END = 1, 2, 3
CHUNK = 4096
"""Bytes of the image in one chunk, the last one's excepted; a sector of flash."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: what it is, its place in the stream, and what it carries (at most 16384 bytes)."""

    kind: int
    sequence: int
    payload: bytes

    def to_bytes(self) -> bytes:
        """The frame as it goes over the wire, its CRC-32 behind it."""
        body = struct.pack("<4sBxHI", MAGIC, self.kind, len(self.payload), self.sequence) + self.payload
        return body + struct.pack("<I", zlib.crc32(body))


@dataclass(frozen=True, slots=True)
class Lost:
    """The chunk never arrives; the neighbour takes it for delivered and goes on."""

    chunk: int


@dataclass(frozen=True, slots=True)
class Repeated:
    """The chunk arrives twice."""

    chunk: int


@dataclass(frozen=True, slots=True)
class Corrupted:
    """One bit of the chunk is inverted on the wire."""

    chunk: int


@dataclass(frozen=True, slots=True)
class Altered:
    """One bit of the chunk is inverted in the neighbour's memory, before it is framed: the frame's CRC is right."""

    chunk: int


Mishap = Lost | Repeated | Corrupted | Altered


def frames_of(data: bytes, *, chunk: int = CHUNK) -> tuple[Frame, ...]:
    """An image as the beginning, its chunks, and the end."""
    pieces = [data[at : at + chunk] for at in range(0, len(data), chunk)]
    begin = Frame(BEGIN, 0, struct.pack("<I32s", len(data), hashlib.sha256(data).digest()))
    chunks = [Frame(DATA, number, piece) for number, piece in enumerate(pieces)]
    return (begin, *chunks, Frame(END, len(pieces), b""))


def sent(frames: tuple[Frame, ...], mishaps: tuple[Mishap, ...] = ()) -> list[tuple[Frame, bytes]]:
    """What goes over the wire, in order: each frame that was meant, and the bytes that arrive in its stead.

    Raises:
        BenchError: a mishap is to befall a chunk that the image has not
    """
    chunks = sum(frame.kind == DATA for frame in frames)
    for mishap in mishaps:
        if not 0 <= mishap.chunk < chunks:
            raise BenchError(f"{mishap}: the image goes in chunks 0 to {chunks - 1}")
    arriving: list[tuple[Frame, bytes]] = []
    for frame in frames:
        mine = [mishap for mishap in mishaps if frame.kind == DATA and mishap.chunk == frame.sequence]
        arriving += [(frame, data) for data in _befallen(frame, mine)]
    return arriving


def answer_to(frame: Frame, dialect: Dialect) -> Matcher:
    """The line with which the board takes a beginning or a chunk, or that with which it gives up."""
    taken = "Writing to partition" if frame.kind == BEGIN else f"Chunk {frame.sequence} taken"
    return any_of(said(tag=dialect.tag, text=taken), dialect.given_up)


def _befallen(frame: Frame, mishaps: list[Mishap]) -> list[bytes]:
    copies = [frame.to_bytes()]
    for mishap in mishaps:
        match mishap:
            case Lost():
                copies = []
            case Repeated():
                copies = [*copies, *copies]
            case Corrupted():
                copies = [_flipped(data) for data in copies]
            case Altered():
                altered = Frame(frame.kind, frame.sequence, _flipped(frame.payload))
                copies = [altered.to_bytes() for _ in copies]
    return copies


def _flipped(data: bytes) -> bytes:
    """One bit in the middle inverted."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
