"""SLIP frames: round trips in any portions, against esptool's own reader; noise between frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.virtual.rom.errors import checksum
from bench.virtual.rom.slip import SlipReader, encode

payloads = st.binary(min_size=1, max_size=60) | st.lists(
    st.sampled_from([0xC0, 0xDB, 0xDC, 0xDD]), min_size=1, max_size=20
).map(bytes)


@given(st.lists(payloads, max_size=6), st.integers(1, 50))
def test_round_trip(frames: list[bytes], portion: int) -> None:
    stream = b"".join(encode(frame) for frame in frames)
    reader = SlipReader()
    got = [frame for at in range(0, len(stream), portion) for frame in reader.feed(stream[at : at + portion])]
    assert got == frames


def test_noise_around_frames_is_dropped() -> None:
    stream = b"noise" + encode(b"one") + b"noise" + encode(b"two") + b"\xc0" + encode(b"three")
    assert SlipReader().feed(stream) == [b"one", b"two", b"three"]


@pytest.mark.parametrize("wrong", [b"\xc0a\xdbb\xc0", b"\xc0a\xdb\xc0"])
def test_a_wrong_escape_costs_its_frame(wrong: bytes) -> None:
    assert SlipReader().feed(wrong + encode(b"next")) == [b"next"]


def test_a_frame_that_never_ends_is_not_kept() -> None:
    reader = SlipReader()
    reader.feed(b"\xc0")
    for _ in range(100):
        reader.feed(bytes(10_000))
    assert reader.feed(encode(b"next")) == [b"next"]


@given(st.binary(max_size=300))
def test_checksum(data: bytes) -> None:
    expected = 0xEF
    for byte in data:
        expected ^= byte
    assert checksum(data) == expected
