"""Real images, ours against esptool: what the bench reads, leaves alone, and seals again."""

from __future__ import annotations

import hashlib

import pytest
from esptool.bin_image import LoadFirmwareImage  # type: ignore[import-untyped]  # esptool ships no type information
from esptool.cmds import image_info  # type: ignore[import-untyped]  # as above

from bench.images import Image
from tests.images.samples import REAL_APPS, REAL_IMAGES, real


def esptool_says(data: bytes, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    image_info(data)
    return capsys.readouterr().out


@pytest.mark.parametrize("name", REAL_IMAGES)
def test_real_images_round_trip_and_are_sound(name: str) -> None:
    data = real(name)
    image = Image.parse(data)
    assert image.to_bytes() == data
    assert image.check() == ()
    assert image.seal() == image
    assert image.length == len(data)
    assert image.trailing == b""


@pytest.mark.parametrize("name", REAL_IMAGES)
def test_header_and_segments_agree_with_esptool(name: str) -> None:
    data = real(name)
    image = Image.parse(data)
    chip = image.header.chip
    assert chip is not None
    theirs = LoadFirmwareImage(chip.name, data)
    ours = [(segment.load_addr, segment.data, segment.offset) for segment in image.segments]
    assert ours == [(segment.addr, segment.data, segment.file_offs) for segment in theirs.segments]
    assert image.header.entry_addr == theirs.entrypoint
    assert image.header.min_chip_rev_full == theirs.min_rev_full
    assert image.header.max_chip_rev_full == theirs.max_rev_full
    assert image.checksum == theirs.checksum == theirs.calculate_checksum()
    assert image.digest == theirs.stored_digest == theirs.calc_digest


@pytest.mark.parametrize("name", REAL_IMAGES)
def test_descriptions_agree_with_esptool(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = real(name)
    image = Image.parse(data)
    said = esptool_says(data, capsys)
    header = image.header
    assert f"Flash size: {header.flash_size_text}" in said
    assert f"Flash freq: {header.flash_freq_text}" in said
    assert f"Flash mode: {header.spi_mode_text.upper()}" in said
    assert ("Application Information" in said) == (image.app_desc is not None)
    assert ("Bootloader Information" in said) == (image.bootloader_desc is not None)
    if image.app_desc is not None:
        app = image.app_desc
        assert f"Project name: {app.project_name}\n" in said
        assert f"App version: {app.version}\n" in said
        assert f"Compile time: {app.compile_time}\n" in said
        assert f"ELF file SHA256: {app.app_elf_sha256.hex()}\n" in said
        assert f"ESP-IDF: {app.idf_ver}\n" in said
        assert f"Secure version: {app.secure_version}" in said
    if image.bootloader_desc is not None:
        assert f"Bootloader version: {image.bootloader_desc.version}\n" in said
        assert f"ESP-IDF: {image.bootloader_desc.idf_ver}\n" in said
        assert f"Compile time: {image.bootloader_desc.date_time}\n" in said


def test_the_facts_of_the_real_advanced_https_ota() -> None:
    image = Image.parse(real("images/esp32-advanced_https_ota-v5.5-dev.bin"))
    assert image.app_desc is not None
    assert image.app_desc.project_name == "advanced_https_ota"
    assert image.app_desc.version == "v5.5-dev-1460-gea06535ab28-dirt"
    assert image.app_desc.secure_version == 0
    assert image.checksum == 0xD3
    assert image.digest is not None
    assert image.digest.hex().startswith("48a30ba0")
    assert image.digest.hex().endswith("f3")


def test_one_real_image_has_a_padding_segment() -> None:
    image = Image.parse(real("images/esp32c3-user_app-v4.4.1.bin"))
    assert [segment.load_addr for segment in image.segments].count(0) == 1
    assert image.segment_at(0) is None


@pytest.mark.parametrize("name", REAL_APPS)
def test_esptool_calls_derived_images_valid(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    original = Image.parse(real(name))
    derived = (
        original.with_version("2.0")
        .with_project_name("another")
        .with_secure_version(7)
        .with_idf_ver("v5.1.4")
        .with_min_chip_rev_full(101)
        .with_max_chip_rev_full(199)
        .with_flash_size("16MB")
        .crashing_at_boot()
    )
    said = esptool_says(derived.to_bytes(), capsys)
    assert f"Checksum: 0x{derived.checksum:02x} (valid)" in said
    assert derived.digest is not None
    assert f"Validation hash: {derived.digest.hex()} (valid)" in said
    assert "Project name: another\n" in said
    assert "App version: 2.0\n" in said
    assert "Secure version: 7" in said
    assert "ESP-IDF: v5.1.4\n" in said
    assert "Minimal chip revision: v1.1" in said
    assert "Maximal chip revision: v1.99" in said
    assert "Flash size: 16MB" in said
    assert original.app_desc is not None
    assert f"ELF file SHA256: {original.app_desc.app_elf_sha256.hex()}\n" in said


def test_esptool_sees_what_we_call_broken(capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(real("builds/hello_world_esp32/build/hello_world.bin"))
    data[0x1000] ^= 0x10
    assert [problem.name for problem in Image.parse(bytes(data)).check()] == ["checksum", "sha256"]
    said = esptool_says(bytes(data), capsys)
    assert "(invalid" in said
    assert "(valid)" not in said


@pytest.mark.parametrize("size", [64, 4096])
def test_signature_blocks_and_erased_flash_behind_an_image_are_kept(size: int) -> None:
    data = real("builds/hello_world_esp32c3/build/hello_world.bin")
    for tail in (b"\xff" * size, b"\xe7\x02" + hashlib.sha512(b"signature").digest() * (size // 64)):
        image = Image.parse(data + tail)
        assert image.trailing == tail
        assert image.length == len(data)
        assert image.check() == ()
        assert image.with_version("9").to_bytes().endswith(tail)
