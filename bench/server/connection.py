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

from bench.server.context import alert
from bench.server.plan import RECORD

__all__ = ["SEND_BUFFER", "Connection", "Early", "Nobody", "PeerGone", "Plain", "drop"]


SEND_BUFFER = 32 * 1024
"""Bytes of the kernel's send buffer (it doubles them): bounds how far "sent" runs ahead of what the peer got."""

_STRIDE = 256 * 1024
_FAST = 8_000_000  # bytes a second; no board is as fast


def drop(raw: asyncio.Transport) -> None:
    """Drop a connection, with nothing more sent; one that is over already is left alone.

    asyncio's own abort() raises AttributeError for a transport whose last bytes went out while it was closing
    (_SelectorSocketTransport._write_ready does not count that as lost).
    """
    sock: socket.socket = raw.get_extra_info("socket")
    if sock.fileno() >= 0:
        raw.abort()


class PeerGone(ConnectionError):
    """The connection ended before all was sent."""


class Early(asyncio.Protocol):
    """Holds what TLS delivers between the end of the handshake and the moment when HTTP takes over.

    Args:
        half_open: can the peer still be written to after it closed its side? Not with asyncio's TLS, which logs a
            warning where its protocol says so.
    """

    def __init__(self, *, half_open: bool) -> None:
        self._half_open = half_open
        self.data: list[bytes] = []
        self.eof = False
        self.lost = False

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.data.append(data)

    def eof_received(self) -> bool:
        """Keep the connection for whoever takes over, if that can be."""
        self.eof = True
        return self._half_open

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Remember it."""
        self.lost = True


class Nobody(asyncio.Protocol):
    """Hears everything and says nothing, until the peer goes away."""

    def __init__(self) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """It has gone."""
        if not self.gone.done():
            self.gone.set_result(None)


class Plain(asyncio.BufferedProtocol):
    """Stands where TLS stands otherwise, and passes everything on to `inner`."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        self.inner = inner
        self._buffer = bytearray(65536)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002
        """Where received bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have been received."""
        self.inner.data_received(bytes(memoryview(self._buffer)[:nbytes]))

    def eof_received(self) -> bool | None:
        """The peer has closed its side."""
        return self.inner.eof_received()

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        """The kernel has taken all."""
        self.inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self.inner.connection_lost(exc)


class Connection(asyncio.BufferedProtocol):
    """Stands between a socket's transport and the TLS protocol on it, and passes everything on.

    Without TLS `raw` and `tls` are the same transport, with a `Plain` on it.

    Attributes:
        number: which connection of this server it is, from 1
        requests: how many requests have come on it
        hung_up: the server itself ended it, as a fault wanted
        stride: bytes of body to send, and to count, at a time
    """

    def __init__(self, number: int, raw: asyncio.Transport, tls: asyncio.Transport) -> None:
        inner = raw.get_protocol()
        assert isinstance(inner, asyncio.BufferedProtocol)
        self.number = number
        self.requests = 0
        self.hung_up = False
        self._deaf = False
        self._raw = raw
        self._tls = tls
        self._inner = inner
        self._scratch = bytearray(4096)
        self._lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._flushed = asyncio.Event()
        self._cut_short = False
        self.stride = RECORD
        raw.set_protocol(self)
        self._look()

    # What the socket's transport calls.

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where received bytes go: to TLS, or nowhere after `hang_up`."""
        return self._scratch if self._deaf else self._inner.get_buffer(sizehint)  # type: ignore[return-value]

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have been received."""
        if not self._deaf:
            self._inner.buffer_updated(nbytes)

    def eof_received(self) -> bool | None:
        """The peer has closed its side."""
        return None if self._deaf else self._inner.eof_received()

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

    def took(self, size: int, seconds: float) -> None:
        """The peer took so many bytes of body in that time.

        Who takes long answers faster than any board could is served in long strides from then on, at the price of a
        count that is as coarse.
        """
        stride = _STRIDE if size >= _STRIDE and seconds * _FAST <= size else RECORD
        if stride != self.stride:
            self.stride = stride
            sock: socket.socket = self._raw.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, max(SEND_BUFFER, 2 * stride))

    def serve(self, http: asyncio.Protocol) -> None:
        """Have what the peer says go to that protocol."""
        if isinstance(self._inner, Plain):
            self._inner.inner = http
        else:
            self._tls.set_protocol(http)

    def close(self) -> None:
        """End the connection properly: close_notify, and the FIN at once behind it.

        asyncio alone would keep the FIN back until the peer has answered the close_notify, which a board never does.
        """
        self._tls.close()
        if self._tls is not self._raw and not self._raw.is_closing():
            self._raw.write_eof()

    def hang_up(self, how: Literal["fin", "rst", "close", "alert"]) -> None:
        """End the connection in that way, to be followed by `settle`."""
        self.hung_up = True
        if how == "close":
            self.close()
            return
        self._deaf = True
        if how == "rst":
            self.reset()
            return
        if how == "alert" and (secured := self._tls.get_extra_info("ssl_object")) is not None:
            self._raw.write(alert(secured))
        # close() would answer bytes that still come with a RST, which can overtake what was sent; so the
        # sending side alone is closed, and the peer has some time to do the same.
        self._raw.write_eof()

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
            drop(self._raw)
            return
        sock: socket.socket = self._raw.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        drop(self._raw)

    def abort(self) -> None:
        """Drop the connection, with nothing more sent."""
        drop(self._raw)

    def _look(self) -> None:
        if not (self._raw.get_write_buffer_size() or self._tls.get_write_buffer_size()):
            self._flushed.set()
        else:
            self._flushed.clear()
