"""The fixed structures by themselves: headers and descriptions."""

from __future__ import annotations

import pytest
from esptool.targets import CHIP_DEFS  # type: ignore[import-untyped]  # esptool ships no type information
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import FormatError
from bench.images import CHIPS, AppDesc, Arch, BootloaderDesc, ImageHeader, SegmentHeader, chip_by_id, chip_by_name
from bench.images.header import revision_text


@given(st.binary(min_size=24, max_size=30))
def test_any_24_bytes_are_a_header(data: bytes) -> None:
    assert ImageHeader.parse(data).to_bytes() == data[:24]


@given(st.binary(min_size=8, max_size=20), st.integers(0, 20))
def test_any_8_bytes_are_a_segment_header(data: bytes, offset: int) -> None:
    if offset + 8 <= len(data):
        assert SegmentHeader.parse(data, offset).to_bytes() == data[offset : offset + 8]
    else:
        with pytest.raises(FormatError, match="segment header"):
            SegmentHeader.parse(data, offset)


def test_the_header_stands_where_esp_app_format_h_puts_it() -> None:
    data = ImageHeader(
        segment_count=3,
        entry_addr=0x40374000,
        chip_id=9,
        spi_mode=2,
        spi_speed=0xF,
        spi_size=4,
        min_chip_rev=1,
        min_chip_rev_full=2,
        max_chip_rev_full=99,
    ).to_bytes()
    assert data.hex() == "e903024f00403740ee00000009000102006300" + "00000000" + "01"


text32 = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8)


@given(
    version=text32,
    project=text32,
    secure=st.integers(0, 0xFFFFFFFF),
    elf=st.binary(min_size=32, max_size=32),
    reserved=st.binary(min_size=72, max_size=72),
    mmu=st.integers(0, 255),
)
def test_app_descriptions_round_trip(
    version: str, project: str, secure: int, elf: bytes, reserved: bytes, mmu: int
) -> None:
    desc = AppDesc(version, project, secure, app_elf_sha256=elf, reserv2=reserved, mmu_page_size=mmu)
    data = desc.to_bytes()
    assert len(data) == 256
    assert AppDesc.parse(data) == desc


def test_the_app_description_stands_where_esp_app_desc_h_puts_it() -> None:
    data = AppDesc("ver", "name", 5, "time", "date", "idf", b"\xaa" * 32, 1, 199, 16).to_bytes()
    assert data[:8].hex() == "3254cdab05000000"
    for offset, text in ((16, b"ver\0"), (48, b"name\0"), (80, b"time\0"), (96, b"date\0"), (112, b"idf\0")):
        assert data[offset:].startswith(text)
    assert data[144:176] == b"\xaa" * 32
    assert data[176:181].hex() == "0100c70010"


def test_text_that_is_no_utf8_is_shown_escaped() -> None:
    data = bytearray(AppDesc("v", "p").to_bytes())
    data[16:20] = b"\xff\xfe1\0"
    assert AppDesc.parse(bytes(data)).version == r"\xff\xfe1"


def test_a_text_without_nul_ends_with_its_field() -> None:
    data = bytearray(AppDesc("v", "p").to_bytes())
    data[16:48] = b"x" * 32
    assert AppDesc.parse(bytes(data)).version == "x" * 32
    assert AppDesc.parse(bytes(data)).project_name == "p"


@pytest.mark.parametrize("kind", [AppDesc, BootloaderDesc])
@given(data=st.binary(max_size=300))
def test_descriptions_read_any_bytes_or_refuse_them(kind: type[AppDesc] | type[BootloaderDesc], data: bytes) -> None:
    for candidate in (data, b"\x32\x54\xcd\xab" + data, b"P\0\0\0\1\0\0\0v5" + data):
        refusal = None
        try:
            kind.parse(candidate)
        except FormatError as error:
            refusal = error
        assert refusal is None or refusal.offset <= len(candidate)


def test_bootloader_descriptions_round_trip() -> None:
    desc = BootloaderDesc(version=7, idf_ver="v5.3.1", date_time="Sep  9 2025 12:54:33", secure_version=2)
    data = desc.to_bytes()
    assert len(data) == 80
    assert data[:8].hex() == "5000000207000000"
    assert BootloaderDesc.parse(data) == desc


@pytest.mark.parametrize("idf_ver", [b"", b"\x01\x02", b"v5\0junk", b"x" * 32])
def test_a_magic_byte_alone_makes_no_bootloader_description(idf_ver: bytes) -> None:
    data = bytearray(BootloaderDesc(version=1, idf_ver="v5.3.1").to_bytes())
    data[8:40] = idf_ver.ljust(32, b"\0")
    if idf_ver == b"x" * 32:
        assert BootloaderDesc.parse(bytes(data)).idf_ver == "x" * 32
    else:
        with pytest.raises(FormatError, match="an ESP-IDF version"):
            BootloaderDesc.parse(bytes(data))


def test_chips_are_found_by_any_spelling() -> None:
    assert chip_by_name("ESP32-S3") is chip_by_name("esp32s3") is chip_by_id(9)
    assert chip_by_name("esp32c3").arch is Arch.RISCV
    assert chip_by_id(0xFFFF) is None
    with pytest.raises(FormatError, match="esp32s3"):
        chip_by_name("esp8266")


def test_chips_agree_with_esptool() -> None:
    for chip in CHIPS:
        theirs = CHIP_DEFS[chip.name]
        assert chip.chip_id == theirs.IMAGE_CHIP_ID
        assert chip.title == theirs.CHIP_NAME
        for first, end in ((theirs.DROM_MAP_START, theirs.DROM_MAP_END), (theirs.IROM_MAP_START, theirs.IROM_MAP_END)):
            assert chip.is_mapped(first)
            assert chip.is_mapped(end - 1)
        for name, code in theirs.FLASH_FREQUENCY.items():
            # The ESP32-C6's 40m is 80m under the same code.
            assert chip.frequencies[code] == name or chip.name == "esp32c6"


def test_revisions_are_written_as_esp_idf_writes_them() -> None:
    assert [revision_text(full) for full in (0, 3, 301, 399)] == ["v0.0", "v0.3", "v3.1", "v3.99"]
