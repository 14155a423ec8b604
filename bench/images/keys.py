"""Reading the keys that images are signed and encrypted with: PEM or DER in, a key or a clear refusal out.

No message ever shows a key: it ends up in reports.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from bench.errors import FormatError

__all__ = ["RSA_BITS", "SigningKey", "VerifyingKey", "kind_of", "load_private", "load_public", "rsa_private"]

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
VerifyingKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

RSA_BITS = 3072
_WANTED = "RSA of 3072 bits or ECDSA P-256, PEM or DER, unencrypted"


def load_private(given: bytes | SigningKey) -> SigningKey:
    """An RSA-3072 or P-256 private key.

    Args:
        given: the key, or it as PEM (a NUL at its end, as firmware embeds it, does no harm) or DER

    Raises:
        FormatError: anything else; says what it is, never the key itself
    """
    key: object = _read_private(given) if isinstance(given, bytes) else given
    if isinstance(key, SigningKey) and _fits(key):
        return key
    raise FormatError("private key", 0, kind_of(key), _WANTED)


def load_public(given: bytes | SigningKey | VerifyingKey) -> VerifyingKey:
    """An RSA-3072 or P-256 public key; the public part of a private one will do.

    Raises:
        FormatError: anything else; says what it is
    """
    key: object = given
    if isinstance(given, bytes):
        key = _read_public(given)
        key = _read_private(given) if key is None else key
    if isinstance(key, SigningKey):
        key = key.public_key()
    if isinstance(key, VerifyingKey) and _fits(key):
        return key
    raise FormatError("public key", 0, kind_of(key), _WANTED)


def kind_of(key: object) -> str:
    """What a key is, in words that do not show it."""
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return f"an RSA key of {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return f"a key on the curve {key.curve.name}"
    return "no readable key" if key is None else "a key of another kind"


def _fits(key: SigningKey | VerifyingKey) -> bool:
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return key.key_size == RSA_BITS
    return isinstance(key.curve, ec.SECP256R1)


@lru_cache(maxsize=8)  # the same key signs every image of a run, and OpenSSL checks one of RSA for a tenth of a second
def _read_private(data: bytes) -> object:
    return _read(data, lambda pem: load_pem_private_key(pem, None), lambda der: load_der_private_key(der, None))


def _read_public(data: bytes) -> object:
    return _read(data, load_pem_public_key, load_der_public_key)


def _read(data: bytes, pem: Callable[[bytes], object], der: Callable[[bytes], object]) -> object:
    try:
        return pem(data.rstrip(b"\0")) if b"-----BEGIN" in data else der(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: the key is under a password
        return None


def rsa_private(key: rsa.RSAPrivateKey, value: int) -> int:
    """The bare RSA operation, without any padding: `value` to the private exponent, modulo n."""
    numbers = key.private_numbers()
    # Garner's recombination: four times faster than one exponentiation modulo n.
    low = pow(value, numbers.dmq1, numbers.q)
    high = pow(value, numbers.dmp1, numbers.p)
    return low + numbers.q * ((high - low) * numbers.iqmp % numbers.p)
