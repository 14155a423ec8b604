"""A server's TLS context whose connections can say a last word: the alert that tells a client why it is refused.

OpenSSL makes an alert when a handshake fails, and asyncio closes the socket without sending it (3.11 to 3.13), so a
client would see nothing but the end of the connection. Other servers do send it, and boards tell the two apart.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["ARRIVING", "Arriving", "ServerContext", "alert"]


@dataclass(frozen=True)
class Arriving:
    """A connection whose handshake is being begun.

    Attributes:
        raw: what carries it
        heard: called once when its ClientHello has been read: the server's own first words follow
    """

    raw: asyncio.Transport
    heard: Callable[[], None]


ARRIVING: ContextVar[Arriving] = ContextVar("ARRIVING")
"""Which one it is: asyncio does not say for whom it asks for an SSLObject."""

_NO_VERSION = "UNSUPPORTED_PROTOCOL"
"""OpenSSL's reason where a ClientHello offers no version that the server speaks."""

_NO_RECORD = b"\x17\x03\x03\x00\x40" + bytes(64)
"""The header of a record of application data (RFC 8446, 5.2), and zeros."""


class _Secured(ssl.SSLObject):
    """The TLS of one connection, with both its ends at hand."""

    arriving: Arriving | None = None
    said_hello = False
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO

    def do_handshake(self) -> None:
        """Go on with the handshake; where it fails, the alert is sent before anybody closes the connection."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if error.reason == _NO_VERSION:
                self.hello()  # OpenSSL gave it up before it asked for the name
            if self.arriving is not None and not self.arriving.raw.is_closing():
                self.arriving.raw.write(self.outgoing.read())
            raise

    def hello(self) -> None:
        """The ClientHello has been read; another may follow it in TLS 1.3 (RFC 8446, 4.1.4)."""
        if not self.said_hello and self.arriving is not None:
            self.said_hello = True
            self.arriving.heard()


class ServerContext(ssl.SSLContext):
    """A context for servers only."""

    sslobject_class = _Secured

    def listen(self) -> None:
        """Tell each `Arriving` of its ClientHello: OpenSSL asks for the name in it, be there one or not."""

        def named(secured: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:  # noqa: ARG001
            assert isinstance(secured, _Secured)
            secured.hello()

        self.sni_callback = named

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
        secured.incoming, secured.outgoing, secured.arriving = incoming, outgoing, ARRIVING.get(None)
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
