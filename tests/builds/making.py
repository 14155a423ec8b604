"""Certificates and keys for virtual builds under test, made once and the same in every run's process."""

from __future__ import annotations

from functools import cache
from typing import Any

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.builds import VirtualBuild

__all__ = ["ca_pem", "private_key_pem", "spec"]


@cache
def ca_pem() -> bytes:
    return trustme.CA().cert_pem.bytes()


@cache
def private_key_pem(bits: int = 3072) -> bytes:
    key = rsa.generate_private_key(65537, bits)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def spec(chip: str = "esp32c3", app: str = "advanced_https_ota", version: str = "1", **options: Any) -> VirtualBuild:
    """A build that is sound but for what the test says."""
    given: dict[str, Any] = {"ca_pem": ca_pem(), **options}
    if app == "pre_encrypted_ota":
        given.setdefault("private_key_pem", private_key_pem())
    return VirtualBuild(chip=chip, app=app, version=version, **given)
