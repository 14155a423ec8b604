"""Signatures over the manifest of a bundle: Ed25519, ECDSA and RSA, each such that one input has one signature.

ECDSA takes its nonce from key and message (RFC 6979) and RSA is PKCS #1 v1.5, both with SHA-256, so that the same run
signed by the same key is the same file.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from bench.errors import BenchError

__all__ = [
    "PrivateKey",
    "PublicKey",
    "fingerprint",
    "is_signed",
    "load_private_key",
    "load_public_key",
    "parse_public_key",
    "public_pem",
    "sign",
]

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_KINDS = "an Ed25519, ECDSA or RSA key (2048 bits or more)"
_LEAST_RSA = 2048


def load_private_key(path: Path) -> PrivateKey:
    """An unencrypted private key in PEM. Raises `BenchError` for anything else, and never shows what is in it."""
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except TypeError:
        raise BenchError(f"{path}: the key is encrypted; give one without a password (openssl pkey -in …)") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BenchError(f"{path}: no private key in PEM; `openssl genpkey -algorithm ed25519` makes one") from None
    if not isinstance(key, PrivateKey) or (isinstance(key, rsa.RSAPrivateKey) and key.key_size < _LEAST_RSA):
        raise BenchError(f"{path}: a bundle is signed by {_KINDS}")
    return key


def load_public_key(path: Path) -> PublicKey:
    """A public key in PEM. Raises `BenchError` for anything else."""
    try:
        return parse_public_key(_read(path))
    except ValueError as error:
        raise BenchError(f"{path}: {error}; `openssl pkey -in KEY -pubout` writes the public half of a key") from None


def parse_public_key(pem: bytes) -> PublicKey:
    """The same from bytes. Raises `ValueError` for anything else."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("no public key in PEM") from None
    if not isinstance(key, PublicKey) or (isinstance(key, rsa.RSAPublicKey) and key.key_size < _LEAST_RSA):
        raise ValueError(f"a bundle is signed by {_KINDS}")
    return key


def public_pem(key: PrivateKey | PublicKey) -> bytes:
    """The public half, in PEM."""
    public = key.public_key() if isinstance(key, PrivateKey) else key
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: PublicKey) -> str:
    """SHA-256 of the key's DER form, as hex."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def sign(key: PrivateKey, data: bytes) -> bytes:
    """The signature of these bytes; always the same."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def is_signed(key: PublicKey, signature: bytes, data: bytes) -> bool:
    """Is this the signature of these bytes by the owner of that key?"""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        else:
            key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}") from None
