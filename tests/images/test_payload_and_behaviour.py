"""Bytes that are wrong on purpose, and firmware that behaves wrongly on purpose."""

from __future__ import annotations

import pytest

from bench.errors import FormatError
from bench.images import (
    Behaviour,
    Image,
    behaviour_field,
    random_payload,
    read_behaviour,
    truncated,
    with_flipped_byte,
)
from tests.images.samples import real, small_app, small_bootloader


def test_truncated_cuts_and_nothing_else() -> None:
    data = bytes(range(100))
    assert truncated(data, 64) == data[:64]
    assert truncated(data, 0) == b""
    for n in (100, 101, -1):
        with pytest.raises(FormatError, match="a cut at"):
            truncated(data, n)


def test_a_flipped_byte_breaks_the_seals() -> None:
    image = small_app()
    data = image.to_bytes()
    broken = with_flipped_byte(data, image.segments[1].data_offset)
    assert [at for at, (a, b) in enumerate(zip(data, broken, strict=True)) if a != b] == [image.segments[1].data_offset]
    assert len(Image.parse(broken).check()) == 2
    for at in (-1, len(data)):
        with pytest.raises(FormatError, match="a byte at"):
            with_flipped_byte(data, at)


def test_random_payloads_are_the_same_for_the_same_seed() -> None:
    assert random_payload(1000, 1) == random_payload(1000, 1) != random_payload(1000, 2)
    assert len(random_payload(1000, 1)) == 1000
    assert random_payload(1000, 1)[0] == 0
    assert random_payload(1000, 1, first_byte=0xE9)[0] == 0xE9
    assert random_payload(0, 1) == b""


@pytest.mark.parametrize("value", list(Behaviour))
def test_behaviour_is_written_and_read(value: str) -> None:
    image = small_app()
    assert read_behaviour(image) == ""
    derived = image.with_behaviour(value)
    assert read_behaviour(derived) == value
    assert derived.check() == ()
    assert derived.app_desc == image.app_desc
    assert len(behaviour_field(value)) == 96
    assert read_behaviour(derived.with_behaviour("")) == ""
    assert derived.with_behaviour("") == image


def test_unknown_behaviours_are_refused() -> None:
    with pytest.raises(FormatError, match="hang_before_confirm"):
        small_app().with_behaviour("explode")


def test_firmware_that_is_not_ours_has_no_behaviour() -> None:
    assert read_behaviour(small_bootloader()) is None
    with pytest.raises(FormatError, match="no behaviour field"):
        small_bootloader().with_behaviour("abort")


def test_real_firmware_has_no_behaviour() -> None:
    image = Image.parse(real("images/esp32-advanced_https_ota-v5.5-dev.bin"))
    assert read_behaviour(image) is None


def test_a_marker_cut_off_by_the_end_of_its_segment_is_no_field() -> None:
    image = Image.build(chip_id=9, entry_addr=0, segments=[(0x3C000020, behaviour_field("abort")[:60])])
    assert read_behaviour(image) is None
