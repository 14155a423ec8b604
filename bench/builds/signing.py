"""Builds whose application verifies the signature of an update, without hardware secure boot.

CONFIG_SECURE_SIGNED_ON_UPDATE_NO_SECURE_BOOT of components/bootloader/Kconfig.projbuild. ESP-IDF offers ECDSA of
version 2 on chips with SOC_SECURE_BOOT_V2_ECC only, none of which the bench writes builds for; as an application
verifies in software, the bench's builds may have it on any chip. Version 1 there is on the ESP32 alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa

from bench.builds.sdkconfig import Value
from bench.errors import BuildError, FormatError
from bench.images import Image
from bench.images.keys import load_private
from bench.images.signature import sign, sign_v1, v1_public_key

__all__ = ["SCHEMES", "Signing"]

SCHEMES = {
    "rsa": ("SECURE_SIGNED_APPS_RSA_SCHEME", frozenset({"signed", "signed_v2", "signed_rsa"})),
    "ecdsa": ("SECURE_SIGNED_APPS_ECDSA_V2_SCHEME", frozenset({"signed", "signed_v2", "signed_ecdsa"})),
    "ecdsa_v1": ("SECURE_SIGNED_APPS_ECDSA_SCHEME", frozenset({"signed", "signed_v1"})),
}
"""By name: the symbol of the scheme, and the options that its log strings are under."""


@dataclass(frozen=True, repr=False)
class Signing:
    """How a build is signed. Its `repr` tells keys apart without showing them.

    Args:
        scheme: rsa (RSA-3072), ecdsa (P-256) or ecdsa_v1 (P-256, ESP32 only)
        key_pem: the private key, PEM

    Raises:
        BuildError: no such scheme, or a key that is not of it
    """

    scheme: str
    key_pem: bytes

    def __repr__(self) -> str:
        return f"Signing({self.scheme!r}, key {hashlib.sha256(self.key_pem).hexdigest()})"

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise BuildError(f"signature scheme {self.scheme!r}: expected one of {', '.join(SCHEMES)}")
        try:
            key = load_private(self.key_pem)
        except FormatError as error:
            raise BuildError(f"signing key: {error}") from None
        if isinstance(key, rsa.RSAPrivateKey) != (self.scheme == "rsa"):
            wanted = "RSA of 3072 bits" if self.scheme == "rsa" else "ECDSA P-256"
            raise BuildError(f"signing key: another kind of key; scheme {self.scheme} takes {wanted}")

    def check(self, chip: str) -> None:
        """Raise `BuildError` where ESP-IDF has no such scheme for the chip."""
        if self.scheme == "ecdsa_v1" and chip != "esp32":
            raise BuildError(f"signature scheme ecdsa_v1: the {chip} has no version 1; take ecdsa, or rsa")

    @property
    def options(self) -> frozenset[str]:
        """Options that decide which log strings are compiled in."""
        return SCHEMES[self.scheme][1]

    @property
    def embedded(self) -> list[bytes]:
        """What the application embeds of the key: version 1 the public part, version 2 nothing."""
        return [v1_public_key(self.key_pem)] if self.scheme == "ecdsa_v1" else []

    @property
    def symbols(self) -> dict[str, Value]:
        """What sdkconfig says of it."""
        return {
            "SECURE_SIGNED_ON_UPDATE": True,
            "SECURE_SIGNED_APPS": True,
            "SECURE_SIGNED_APPS_NO_SECURE_BOOT": True,
            SCHEMES[self.scheme][0]: True,
            "SECURE_SIGNED_ON_UPDATE_NO_SECURE_BOOT": True,
            "SECURE_BOOT_BUILD_SIGNED_BINARIES": True,
        }

    def signed(self, image: Image) -> Image:
        """The image with its signature."""
        return sign_v1(image, self.key_pem) if self.scheme == "ecdsa_v1" else sign(image, self.key_pem)
