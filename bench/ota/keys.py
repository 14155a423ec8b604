"""The keys of a run: those the device decrypts with, those that sign its updates, and those of other people.

They are made when they are first asked for: an RSA key of 3072 bits takes a good part of a second.
"""

from __future__ import annotations

import secrets
from functools import cached_property

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bench.images.ecies import HMAC_KEY_SIZE, device_key

__all__ = ["Keys"]

_Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Keys:
    """Keys as PEM, but for `hmac_key`. No `repr`: a private key must not reach a log."""

    @classmethod
    def generate(cls) -> Keys:
        """New keys."""
        return cls()

    @cached_property
    def flash_key(self) -> bytes:
        """The key of the device's flash encryption, 32 bytes: random, and never two equal halves."""
        return secrets.token_bytes(32)

    @cached_property
    def device_private(self) -> bytes:
        """RSA-3072: the key that pre_encrypted_ota embeds."""
        return _private(self._rsa)

    @property
    def device_public(self) -> bytes:
        """The key that images for this device are encrypted with."""
        return _public(self._rsa)

    @property
    def foreign_public(self) -> bytes:
        """RSA-3072 of somebody else."""
        return _public(self._foreign_rsa)

    @cached_property
    def hmac_key(self) -> bytes:
        """32 bytes for an eFuse block: the root of the device's key in the ECIES scheme."""
        return secrets.token_bytes(HMAC_KEY_SIZE)

    @property
    def ecies_public(self) -> bytes:
        """P-256: the key that images for this device are encrypted with in the ECIES scheme."""
        return _public(device_key(self.hmac_key))

    @cached_property
    def foreign_ecies_public(self) -> bytes:
        """P-256 of another device."""
        return _public(device_key(secrets.token_bytes(HMAC_KEY_SIZE)))

    def signing(self, scheme: str) -> bytes:
        """The private key that this device's firmware is signed with, for `rsa`, `ecdsa` or `ecdsa_v1`."""
        return _private(self._rsa if scheme == "rsa" else self._curve)

    def foreign_signing(self, scheme: str) -> bytes:
        """A private key of somebody else."""
        return _private(self._foreign_rsa if scheme == "rsa" else self._foreign_curve)

    # One RSA pair serves encryption and signature: as tests of either they need not differ, and a pair takes long.

    @cached_property
    def _rsa_pairs(self) -> list[rsa.RSAPrivateKey]:
        """Ours has the larger modulus: what was encrypted for the other then always is a number that ours can open.

        mbedTLS tells a number that is too large from a padding that is wrong, and a scenario waits for one of the two.
        """
        pairs = [rsa.generate_private_key(public_exponent=65537, key_size=3072) for _ in range(2)]
        return sorted(pairs, key=lambda one: one.public_key().public_numbers().n, reverse=True)

    @property
    def _rsa(self) -> rsa.RSAPrivateKey:
        return self._rsa_pairs[0]

    @property
    def _foreign_rsa(self) -> rsa.RSAPrivateKey:
        return self._rsa_pairs[1]

    @cached_property
    def _curve(self) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(ec.SECP256R1())

    @cached_property
    def _foreign_curve(self) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(ec.SECP256R1())


def _private(key: _Private) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public(key: _Private) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
