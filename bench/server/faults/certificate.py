"""Faults of the certificate that the server presents, and certificates that are sound but not the usual one.
A release has one of them at most. It fires when a client has said its hello, which the certificate answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from bench.server.faults.base import Certificate, Door, Fault

__all__ = [
    "CrossSigned",
    "Expired",
    "Intermediate",
    "MissingIntermediate",
    "Namesake",
    "NotYetValid",
    "RsaCertificate",
    "SelfSigned",
    "WrongAddress",
    "WrongCertificate",
    "WrongName",
]


@dataclass(frozen=True)
class _Presents(Fault):
    """A listener of its own: the certificate is shown before anybody says which release is wanted."""

    certificate: ClassVar[Certificate]

    def door(self, door: Door) -> Door:
        """The door with that certificate."""
        return replace(door, certificate=self.certificate)


@dataclass(frozen=True)
class WrongCertificate(_Presents):
    """the server presents a certificate of an authority that nobody trusts"""

    name = "wrong-certificate"
    certificate = "foreign"


@dataclass(frozen=True)
class Namesake(_Presents):
    """the server presents a certificate of an authority that has the trusted one's name, and another key"""

    name = "namesake"
    certificate = "namesake"


@dataclass(frozen=True)
class Expired(_Presents):
    """the certificate expired yesterday"""

    name = "expired"
    certificate = "expired"


@dataclass(frozen=True)
class NotYetValid(_Presents):
    """the certificate is valid from next year on"""

    name = "not-yet-valid"
    certificate = "not-yet-valid"


@dataclass(frozen=True)
class WrongName(_Presents):
    """the certificate is for another host name"""

    name = "wrong-name"
    certificate = "wrong-name"


@dataclass(frozen=True)
class WrongAddress(_Presents):
    """the certificate is for another IP address"""

    name = "wrong-address"
    certificate = "wrong-address"


@dataclass(frozen=True)
class SelfSigned(_Presents):
    """the certificate is signed by its own key"""

    name = "self-signed"
    certificate = "self-signed"


@dataclass(frozen=True)
class RsaCertificate(_Presents):
    """the server's key is RSA-2048 and not P-256; sound"""

    name = "rsa-certificate"
    certificate = "rsa"


@dataclass(frozen=True)
class Intermediate(_Presents):
    """the certificate is issued by an intermediate authority, which the server presents too; sound"""

    name = "intermediate"
    certificate = "intermediate"


@dataclass(frozen=True)
class MissingIntermediate(_Presents):
    """the certificate is issued by an intermediate authority, which the server forgets to present"""

    name = "missing-intermediate"
    certificate = "missing-intermediate"


@dataclass(frozen=True)
class CrossSigned(_Presents):
    """the certificate is issued by a new root that the old one has cross-signed; both are presented; sound"""

    name = "cross-signed"
    certificate = "cross-signed"
