"""Faults of the certificate that the server presents."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.server.faults.base import Door, Fault

__all__ = ["WrongCertificate"]


@dataclass(frozen=True)
class WrongCertificate(Fault):
    """the server presents a certificate of an authority that nobody trusts"""

    name = "wrong-certificate"

    def door(self, door: Door) -> Door:
        """A listener of its own: the certificate is shown before anybody says which release is wanted."""
        return replace(door, certificate="foreign")
