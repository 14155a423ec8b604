"""The keys of a run: those the device decrypts with, those that sign its updates, and those of other people.

They are made when they are first asked for: an RSA key of 3072 bits takes a good part of a second.
"""

from __future__ import annotations

import secrets
from functools import cached_property, partial

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bench.images.ecies import HMAC_KEY_SIZE, device_key
from bench.once import Once, every_time

__all__ = ["Keys"]

_Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Keys:
    """Keys as PEM, but for `hmac_key`. No `repr`: a private key must not reach a log.

    `once` makes them; processes that share it have the same keys.
    """

    def __init__(self, once: Once = every_time) -> None:
        self._once = once

    @cached_property
    def flash_key(self) -> bytes:
        """The key of the device's flash encryption, 32 bytes: random, and never two equal halves."""
        return self._once("flash encryption key", partial(secrets.token_bytes, 32))

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
        return self._once("HMAC key", partial(secrets.token_bytes, HMAC_KEY_SIZE))

    @property
    def ecies_public(self) -> bytes:
        """P-256: the key that images for this device are encrypted with in the ECIES scheme."""
        return _public(device_key(self.hmac_key))

    @cached_property
    def foreign_ecies_public(self) -> bytes:
        """P-256 of another device."""
        key = self._once("HMAC key of somebody else", partial(secrets.token_bytes, HMAC_KEY_SIZE))
        return _public(device_key(key))

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
        pairs = [self._rsa_3072(f"RSA key {number}") for number in (1, 2)]
        return sorted(pairs, key=lambda one: one.public_key().public_numbers().n, reverse=True)

    @property
    def _rsa(self) -> rsa.RSAPrivateKey:
        return self._rsa_pairs[0]

    @property
    def _foreign_rsa(self) -> rsa.RSAPrivateKey:
        return self._rsa_pairs[1]

    @cached_property
    def _curve(self) -> ec.EllipticCurvePrivateKey:
        return self._p256("P-256 key")

    @cached_property
    def _foreign_curve(self) -> ec.EllipticCurvePrivateKey:
        return self._p256("P-256 key of somebody else")

    def _rsa_3072(self, name: str) -> rsa.RSAPrivateKey:
        pem = self._once(name, lambda: _private(rsa.generate_private_key(public_exponent=65537, key_size=3072)))
        key = serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)  # it is our own
        assert isinstance(key, rsa.RSAPrivateKey)
        return key

    def _p256(self, name: str) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(
            self._once(name, lambda: _private(ec.generate_private_key(ec.SECP256R1()))), None
        )
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key


def _private(key: _Private) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public(key: _Private) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
