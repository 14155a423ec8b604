"""How serial_ota finds frames in what comes over the wire, whole, byte by byte, and with rubbish between."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import pytest

from bench.virtual.apps.serial_ota import FrameReader


def frame(kind: int, sequence: int, payload: bytes) -> bytes:
    body = b"WOTA" + bytes([kind, 0]) + struct.pack("<HI", len(payload), sequence) + payload
    return body + zlib.crc32(body).to_bytes(4, "little")


def reader(data: bytes, step: int) -> FrameReader:
    pieces: Iterator[bytes] = iter([data[at : at + step] for at in range(0, len(data), step)])
    return FrameReader(lambda: next(pieces))


@pytest.mark.parametrize("step", [1, 3, 7, 100_000])
def test_frames_are_found_however_they_arrive(step: int) -> None:
    stream = b"\n" + frame(1, 0, bytes(36)) + b"WOT" + frame(2, 0, b"WOTA" * 1000) + b"\r\n" + frame(3, 1, b"")
    frames = reader(stream, step)
    assert [frames.next()[:4] for _ in range(3)] == [
        (1, 0, bytes(36), ""),
        (2, 0, b"WOTA" * 1000, ""),
        (3, 1, b"", ""),
    ]


@pytest.mark.parametrize("step", [1, 100_000])
def test_a_damaged_frame_is_told_and_the_next_one_is_found(step: int) -> None:
    damaged = bytearray(frame(2, 7, b"payload"))
    damaged[14] ^= 1
    frames = reader(bytes(damaged) + frame(2, 8, b"sound"), step)
    assert "Chunk 7 is damaged: its CRC is 0x" in frames.next().fault
    assert frames.next() == (2, 8, b"sound", "")


def test_a_frame_that_would_be_too_long_is_not_waited_for() -> None:
    long = b"WOTA" + bytes([2, 0]) + struct.pack("<HI", 16385, 5)
    frames = reader(long + frame(2, 5, bytes(16384)), 4096)
    assert frames.next().fault == "Frame of 16385 bytes is longer than 16384"
    assert frames.next() == (2, 5, bytes(16384), "")
