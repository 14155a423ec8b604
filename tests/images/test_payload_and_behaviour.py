"""Bytes that are wrong on purpose, and firmware that behaves wrongly on purpose."""

from __future__ import annotations

import pytest

from bench.errors import FormatError
from bench.images import (
    Behaviour,
    BootDefect,
    Defect,
    Image,
    behaviour_field,
    defect_field,
    random_payload,
    read_behaviour,
    read_defect,
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


def _with(field: bytes) -> Image:
    return Image.build(chip_id=9, entry_addr=0, segments=[(0x3C000020, b"before  " + field), (0x40380000, bytes(16))])


@pytest.mark.parametrize("defect", [*Defect, *BootDefect])
def test_a_defect_is_written_and_read(defect: Defect | BootDefect) -> None:
    field = defect_field(defect)
    assert len(field) == 96
    assert read_defect(_with(field), type(defect)) is defect


def test_defects_of_applications_and_of_bootloaders_are_not_mixed_up() -> None:
    assert read_defect(_with(defect_field(Defect.ANY_MAGIC)), BootDefect) is None
    assert read_defect(_with(defect_field(BootDefect.ANY_TABLE)), Defect) is None


@pytest.mark.parametrize(
    "field", [b"", b"OTABENCH\0DEFECT=", b"OTABENCH\0DEFECT=NO_SUCH\0", b"OTABENCH\0DEFECT=\xff\xff"]
)
def test_what_is_no_defect_is_none(field: bytes) -> None:
    assert read_defect(_with(field.ljust(96, b"\0")), Defect) is None


def test_derived_firmware_keeps_its_defect() -> None:
    """An update that is made from defective firmware is defective in the same way, whatever else it does."""
    image = _with(defect_field(Defect.NEVER_CONFIRMS) + behaviour_field())
    assert read_defect(image.with_behaviour("abort"), Defect) is Defect.NEVER_CONFIRMS


def test_sound_firmware_has_no_defect() -> None:
    assert read_defect(small_app(), Defect) is None
    assert read_defect(small_bootloader(), BootDefect) is None
    assert read_defect(Image.parse(real("images/esp32-advanced_https_ota-v5.5-dev.bin")), Defect) is None
