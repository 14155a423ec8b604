"""One TCP connection with TLS on it, watched at its lowest end.

asyncio's TLS transport says neither when its bytes have left the process nor why a handshake failed. So the bench
accepts plain TCP, starts TLS itself, and stands between the socket's transport and the TLS protocol: there it sees
when the write buffer has run empty, and there it can end the connection with a bare FIN or a RST.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Literal

__all__ = ["Connection", "Early", "PeerGone"]


class PeerGone(ConnectionError):
    """The connection ended before all was sent."""


class Early(asyncio.Protocol):
    """Holds what TLS delivers between the end of the handshake and the moment when HTTP takes over."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.eof = False
        self.lost = False

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.data.append(data)

    def eof_received(self) -> bool:
        """Keep the connection for whoever takes over."""
        self.eof = True
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Remember it."""
        self.lost = True


class Connection(asyncio.BufferedProtocol):
    """Stands between a socket's transport and the TLS protocol on it, and passes everything on.

    Attributes:
        number: which connection of this server it is, from 1
        requests: how many requests have come on it
        hung_up: the server itself ended it, as a fault wanted
    """

    def __init__(self, number: int, raw: asyncio.Transport, tls: asyncio.Transport) -> None:
        inner = raw.get_protocol()
        assert isinstance(inner, asyncio.BufferedProtocol)
        self.number = number
        self.requests = 0
        self.hung_up = False
        self._raw = raw
        self._tls = tls
        self._inner = inner
        self._scratch = bytearray(4096)
        self._lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._flushed = asyncio.Event()
        self._cut_short = False
        raw.set_protocol(self)
        self._look()

    # What the socket's transport calls.

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where received bytes go: to TLS, or nowhere after `hang_up`."""
        return self._scratch if self.hung_up else self._inner.get_buffer(sizehint)  # type: ignore[return-value]

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have been received."""
        if not self.hung_up:
            self._inner.buffer_updated(nbytes)

    def eof_received(self) -> bool | None:
        """The peer has closed its side."""
        return None if self.hung_up else self._inner.eof_received()

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self._flushed.clear()
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The kernel has taken all; TLS may have more."""
        self._inner.resume_writing()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._cut_short = not self._flushed.is_set()
        self._inner.connection_lost(exc)
        if not self._lost.done():
            self._lost.set_result(exc)
        self._flushed.set()

    # What the server calls.

    @property
    def lost(self) -> bool:
        """Is it over?"""
        return self._lost.done()

    async def wait_lost(self, seconds: float | None = None) -> bool:
        """Wait until the connection is over; False where it is not after so many seconds."""
        done, _ = await asyncio.wait((self._lost,), timeout=seconds)
        return bool(done)

    async def cause_of_end(self) -> str | None:
        """Wait for the end of the connection; the error that ended it in words, None for a proper close."""
        error = await asyncio.shield(self._lost)
        return None if error is None else str(error) or type(error).__name__

    async def flush(self) -> None:
        """Wait until the kernel has taken what was just written; raises `PeerGone` where it never will.

        To be called at once after writing: a transport that is closing by then has dropped what was written. A
        connection that ends later, with nothing left to send, is a client that has had enough.
        """
        if self.lost or self._raw.is_closing():
            raise PeerGone("the peer went away")
        self._look()
        await self._flushed.wait()
        if self._cut_short:
            raise PeerGone("the peer went away")

    def hang_up(self, how: Literal["fin", "rst"]) -> None:
        """End the connection in that way, to be followed by `settle`."""
        self.hung_up = True
        if how == "fin":
            # close() would answer bytes that still come with a RST, which can overtake what was sent; so the
            # sending side alone is closed, and the peer has some time to do the same.
            self._raw.write_eof()
        else:
            self.reset()

    async def settle(self, linger: float) -> None:
        """After `hang_up`: wait until the peer has closed its side too; reset after `linger` seconds.

        The time is not to be short: a reset throws away what a board, busy erasing flash, has not read yet.
        """
        if not await self.wait_lost(linger):
            self.reset()
            await self.wait_lost()

    def reset(self) -> None:
        """End the connection with a RST."""
        if self.lost or self._raw.is_closing():
            self._raw.abort()
            return
        sock: socket.socket = self._raw.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._raw.abort()

    def abort(self) -> None:
        """Drop the connection, with nothing more sent."""
        self._raw.abort()

    def _look(self) -> None:
        if not (self._raw.get_write_buffer_size() or self._tls.get_write_buffer_size()):
            self._flushed.set()
        else:
            self._flushed.clear()
