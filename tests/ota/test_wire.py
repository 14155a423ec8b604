"""Frames of an image on its way over a wire, read back byte by byte as docs/serial-update.md has them."""

from __future__ import annotations

import hashlib
import zlib

import pytest

from bench.errors import BenchError
from bench.ota import Altered, Corrupted, Lost, Mishap, Repeated
from bench.ota.wire import BEGIN, DATA, END, frames_of, sent

IMAGE = bytes(range(256)) * 40  # 10240 bytes: two whole chunks of 4096, and one of 2048


def read(data: bytes) -> tuple[int, int, bytes, bool]:
    """Kind, sequence, payload, and whether the CRC is right."""
    assert data[:4] == b"WOTA"
    assert data[5] == 0
    length = int.from_bytes(data[6:8], "little")
    assert len(data) == 12 + length + 4
    told = int.from_bytes(data[-4:], "little")
    return data[4], int.from_bytes(data[8:12], "little"), data[12:-4], told == zlib.crc32(data[:-4])


def test_an_image_goes_as_a_beginning_its_chunks_and_an_end() -> None:
    begin, *chunks, end = [read(data) for _, data in sent(frames_of(IMAGE))]
    assert begin == (BEGIN, 0, len(IMAGE).to_bytes(4, "little") + hashlib.sha256(IMAGE).digest(), True)
    assert [(kind, sequence, sound) for kind, sequence, _, sound in chunks] == [(DATA, n, True) for n in range(3)]
    assert b"".join(payload for _, _, payload, _ in chunks) == IMAGE
    assert end == (END, 3, b"", True)


@pytest.mark.parametrize(
    ("mishap", "arrives"),
    [
        (Lost(1), [(0, True, True), (2, True, True)]),
        (Repeated(1), [(0, True, True), (1, True, True), (1, True, True), (2, True, True)]),
        (Corrupted(1), [(0, True, True), (1, False, False), (2, True, True)]),
        (Altered(1), [(0, True, True), (1, False, True), (2, True, True)]),
    ],
)
def test_a_mishap_befalls_the_one_chunk(mishap: Mishap, arrives: list[tuple[int, bool, bool]]) -> None:
    chunks = [read(data) for frame, data in sent(frames_of(IMAGE), (mishap,)) if frame.kind == DATA]
    told = [
        (sequence, payload == IMAGE[sequence * 4096 : (sequence + 1) * 4096], sound)
        for _, sequence, payload, sound in chunks
    ]
    assert told == arrives


def test_a_mishap_of_a_chunk_that_is_none_is_an_error() -> None:
    for chunk in (-1, 3):
        with pytest.raises(BenchError, match="chunks 0 to 2"):
            sent(frames_of(IMAGE), (Lost(chunk),))
