"""A server's TLS context whose connections can say a last word: the alert that tells a client why it is refused.

OpenSSL makes an alert when a handshake fails, and asyncio closes the socket without sending it (3.11 to 3.13), so a
client would see nothing but the end of the connection. Other servers do send it, and boards tell the two apart.
"""

from __future__ import annotations

import asyncio
import ssl
from contextvars import ContextVar

__all__ = ["ARRIVING", "ServerContext", "alert"]

ARRIVING: ContextVar[asyncio.Transport] = ContextVar("ARRIVING")
"""The connection whose handshake is being begun: asyncio does not say for whom it asks for an SSLObject."""

_NO_RECORD = b"\x17\x03\x03\x00\x40" + bytes(64)
"""The header of a record of application data (RFC 8446, 5.2), and zeros."""


class _Secured(ssl.SSLObject):
    """The TLS of one connection, with both its ends at hand."""

    raw: asyncio.Transport | None = None
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO

    def do_handshake(self) -> None:
        """Go on with the handshake; where it fails, the alert is sent before anybody closes the connection."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            if self.raw is not None and not self.raw.is_closing():
                self.raw.write(self.outgoing.read())
            raise


class ServerContext(ssl.SSLContext):
    """A context for servers only."""

    sslobject_class = _Secured

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        secured = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(secured, _Secured)
        secured.incoming, secured.outgoing, secured.raw = incoming, outgoing, ARRIVING.get(None)
        return secured


def alert(secured: object) -> bytes:
    """A fatal alert (bad_record_mac) of that connection, encrypted, to be sent as it is.

    The ssl module cannot make one; OpenSSL does when it is shown a record that nobody has encrypted.
    """
    assert isinstance(secured, _Secured)
    secured.incoming.write(_NO_RECORD)
    try:
        secured.read(1)
    except ssl.SSLError:
        return secured.outgoing.read()
    return b""
