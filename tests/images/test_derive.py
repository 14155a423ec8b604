"""Any field, any size, merged files, flipped bits: what comes out is what was asked for, and nothing else."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import FormatError
from bench.images import Image
from bench.images.damage import places_of, with_flipped_bit
from bench.images.derive import merged, padded_to, with_app_desc, with_header, with_trailing
from bench.images.encrypted import decrypt, encrypt
from bench.images.signature import SignatureBlock, sign, signature_blocks, signature_offset
from tests.images.samples import REAL_APPS, real, small_app
from tests.images.test_encrypted import PLAIN, key


def test_any_header_field_can_be_set() -> None:
    image = with_header(small_app(), wp_pin=7, min_chip_rev_full=300, spi_pin_drv=b"abc")
    assert (image.header.wp_pin, image.header.min_chip_rev_full, image.header.spi_pin_drv) == (7, 300, b"abc")
    assert image.check() == ()
    with pytest.raises(FormatError, match="one of"):
        with_header(small_app(), colour=1)
    with pytest.raises(FormatError, match="numbers that fit"):
        with_header(small_app(), chip_id=1 << 16)


def test_any_field_of_the_description_can_be_set() -> None:
    image = with_app_desc(small_app(), time="00:00:01", min_efuse_blk_rev_full=104, app_elf_sha256=b"s" * 32)
    described = image.app_desc
    assert described is not None
    assert (described.time, described.min_efuse_blk_rev_full, described.app_elf_sha256) == ("00:00:01", 104, b"s" * 32)
    assert described.version == "1"
    assert image.check() == ()
    with pytest.raises(FormatError, match="one of"):
        with_app_desc(small_app(), colour="red")


@given(extra=st.integers(0, 5000), hashed=st.booleans())
def test_every_size_can_be_had(extra: int, hashed: bool) -> None:
    image = small_app(hash_appended=hashed)
    size = image.length + extra
    data = padded_to(image, size).to_bytes()
    assert len(data) == size
    again = Image.parse(data)
    assert again.check() == ()
    assert len(again.trailing) < 16
    assert again.app_desc == image.app_desc


def test_what_cannot_be_padded_says_why() -> None:
    image = small_app()
    with pytest.raises(FormatError, match="at most 100"):
        padded_to(image, 100)
    with pytest.raises(FormatError, match="sign again"):
        padded_to(with_trailing(image, 5), 9000)
    full = Image.build(chip_id=9, entry_addr=0, segments=[(0, b"1234")] * 16)
    with pytest.raises(FormatError, match="fewer than 16"):
        padded_to(full, 9000)


@pytest.mark.parametrize("name", REAL_APPS)
def test_a_real_image_grows_and_stays_valid_to_esptool(name: str, tmp_path: Path) -> None:
    file = tmp_path / "app.bin"
    file.write_bytes(padded_to(Image.parse(real(name)), 1 << 20).to_bytes())
    told = subprocess.run(
        [sys.executable, "-m", "esptool", "image-info", str(file)], capture_output=True, text=True, check=True
    ).stdout
    assert "(valid)" in told
    assert "(invalid" not in told


def test_a_merged_file_is_that_of_esptool(tmp_path: Path) -> None:
    parts = {0x1000: b"boot" * 100, 0x8000: b"table", 0x10000: small_app("esp32").to_bytes()}
    arguments = []
    for offset, data in parts.items():
        (tmp_path / f"{offset}").write_bytes(data)
        arguments += [hex(offset), str(tmp_path / f"{offset}")]
    command = [sys.executable, "-m", "esptool", "--chip", "esp32", "merge-bin", "-o", str(tmp_path / "all.bin")]
    subprocess.run([*command, *arguments], capture_output=True, check=True)
    assert merged(parts) == (tmp_path / "all.bin").read_bytes()


def test_what_overlaps_is_not_merged() -> None:
    with pytest.raises(FormatError, match="free space"):
        merged({0: b"12345", 4: b"x"})
    with pytest.raises(FormatError, match="at least one"):
        merged({})


def flipped_bits(one: bytes, other: bytes) -> list[int]:
    return [at for at, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]]


@pytest.mark.parametrize("place", ["header", "segment", "checksum", "hash", "app_desc"])
def test_a_bit_flipped_in_an_image_is_found_by_the_check(place: str) -> None:
    data = small_app().to_bytes()
    broken = with_flipped_bit(data, place, bit=3)
    assert len(flipped_bits(data, broken)) == 1
    found = {problem.name for problem in Image.parse(broken).check()}
    inside = place in ("segment", "app_desc")
    assert found == ({"checksum", "sha256"} if inside or place == "checksum" else {"sha256"})


def test_a_flipped_segment_header_is_still_one_bit() -> None:
    data = small_app().to_bytes()
    assert flipped_bits(data, with_flipped_bit(data, "segment_header")) == [28]
    with pytest.raises(FormatError, match="multiple of 4"):
        Image.parse(with_flipped_bit(data, "segment_header"))


def test_a_flipped_signature_is_still_in_a_block_and_a_flipped_block_is_none() -> None:
    data = sign(small_app(), key()).to_bytes()
    at = signature_offset(Image.parse(data))
    assert at is not None
    (block, *_), (broken, *_) = signature_blocks(data[at:]), signature_blocks(with_flipped_bit(data, "signature")[at:])
    assert block is not None
    assert broken is not None
    assert block.verifies(block.image_digest)
    assert not broken.verifies(block.image_digest)
    assert broken.key_digest == block.key_digest
    assert signature_blocks(with_flipped_bit(data, "signature_block")[at:]) == (None, None, None)


@pytest.mark.parametrize("left", [1, 2, 100, SignatureBlock.SIZE - 1])
def test_a_signed_image_that_is_cut_within_its_block_has_none(left: int) -> None:
    data = sign(small_app(), key()).to_bytes()
    at = signature_offset(Image.parse(data))
    assert at is not None
    cut = data[: at + left]
    assert cut[at] == SignatureBlock.MAGIC
    assert signature_offset(Image.parse(cut)) is None
    assert places_of(data).keys() - places_of(cut).keys() == {"signature", "signature_block"}
    for place in ("signature", "signature_block"):
        with pytest.raises(FormatError, match="checksum"):
            with_flipped_bit(cut, place)
    assert places_of(data[: at + SignatureBlock.SIZE]) == places_of(data)


@pytest.mark.parametrize("place", ["magic", "key", "iv", "size", "tag", "ciphertext"])
def test_a_bit_flipped_in_a_pre_encrypted_image_closes_it(place: str) -> None:
    data = encrypt(PLAIN, key(), rng=random.Random(1))
    with pytest.raises(FormatError):
        decrypt(with_flipped_bit(data, place), key())
    assert decrypt(with_flipped_bit(data, "reserved"), key()) == PLAIN


def test_an_unknown_place_is_refused_with_those_there_are() -> None:
    with pytest.raises(FormatError, match="checksum"):
        with_flipped_bit(small_app().to_bytes(), "signature")
    with pytest.raises(FormatError, match="0 to 7"):
        with_flipped_bit(small_app().to_bytes(), "hash", bit=8)
    assert "hash" not in places_of(small_app(hash_appended=False).to_bytes())
