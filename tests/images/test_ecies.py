"""The ECIES scheme: the reference's device key, and images that only it opens."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.errors import FormatError
from bench.images.damage import with_flipped_bit
from bench.images.ecies import device_key
from bench.images.encrypted import EncryptedHeader, decrypt, encrypt
from tests.images.samples import real
from tests.images.test_encrypted import PLAIN, key

HMAC_KEY = bytes(range(32))


def public() -> ec.EllipticCurvePublicKey:
    return device_key(HMAC_KEY).public_key()


def test_the_reference_key_is_derived() -> None:
    derived = device_key(real("encrypted/ecies-device-hmac-key.bin")).public_key()
    pem = derived.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert pem.split() == real("encrypted/ecies-device-public.pem").split()


def test_what_is_encrypted_decrypts() -> None:
    data = encrypt(PLAIN, public(), rng=random.Random(1))
    header = EncryptedHeader.parse(data)
    assert header.scheme == "ECIES-P256"
    assert header.encrypted_key[96:] == bytes(288)
    assert decrypt(data, device_key(HMAC_KEY)) == PLAIN
    assert data == encrypt(PLAIN, public(), rng=random.Random(1))
    assert data != encrypt(PLAIN, public(), rng=random.Random(2))


def test_another_device_does_not_open_it() -> None:
    data = encrypt(PLAIN, public(), rng=random.Random(1))
    with pytest.raises(FormatError, match="GCM tag"):
        decrypt(data, device_key(b"k" * 32))
    with pytest.raises(FormatError, match="ECIES-P256"):
        decrypt(data, key())


def test_a_point_off_the_curve_is_refused() -> None:
    data = encrypt(PLAIN, public(), rng=random.Random(1))
    with pytest.raises(FormatError, match="off the curve"):
        decrypt(with_flipped_bit(data, "key"), device_key(HMAC_KEY))


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(FormatError, match="32 bytes"):
        device_key(b"short")
