"""The ECIES-P256 scheme of esp_encrypted_img: how server and device come to the same AES-256-GCM key.

The server makes a key pair for this one image; ECDH with the device's public key and HKDF-SHA256 (a random salt, the
text `_esp_enc_img_ecc`) give the GCM key. The header's key field holds the server's public point (x and y, 64 bytes),
the salt (32) and zeros. The device's own private key is PBKDF2-HMAC-SHA256 of a key in an eFuse that software cannot
read. Source: the component's src/esp_encrypted_img.c and tools/esp_enc_img_gen.py.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bench.errors import FormatError

if TYPE_CHECKING:
    import random

__all__ = ["FIELD_SIZE", "HMAC_KEY_SIZE", "device_key", "make_key", "open_key"]

FIELD_SIZE = 384
"""Bytes of the header's key field."""

HMAC_KEY_SIZE = 32

_POINT, _SALT = 64, 32
_INFO = b"_esp_enc_img_ecc"
_PBKDF2_SALT = bytes.fromhex("0e2160642dae76d33448e43d7720123d9f3b1eceb88e573a4e8f7fb94ff0c869")
_PBKDF2_ROUNDS = 2048
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def device_key(hmac_key: bytes) -> ec.EllipticCurvePrivateKey:
    """The P-256 key that a device makes of the HMAC key in its eFuse.

    Args:
        hmac_key: 32 bytes, as `espefuse burn-key … HMAC_UP` is given them

    Raises:
        FormatError: not 32 bytes, or one of the few keys that give no point of the curve
    """
    if len(hmac_key) != HMAC_KEY_SIZE:
        raise FormatError("HMAC key", 0, f"{len(hmac_key)} bytes", f"{HMAC_KEY_SIZE} bytes")
    scalar = int.from_bytes(hashlib.pbkdf2_hmac("sha256", hmac_key, _PBKDF2_SALT, _PBKDF2_ROUNDS), "big")
    if not 0 < scalar < _P256_ORDER:
        raise FormatError("HMAC key", 0, "a key that gives no P-256 key", "another one")
    return ec.derive_private_key(scalar, ec.SECP256R1())


def make_key(public_key: ec.EllipticCurvePublicKey, *, rng: random.Random) -> tuple[bytes, bytes]:
    """A GCM key for that device: the 32 bytes, and the 384 of the header's key field."""
    server = ec.derive_private_key(rng.randrange(1, _P256_ORDER), ec.SECP256R1())
    salt = rng.randbytes(_SALT)
    numbers = server.public_key().public_numbers()
    point = numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    return _derive(server, public_key, salt), (point + salt).ljust(FIELD_SIZE, b"\0")


def open_key(field: bytes, private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """The GCM key; of whatever private key this is: only the tag tells whether it was the right one.

    Raises:
        FormatError: the field holds no point of the curve
    """
    x, y = int.from_bytes(field[:32], "big"), int.from_bytes(field[32:_POINT], "big")
    try:
        server = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError:
        raise FormatError("pre-encrypted image", 4, "a public key off the curve", "a point of P-256") from None
    return _derive(private_key, server, field[_POINT : _POINT + _SALT])


def _derive(private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey, salt: bytes) -> bytes:
    shared = private.exchange(ec.ECDH(), public)
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=_INFO).derive(shared)
