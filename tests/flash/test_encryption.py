"""Flash encryption against espsecure, and which partitions and eFuses it goes by."""

from __future__ import annotations

import random
from pathlib import Path

import espsecure  # type: ignore[import-untyped]  # esptool ships no types
import pytest

from bench.errors import FormatError
from bench.flash import Partition
from bench.flash.efuse_fields import BLOCK_KEY0, EfuseBlocks
from bench.flash.encryption import decrypt, encrypt, flash_key, is_encrypted, with_flash_key

RANDOM = random.Random(6172)
KEY = RANDOM.randbytes(32)


def by_espsecure(tmp_path: Path, key: bytes, address: int, data: bytes) -> bytes:
    """`espsecure encrypt-flash-data --aes-xts`."""
    file, plain, result = tmp_path / "key.bin", tmp_path / "plain.bin", tmp_path / "cipher.bin"
    file.write_bytes(key)
    plain.write_bytes(data)
    with file.open("rb") as key_file, plain.open("rb") as plain_file, result.open("wb") as cipher_file:
        espsecure.encrypt_flash_data(key_file, cipher_file, address, 0, True, plain_file)
    return result.read_bytes()


@pytest.mark.parametrize("address", [0, 0x10, 0x70, 0x80, 0x8000, 0x10000, 0x1F0040, 0x3FFFF0])
@pytest.mark.parametrize("size", [16, 112, 128, 144, 4096])
def test_it_encrypts_as_espsecure_does(tmp_path: Path, address: int, size: int) -> None:
    data = RANDOM.randbytes(size)
    stored = encrypt(KEY, address, data)
    assert stored == by_espsecure(tmp_path, KEY, address, data)
    assert decrypt(KEY, address, stored) == data


def test_pieces_make_up_the_whole() -> None:
    data = RANDOM.randbytes(1024)
    pieces = [encrypt(KEY, 0x10030 + at, data[at : at + 16]) for at in range(0, len(data), 16)]
    assert b"".join(pieces) == encrypt(KEY, 0x10030, data)


def test_ciphertext_is_bound_to_its_address_and_key() -> None:
    data = bytes(256)
    stored = encrypt(KEY, 0x10000, data)
    assert stored[:128] != stored[128:]
    assert decrypt(KEY, 0x10080, stored) != data
    assert decrypt(KEY[::-1], 0x10000, stored) != data


@pytest.mark.parametrize(("key", "address", "size"), [(KEY[:16], 0, 16), (KEY, 8, 16), (KEY, 0, 15)])
def test_what_is_not_aligned_is_refused(key: bytes, address: int, size: int) -> None:
    for apply in (encrypt, decrypt):
        with pytest.raises(FormatError, match="flash encryption"):
            apply(key, address, bytes(size))


@pytest.mark.parametrize(
    ("type_", "subtype", "flags", "encrypted"),
    [(0, 0x10, 0, True), (0, 0, 0, True), (1, 0, 0, True), (1, 4, 0, True), (1, 2, 0, False), (1, 2, 1, True)],
)
def test_applications_otadata_and_what_is_flagged_is_encrypted(
    type_: int, subtype: int, flags: int, encrypted: bool
) -> None:
    assert is_encrypted(Partition("one", type_, subtype, 0x10000, 0x1000, flags)) is encrypted


@pytest.mark.parametrize("chip", ["esp32c3", "esp32s3"])
def test_the_efuses_hold_the_key_reversed_as_espefuse_burns_it(chip: str) -> None:
    blank = EfuseBlocks.blank(chip)
    burnt = with_flash_key(blank, KEY)
    assert flash_key(blank) is None
    assert burnt.blocks[BLOCK_KEY0] == KEY[::-1]
    assert flash_key(burnt) == KEY
    assert flash_key(burnt.burnt("SPI_BOOT_CRYPT_CNT", 0b011)) is None, "an even number of bits is off"
    assert flash_key(burnt.burnt("SPI_BOOT_CRYPT_CNT", 0b111)) == KEY


def test_the_esp32_has_another_scheme() -> None:
    assert flash_key(EfuseBlocks.blank("esp32")) is None
    with pytest.raises(FormatError):
        with_flash_key(EfuseBlocks.blank("esp32"), KEY)
