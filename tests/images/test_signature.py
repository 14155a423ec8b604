"""Signatures: ours are good to espsecure, espsecure's are good to us, and every other one is not."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.errors import FormatError
from bench.images import Image, with_flipped_byte
from bench.images.keys import SigningKey
from bench.images.signature import (
    SECTOR,
    SignatureBlock,
    sign,
    sign_v1,
    signature_blocks,
    signature_offset,
    unsigned,
    v1_public_key,
    verify_v1,
)
from tests.images.samples import small_app
from tests.images.test_encrypted import another_key, key


@cache
def curve_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


KEYS = pytest.mark.parametrize("make", [key, curve_key], ids=["rsa", "ecdsa"])


def pem_file(private: SigningKey, path: Path) -> Path:
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    return path


def espsecure(*arguments: object) -> str:
    command = [sys.executable, "-m", "espsecure", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def first_block(data: bytes) -> SignatureBlock:
    at = signature_offset(Image.parse(data))
    assert at is not None
    block = signature_blocks(data[at:])[0]
    assert block is not None
    return block


@KEYS
def test_espsecure_believes_our_signature(make: type, tmp_path: Path) -> None:
    signed = sign(small_app(), make())
    file = tmp_path / "signed.bin"
    file.write_bytes(signed.to_bytes())
    told = espsecure("verify-signature", "--version", "2", "--keyfile", pem_file(make(), tmp_path / "key.pem"), file)
    assert "verification successful" in told
    assert len(signed.to_bytes()) % SECTOR == 0


@KEYS
def test_we_believe_a_signature_of_espsecure(make: type, tmp_path: Path) -> None:
    plain, file = tmp_path / "plain.bin", tmp_path / "signed.bin"
    plain.write_bytes(small_app().to_bytes())
    espsecure(
        "sign-data", "--version", "2", "--keyfile", pem_file(make(), tmp_path / "key.pem"), "--output", file, plain
    )
    data = file.read_bytes()
    block = first_block(data)
    assert block.verifies(hashlib.sha256(data[:-SECTOR]).digest())
    assert not block.verifies(hashlib.sha256(data).digest())
    assert block.to_bytes() == data[-SECTOR:][: SignatureBlock.SIZE]
    assert block.key_digest == first_block(sign(small_app(), make()).to_bytes()).key_digest


@KEYS
def test_the_digest_of_a_key_is_that_of_espsecure(make: type, tmp_path: Path) -> None:
    espsecure(
        "digest-sbv2-public-key", "--keyfile", pem_file(make(), tmp_path / "k.pem"), "--output", tmp_path / "digest"
    )
    assert first_block(sign(small_app(), make()).to_bytes()).key_digest == (tmp_path / "digest").read_bytes()


@KEYS
def test_the_same_key_signs_the_same_way(make: type) -> None:
    assert sign(small_app(), make()) == sign(small_app(), make())


def test_signing_again_takes_the_old_signature_away() -> None:
    once = sign(small_app(), key())
    twice = sign(once.with_version("2"), curve_key())
    assert first_block(twice.to_bytes()).version == SignatureBlock.ECDSA
    assert len(twice.to_bytes()) == len(once.to_bytes())
    assert unsigned(twice) == small_app().with_version("2")


def test_up_to_three_keys_sign_one_image() -> None:
    data = sign(small_app(), key(), another_key(), curve_key()).to_bytes()
    blocks = signature_blocks(data[-SECTOR:])
    digest = hashlib.sha256(data[:-SECTOR]).digest()
    assert [block is not None and block.verifies(digest) for block in blocks] == [True] * 3
    for keys in ((), (key(),) * 4):
        with pytest.raises(FormatError, match="one to 3"):
            sign(small_app(), *keys)


@pytest.mark.parametrize("at", [0, 1, 4, 40, 900, 1195, 1196])
def test_a_changed_block_is_no_block(at: int) -> None:
    block = sign(small_app(), key()).to_bytes()[-SECTOR:][: SignatureBlock.SIZE]
    with pytest.raises(FormatError):
        SignatureBlock.parse(with_flipped_byte(block, at))
    assert SignatureBlock.parse(with_flipped_byte(block, 1200)) == SignatureBlock.parse(block)


def test_other_keys_sign_nothing() -> None:
    for wrong in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
        with pytest.raises(FormatError, match="RSA of 3072 bits or ECDSA P-256"):
            sign(small_app(), wrong)


def test_a_version_1_signature_is_good_to_espsecure(tmp_path: Path) -> None:
    file, pem = tmp_path / "signed.bin", pem_file(curve_key(), tmp_path / "key.pem")
    signed = sign_v1(small_app("esp32"), curve_key())
    file.write_bytes(signed.to_bytes())
    assert "valid" in espsecure("verify-signature", "--version", "1", "--keyfile", pem, file)
    espsecure("extract-public-key", "--version", "1", "--keyfile", pem, tmp_path / "public.bin")
    public = (tmp_path / "public.bin").read_bytes()
    assert public == v1_public_key(curve_key())
    digest = hashlib.sha256(small_app("esp32").to_bytes()).digest()
    assert verify_v1(digest, signed.trailing, public)
    assert not verify_v1(hashlib.sha256(b"").digest(), signed.trailing, public)
    assert not verify_v1(digest, signed.trailing, bytes(64))
    with pytest.raises(FormatError, match="know no other"):
        sign_v1(small_app("esp32"), key())
