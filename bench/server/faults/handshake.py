"""Faults of TLS itself: the versions that are spoken, a handshake that never ends, and no TLS at all.
One version alone fires when a client has said its hello, the two others with each connection: they go with no
certificate and no version.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from bench.server.faults.base import Door, Fault, Tls

__all__ = ["PlainHttp", "SilentHandshake", "TlsOnly"]


@dataclass(frozen=True)
class TlsOnly(Fault):
    """the server speaks one version of TLS alone: 1.1, 1.2 or 1.3"""

    name = "tls-only"
    version: str

    def __post_init__(self) -> None:
        if self.version not in ("1.1", "1.2", "1.3"):
            raise ValueError(f"a version of TLS is 1.1, 1.2 or 1.3, not {self.version!r}")

    def door(self, door: Door) -> Door:
        """A listener of that version."""
        return replace(door, tls=cast(Tls, self.version))


@dataclass(frozen=True)
class SilentHandshake(Fault):
    """the server accepts connections and never says a word of TLS"""

    name = "silent-handshake"

    def door(self, door: Door) -> Door:
        """A listener that is silent."""
        return replace(door, tls="silent")


@dataclass(frozen=True)
class PlainHttp(Fault):
    """the server speaks HTTP without TLS, and its URL says so"""

    name = "plain-http"

    def door(self, door: Door) -> Door:
        """A listener without TLS."""
        return replace(door, tls="none")
