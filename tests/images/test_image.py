"""Composing, deriving, sealing and checking; and whatever is no image is refused with a place and a finding."""

from __future__ import annotations

import hashlib
import random
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import FormatError
from bench.images import CHIPS, Image, ImageHeader, Segment, SegmentHeader
from bench.images.header import FLASH_SIZES
from tests.images.samples import APP_DESC, small_app, small_bootloader

segments = st.lists(
    st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=300)),
    max_size=16,
)


def plain_checksum(image: Image) -> int:
    """The slow way, as esp_image_format.c goes it: byte after byte."""
    total = 0xEF
    for segment in image.segments:
        for byte in segment.data:
            total ^= byte
    return total


def parsed_or_refused(data: bytes) -> Image | FormatError:
    """The image, or the refusal as a value; any other exception is a failure."""
    try:
        return Image.parse(data)
    except FormatError as error:
        return error


# -- composing ---------------------------------------------------------------------------------------------------


@given(
    chip_id=st.sampled_from([chip.chip_id for chip in CHIPS]),
    entry=st.integers(0, 0xFFFFFFFF),
    parts=segments,
    hashed=st.booleans(),
    tail=st.binary(max_size=40),
)
def test_what_is_composed_parses_to_itself(
    chip_id: int, entry: int, parts: list[tuple[int, bytes]], hashed: bool, tail: bytes
) -> None:
    image = Image.build(chip_id=chip_id, entry_addr=entry, segments=parts, hash_appended=hashed)
    data = image.to_bytes()
    assert Image.parse(data) == image
    assert image.check() == ()
    assert image.checksum == plain_checksum(image)
    assert [segment.load_addr for segment in image.segments] == [address for address, _ in parts]
    assert all(
        data[segment.data_offset : segment.end] == segment.data and segment.data.startswith(part)
        for segment, (_, part) in zip(image.segments, parts, strict=True)
    )
    assert (image.checksum_offset + 1) % 16 == 0
    if hashed:
        assert image.digest == hashlib.sha256(data[:-32]).digest()
    else:
        assert image.digest is None
    assert Image.parse(data + tail).to_bytes() == data + tail
    assert Image.parse(data + tail).trailing == tail


@pytest.mark.parametrize("page", [0x8000, 0x10000])
def test_mapped_segments_are_aligned_to_the_mmu_page(page: int) -> None:
    image = Image.build(
        chip_id=9,
        entry_addr=0x40374000,
        segments=[(0x3C000020, bytes(1000)), (0x40374000, b"iram"), (0x42000020, b"irom"), (0x42010020, b"more")],
        mmu_page_size=page,
    )
    mapped = [segment for segment in image.segments if segment.load_addr in (0x3C000020, 0x42000020, 0x42010020)]
    assert len(mapped) == 3
    assert all(segment.data_offset % page == segment.load_addr % page for segment in mapped)
    assert [segment.load_addr for segment in image.segments].count(0) == 2
    assert image.check() == ()
    assert Image.parse(image.to_bytes()) == image


def test_an_image_without_segments_is_one() -> None:
    image = Image.build(chip_id=0, entry_addr=0, segments=[])
    assert Image.parse(image.to_bytes()) == image
    assert image.app_desc is None
    assert image.bootloader_desc is None


def test_more_than_sixteen_segments_are_refused() -> None:
    with pytest.raises(FormatError, match="17 segments") as caught:
        Image.build(chip_id=0, entry_addr=0, segments=[Segment(0x3FFB0000, b"data")] * 17)
    assert caught.value.offset == 1


# -- deriving ----------------------------------------------------------------------------------------------------


def test_each_derivation_changes_its_field_and_nothing_else() -> None:
    image = small_app()
    desc = image.app_desc
    assert desc == APP_DESC
    assert image.with_version("2").app_desc == replace(APP_DESC, version="2")
    assert image.with_project_name("other").app_desc == replace(APP_DESC, project_name="other")
    assert image.with_idf_ver("v4.4.8").app_desc == replace(APP_DESC, idf_ver="v4.4.8")
    assert image.with_secure_version(9).app_desc == replace(APP_DESC, secure_version=9)
    assert image.with_chip_id(5).header == replace(image.header, chip_id=5)
    assert image.with_min_chip_rev_full(301).header == replace(image.header, min_chip_rev_full=301)
    assert image.with_max_chip_rev_full(99).header == replace(image.header, max_chip_rev_full=99)
    assert image.with_flash_size("8MB").header == replace(image.header, spi_size=3)


@given(version=st.text(max_size=12), secure=st.integers(0, 0xFFFFFFFF), size=st.sampled_from(FLASH_SIZES))
def test_derived_images_are_sealed_and_as_long_as_before(version: str, secure: int, size: str) -> None:
    image = small_app()
    try:
        derived = image.with_version(version).with_secure_version(secure).with_flash_size(size)
    except FormatError:
        assert "\0" in version or len(version.encode()) > 31
        return
    assert derived.check() == ()
    assert len(derived.to_bytes()) == len(image.to_bytes())
    assert derived.app_desc is not None
    assert derived.app_desc.version == version
    assert derived.app_desc.secure_version == secure
    assert derived.header.flash_size_text == size
    assert Image.parse(derived.to_bytes()) == derived


@pytest.mark.parametrize("chip", ["esp32", "esp32s3", "esp32c3"])
def test_crashing_at_boot_makes_the_first_instruction_illegal(chip: str) -> None:
    image = small_app(chip)
    crashing = image.crashing_at_boot()
    assert crashing.check() == ()
    assert crashing.app_desc == image.app_desc
    before, after = image.segments[1].data, crashing.segments[1].data
    changed = [at for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert changed == ([12, 13] if chip == "esp32c3" else [12, 13, 14])
    assert all(after[at] == 0 for at in changed)
    assert crashing.segments[0] == image.segments[0]


def test_an_image_whose_entry_point_lies_nowhere_cannot_be_made_to_crash() -> None:
    image = small_app()
    lost = replace(image, header=replace(image.header, entry_addr=0x50000000))
    with pytest.raises(FormatError, match="0x50000000"):
        lost.crashing_at_boot()
    with pytest.raises(FormatError, match="chip id 4711"):
        image.with_chip_id(4711).crashing_at_boot()


def test_an_entry_point_in_the_last_bytes_of_a_segment_is_not_patched_across_its_end() -> None:
    image = small_app()
    code = image.segments[1]
    at_the_end = replace(image, header=replace(image.header, entry_addr=code.load_addr + len(code.data) - 1))
    with pytest.raises(FormatError, match="room for 3 bytes"):
        at_the_end.crashing_at_boot()


def test_only_an_application_has_a_version_to_change() -> None:
    bootloader = small_bootloader()
    assert bootloader.app_desc is None
    assert bootloader.bootloader_desc is not None
    assert bootloader.bootloader_desc.idf_ver == "v5.3.1"
    with pytest.raises(FormatError, match="no esp_app_desc_t"):
        bootloader.with_version("2")


@pytest.mark.parametrize("wrong", ["x" * 32, "a\0b", "ü" * 16])
def test_texts_that_do_not_fit_are_refused(wrong: str) -> None:
    with pytest.raises(FormatError, match=r"esp_app_desc_t\.version"):
        small_app().with_version(wrong)
    assert small_app().with_version("x" * 31).app_desc == replace(APP_DESC, version="x" * 31)


def test_numbers_that_do_not_fit_are_refused() -> None:
    image = small_app()
    refused: tuple[Callable[[], Image], ...] = (
        lambda: image.with_secure_version(1 << 32),
        lambda: image.with_secure_version(-1),
        lambda: image.with_chip_id(1 << 16),
        lambda: image.with_min_chip_rev_full(-1),
        lambda: image.with_flash_size("3MB"),
        lambda: image.with_patch(0, -1, b"x"),
        lambda: image.with_patch(1, 58, b"xyz"),
    )
    for derive in refused:
        with pytest.raises(FormatError):
            derive()


# -- checking ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hashed", [True, False])
def test_every_changed_byte_is_refused_or_found(hashed: bool) -> None:
    data = small_app(hash_appended=hashed).to_bytes()
    refused = found = unseen = 0
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        image = parsed_or_refused(changed)
        if isinstance(image, FormatError):
            refused += 1
            continue
        assert image.to_bytes() == changed
        if image.check():
            found += 1
        else:
            unseen += 1
    assert refused > 0
    assert found > 0
    # Without a hash, header, load addresses and padding are covered by nothing.
    assert (unseen == 0) == hashed


def test_a_problem_says_where_and_what() -> None:
    image = small_app()
    broken = replace(image, checksum=image.checksum ^ 1, digest=bytes(32))
    checksum, sha256 = broken.check()
    assert (checksum.name, checksum.offset) == ("checksum", image.checksum_offset)
    assert checksum.expected.startswith(f"0x{image.checksum:02x}")
    assert (sha256.name, sha256.offset) == ("sha256", image.checksum_offset + 1)
    assert str(sha256).startswith(f"sha256 at offset 0x{image.checksum_offset + 1:x}: found 0000")
    assert broken.seal() == image


# -- hostile input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hashed", [True, False])
def test_every_truncation_is_refused_where_it_happened(hashed: bool) -> None:
    data = small_app(hash_appended=hashed).to_bytes()
    for length in range(len(data)):
        with pytest.raises(FormatError) as caught:
            Image.parse(data[:length], subject="cut.bin")
        assert 0 <= caught.value.offset <= length
        assert caught.value.found
        assert str(caught.value).startswith("cut.bin: at offset 0x")


def test_a_cut_inside_a_segment_names_the_segment() -> None:
    image = small_app()
    data = image.to_bytes()
    for number, segment in enumerate(image.segments):
        for there in (0, len(segment.data) - 1):
            with pytest.raises(FormatError, match=f"{there} bytes of segment {number} before the end"):
                Image.parse(data[: segment.data_offset + there])


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=300)
def test_random_bytes_are_refused_or_round_trip(data: bytes, magic: bool) -> None:
    if magic:
        data = b"\xe9" + data
    outcome = parsed_or_refused(data)
    if isinstance(outcome, Image):
        assert outcome.to_bytes() == data
    else:
        assert outcome.offset <= len(data)


@given(st.integers(0, 255), st.integers(0, 0xFFFFFFFF), st.binary(max_size=100))
@settings(max_examples=300)
def test_any_segment_count_and_length_is_refused_or_round_trips(count: int, length: int, rest: bytes) -> None:
    header = ImageHeader(segment_count=count, entry_addr=0, chip_id=0).to_bytes()
    data = header + SegmentHeader(0x3FFB0000, length).to_bytes() + rest
    outcome = parsed_or_refused(data)
    if isinstance(outcome, Image):
        assert outcome.to_bytes() == data
    else:
        assert outcome.offset <= len(data)


@pytest.mark.parametrize("length", [0xFFFFFFFC, 0xFFFFFFFF, 0x01000000, 0x00FFFFFC, 6])
def test_huge_lengths_cost_nothing(length: int) -> None:
    header = ImageHeader(segment_count=16, entry_addr=0, chip_id=0).to_bytes()
    data = header + SegmentHeader(0x3FFB0000, length).to_bytes() * 16
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="segment 0"):
            Image.parse(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_too_many_segments_are_refused_at_the_count() -> None:
    data = ImageHeader(segment_count=17, entry_addr=0, chip_id=0).to_bytes() + bytes(1000)
    with pytest.raises(FormatError, match="17 segments") as caught:
        Image.parse(data)
    assert caught.value.offset == 1


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\xff" * 100, "erased flash"),
        (bytes(100), "0x00"),
        (bytes.fromhex("cfb68807") + bytes(508), "pre-encrypted"),
        (b"", "the end after 0 bytes"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, found: str) -> None:
    with pytest.raises(FormatError) as caught:
        Image.parse(data)
    assert found in caught.value.found
    assert caught.value.offset == 0


def test_bytes_that_were_never_ours_stay_as_they_are() -> None:
    """Odd values in every field of the header, in the padding and the seals survive."""
    rng = random.Random(7)
    data = bytearray(small_app().to_bytes())
    data[2:24] = rng.randbytes(21) + b"\x07"
    image = Image.parse(bytes(data))
    assert image.digest is not None
    assert image.to_bytes() == data
    assert image.header.spi_mode_text
    assert image.header.flash_size_text
    assert image.header.flash_freq_text
