"""Key pairs for pre-encrypted images: the device's own, and one that is somebody else's."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

__all__ = ["Keys"]


@dataclass(frozen=True, repr=False)
class Keys:
    """RSA-3072 keys as PEM. No `repr`: a private key must not reach a log."""

    device_private: bytes
    device_public: bytes
    foreign_public: bytes

    @classmethod
    def generate(cls) -> Keys:
        """Two new key pairs; takes a second or so."""
        device, foreign = (rsa.generate_private_key(public_exponent=65537, key_size=3072) for _ in range(2))
        private = device.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(private, _public(device), _public(foreign))


def _public(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
