"""PEM texts that go into firmware: refused here rather than by mbedTLS on the board."""

from __future__ import annotations

from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.errors import BuildError

__all__ = ["check_certificates", "check_private_key"]

_KEY_BITS = 3072  # esp_encrypted_img takes no other size


def check_certificates(pem: bytes) -> None:
    """Refuse what is no certificate in PEM, or has a key beside it: the firmware holds all of it, and is served.

    Raises:
        BuildError: says what it is
    """
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise BuildError(f"CA certificate: {_begins(pem)}; expected PEM (-----BEGIN CERTIFICATE-----)") from None
    if b"\0" in pem:
        raise BuildError("CA certificate: a NUL byte in the PEM; expected text")
    if b"PRIVATE KEY-----" in pem:
        raise BuildError("CA certificate: a private key is in the same file; give one with the certificate alone")


@lru_cache(maxsize=8)  # as in bench.images.keys: the same key is in many builds
def check_private_key(pem: bytes) -> None:
    """Refuse what is no unencrypted RSA-3072 private key in PEM.

    Raises:
        BuildError: says what it is
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        # The key's own bytes are never shown.
        raise BuildError("private key: not readable; expected an unencrypted RSA private key in PEM") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != _KEY_BITS:
        size = getattr(key, "key_size", "?")
        raise BuildError(f"private key: {type(key).__name__.strip('_')} of {size} bits; expected RSA of {_KEY_BITS}")
    if b"\0" in pem:
        raise BuildError("private key: a NUL byte in the PEM; expected text")


def _begins(data: bytes) -> str:
    return f"begins with {data[:24]!r}" if data else "empty"
