"""Pre-encrypted images: opened, made, and refused for each way they can be wrong."""

from __future__ import annotations

import hashlib
import random
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import FormatError
from bench.images import with_flipped_byte
from bench.images.encrypted import EncryptedHeader, decrypt, encrypt, is_encrypted, with_flipped_tag
from tests.images.samples import real

PLAIN = bytes(range(256)) * 5 + b"tail"


@cache
def key() -> rsa.RSAPrivateKey:
    """A 3072-bit key, made once: that takes a good part of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=3072)


@cache
def another_key() -> rsa.RSAPrivateKey:
    """A key that opens nothing here."""
    return rsa.generate_private_key(public_exponent=65537, key_size=3072)


def pem(private: rsa.RSAPrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


@cache
def sealed() -> bytes:
    return encrypt(PLAIN, key().public_key(), rng=random.Random(1))


def test_the_real_one_opens_with_its_key() -> None:
    plain = decrypt(real("encrypted/rsa3072.bin"), real("encrypted/rsa3072-private.der"))
    assert len(plain) == 11680
    assert hashlib.sha256(plain).hexdigest() == "a230a5aae39e351c0d806acb453662dfe66afcec74f6c0c861d75048fae07f78"


def test_the_real_one_is_closed_to_another_key() -> None:
    with pytest.raises(FormatError, match="does not open") as caught:
        decrypt(real("encrypted/rsa3072.bin"), key())
    assert caught.value.offset == 4


def test_the_real_one_for_an_unknown_device_is_of_the_other_scheme() -> None:
    data = real("encrypted/rsa3072-unknown-key.bin")
    header = EncryptedHeader.parse(data)
    assert header.size == len(data) - 512
    assert header.to_bytes() == data[:512]
    with pytest.raises(FormatError, match=header.scheme):
        decrypt(data, key())


@given(plain=st.binary(max_size=100), seed=st.integers())
def test_what_is_encrypted_decrypts(plain: bytes, seed: int) -> None:
    data = encrypt(plain, key().public_key(), rng=random.Random(seed))
    assert len(data) == 512 + len(plain)
    assert is_encrypted(data)
    assert decrypt(data, key()) == plain
    assert EncryptedHeader.parse(data).to_bytes() == data[:512]
    assert EncryptedHeader.parse(data).scheme == "RSA-3072"


def test_the_cryptography_package_opens_our_key() -> None:
    header = EncryptedHeader.parse(sealed())
    assert key().decrypt(header.encrypted_key, padding.PKCS1v15()) == header.open_key(key())


def test_we_open_a_key_of_the_cryptography_package() -> None:
    header = EncryptedHeader.parse(sealed())
    gcm_key = bytes(range(32))
    theirs = key().public_key().encrypt(gcm_key, padding.PKCS1v15())
    assert EncryptedHeader(theirs, header.iv, 0, header.tag).open_key(key()) == gcm_key


def test_the_same_seed_gives_the_same_bytes() -> None:
    again = encrypt(PLAIN, key().public_key(), rng=random.Random(1))
    assert again == sealed() != encrypt(PLAIN, key().public_key(), rng=random.Random(2))


def test_keys_come_in_every_usual_form() -> None:
    private, public = key(), key().public_key()
    for form in (
        pem(private),
        pem(private) + b"\0",
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        private.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    ):
        assert decrypt(sealed(), form) == PLAIN
        assert encrypt(PLAIN, form, rng=random.Random(1)) == sealed()
    for coding in (Encoding.PEM, Encoding.DER):
        form = public.public_bytes(coding, PublicFormat.SubjectPublicKeyInfo)
        assert encrypt(PLAIN, form, rng=random.Random(1)) == sealed()


def test_the_wrong_key_is_named_at_the_key() -> None:
    with pytest.raises(FormatError, match="does not open") as caught:
        decrypt(sealed(), another_key())
    assert caught.value.offset == 4


def test_a_flipped_tag_is_named_at_the_tag() -> None:
    broken = with_flipped_tag(sealed())
    assert len(broken) == len(sealed())
    assert EncryptedHeader.parse(broken).open_key(key()) == EncryptedHeader.parse(sealed()).open_key(key())
    with pytest.raises(FormatError, match="GCM tag") as caught:
        decrypt(broken, key())
    assert caught.value.offset == 408


@pytest.mark.parametrize("at", [512, 512 + len(PLAIN) - 1, 388, 403])
def test_changed_content_and_iv_fail_at_the_tag(at: int) -> None:
    with pytest.raises(FormatError, match="GCM tag"):
        decrypt(with_flipped_byte(sealed(), at), key())


@pytest.mark.parametrize("at", [4, 200, 387])
def test_a_changed_key_field_fails_at_the_key(at: int) -> None:
    with pytest.raises(FormatError) as caught:
        decrypt(with_flipped_byte(sealed(), at), key())
    assert caught.value.offset == 4


@pytest.mark.parametrize("length", [0, 1, 3, 4, 100, 511, 512, 600, 512 + len(PLAIN) - 1])
def test_every_cut_is_refused(length: int) -> None:
    with pytest.raises(FormatError) as caught:
        decrypt(sealed()[:length], key(), subject="cut.bin")
    assert caught.value.offset <= length
    assert str(caught.value).startswith("cut.bin: ")


def test_more_content_than_announced_is_refused() -> None:
    with pytest.raises(FormatError, match="1285 bytes of content") as caught:
        decrypt(sealed() + b"x", key())
    assert caught.value.offset == len(sealed())


def test_another_magic_is_refused() -> None:
    assert not is_encrypted(b"\xe9" + bytes(600))
    with pytest.raises(FormatError, match="e9000000") as caught:
        decrypt(b"\xe9" + bytes(600), key())
    assert caught.value.offset == 0
    with pytest.raises(FormatError, match="magic"):
        with_flipped_tag(b"\xe9" + bytes(600))


@given(st.binary(max_size=700))
def test_random_bytes_are_refused(data: bytes) -> None:
    for candidate in (data, EncryptedHeader.MAGIC.to_bytes(4, "little") + data):
        with pytest.raises(FormatError) as caught:
            decrypt(candidate, key())
        assert caught.value.offset <= max(len(candidate), 4)


def test_what_is_no_rsa_3072_key_is_refused_without_showing_it() -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curve = ec.generate_private_key(ec.SECP384R1())
    curve_pem = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for wrong, found in (
        (b"", "no readable key"),
        (b"-----BEGIN nonsense", "no readable key"),
        (pem(small), "2048 bits"),
        (curve_pem, "curve secp384r1"),
    ):
        with pytest.raises(FormatError, match=found) as caught:
            decrypt(sealed(), wrong)
        assert "BEGIN" not in str(caught.value)
        with pytest.raises(FormatError, match="3072 bits"):
            encrypt(PLAIN, wrong, rng=random.Random(1))
