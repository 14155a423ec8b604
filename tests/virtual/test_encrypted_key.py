"""How the component comes to the GCM key: both schemes, each error in the words of its release."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.flash.efuse_fields import HMAC_UP, EfuseBlocks
from bench.images.damage import with_flipped_bit
from bench.images.ecies import device_key
from bench.images.encrypted import EncryptedHeader, encrypt
from bench.virtual.idf.encrypted_img import DecryptHandle
from bench.virtual.idf.err import EspError
from tests.images.test_encrypted import another_key, key, pem
from tests.virtual.lifelike import firmware, live

HMAC_KEY = bytes(range(100, 132))
PLAIN = b"plain text of no importance" * 40


def opened(data: bytes, private: bytes, *, idf_ver: str = "v5.3.1", burn: bytes | None = None) -> list[str]:
    """What is said of an image; with `burn` by firmware that has the ECIES scheme, and that key."""
    options = ("url_from_stdin",) if burn is None else ("url_from_stdin", "ecies")
    with live("esp32c3") as life:
        if burn:
            for number, bits in enumerate(EfuseBlocks.blank("esp32c3").with_key(2, HMAC_UP, burn).blocks):
                life.machine.efuse.poke(number, bits)
        image = firmware(project="pre_encrypted_ota", idf_ver=idf_ver, options=options)
        running = life.running(image)
        try:
            handle = DecryptHandle(running, private)
            plain = handle.decrypt(data)
            handle.end()
        except EspError:
            return life.console.lines
        assert plain == PLAIN
        return [*life.console.lines, "opened"]


def sealed(*, ecies: bool = False) -> bytes:
    public = device_key(HMAC_KEY).public_key() if ecies else ours().public_key()
    return encrypt(PLAIN, public, rng=random.Random(1))


def ours() -> rsa.RSAPrivateKey:
    """Of two keys the one with the smaller modulus: what is encrypted with it is a number that both can open."""
    return min(key(), another_key(), key=lambda one: one.public_key().public_numbers().n)


def theirs() -> rsa.RSAPrivateKey:
    return max(key(), another_key(), key=lambda one: one.public_key().public_numbers().n)


@pytest.mark.parametrize(
    ("idf_ver", "start", "reading"),
    [
        ("v5.1.4", "Starting Decryption Process", "Reading RSA private key"),
        ("v5.5", "Initializing Decryption Handle", "Reading RSA private key"),
        ("v6.0", "Initializing Decryption Handle", "Reading RSA private key (PSA)"),
    ],
)
def test_rsa(idf_ver: str, start: str, reading: str) -> None:
    assert opened(sealed(), pem(ours()), idf_ver=idf_ver) == [
        f"I esp_encrypted_img: {start}",
        "I esp_encrypted_img: Magic Verified",
        f"I esp_encrypted_img: {reading}",
        "opened",
    ]


def small_key() -> bytes:
    return rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )


@pytest.mark.parametrize(
    ("private", "old", "psa"),
    [
        (lambda: pem(theirs()), "mbedtls_pk_decrypt returned -0x4100", "psa_asymmetric_decrypt failed: -150"),
        (small_key, "mbedtls_pk_decrypt returned -0x4080", "psa_asymmetric_decrypt failed: -135"),
        (lambda: b"", "mbedtls_pk_parse_keyfile returned -0x3d00", "mbedtls_pk_parse_key returned -0x3d00"),
        (
            lambda: pem(ours()).replace(b"\nM", b"\n*", 1),
            "mbedtls_pk_parse_keyfile returned -0x112c",
            "mbedtls_pk_parse_key returned -0x112c",
        ),
    ],
    ids=["another", "small", "none", "no_base64"],
)
def test_a_key_that_does_not_open_it(private: type, old: str, psa: str) -> None:
    said = opened(sealed(), private())
    assert any(old in line for line in said)
    assert "E esp_encrypted_img: Unable to decipher GCM key" in said
    assert "E esp_encrypted_img: Failed to process GCM key" not in said
    said = opened(sealed(), private(), idf_ver="v6.0")
    assert any(psa in line for line in said)
    assert said[-1] == "E esp_encrypted_img: Failed to process GCM key"


def test_ecies() -> None:
    assert opened(sealed(ecies=True), b"", burn=HMAC_KEY) == [
        "I esp_encrypted_img: Initializing Decryption Handle",
        "I esp_encrypted_img: Magic Verified",
        "I esp_encrypted_img: ECC key derived successfully",
        "I esp_encrypted_img: GCM key derived successfully",
        "opened",
    ]


def test_ecies_without_a_key_in_the_efuses_does_not_start() -> None:
    assert opened(sealed(ecies=True), b"", burn=b"") == [
        "I esp_encrypted_img: Initializing Decryption Handle",
        "E esp_encrypted_img: Could not find HMAC key in configured eFuse block!",
    ]


def test_ecies_of_another_device_is_found_by_the_tag_alone() -> None:
    said = opened(sealed(ecies=True), b"", burn=b"another device".ljust(32))
    assert "I esp_encrypted_img: GCM key derived successfully" in said
    assert said[-1] == "E esp_encrypted_img: Invalid Auth"


def test_ecies_with_a_point_off_the_curve() -> None:
    data = with_flipped_bit(sealed(ecies=True), "key")
    assert EncryptedHeader.parse(data).scheme == "ECIES-P256"
    assert opened(data, b"", burn=HMAC_KEY)[-5:] == [
        "  ! mbedtls_ecp_check_pubkey returned -0x4c80",
        "",
        "E esp_encrypted_img: Failed to get server public point",
        "E esp_encrypted_img: Failed to derive GCM key",
        "E esp_encrypted_img: Failed to process GCM key",
    ]
