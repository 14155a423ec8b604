"""A listening socket with one kind of door behind it: TCP, then TLS with a deadline (or none), then HTTP."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from bench.errors import ServerError
from bench.server.connection import SEND_BUFFER, Connection, Early, Nobody, Plain, drop
from bench.server.context import ARRIVING, Arriving

__all__ = ["Greeted", "Listener", "Reception", "Refused"]

_SHUTDOWN = 2.0
"""Seconds that a peer has to answer a TLS close_notify."""

_UNFINISHED = 640
"""TLS handshakes under way at once; the oldest gives way to the next. asyncio keeps some 300 KiB for each, and a
client that means it is through within milliseconds."""

_CROWDED = f"it gave way: more than {_UNFINISHED} handshakes were unfinished"


@dataclass(frozen=True)
class Greeted:
    """A TLS handshake that succeeded."""

    number: int
    peer: str
    version: str
    cipher: str


@dataclass(frozen=True)
class Refused:
    """A TLS handshake that did not: by whose doing, the reason says."""

    number: int
    peer: str
    reason: str


@dataclass(frozen=True)
class Reception:
    """What a listener needs from the server it belongs to.

    Attributes:
        new_number: gives the next connection its number
        heard: told that a connection's ClientHello has been read
        greeted, refused: told of each handshake
        http: makes the HTTP protocol for a connection
        gone: told when a connection that was greeted is over, with the error that ended it, None for a close
    """

    new_number: Callable[[], int]
    heard: Callable[[int], None]
    greeted: Callable[[Greeted], None]
    refused: Callable[[Refused], None]
    http: Callable[[Connection], asyncio.Protocol]
    gone: Callable[[Connection, str | None], None]


class Listener:
    """Accepts connections on one address; to be used on the server's own event loop.

    Args:
        reception: the server's callbacks; they must not raise
        context: TLS with the certificate to present; None for plain HTTP
        handshake: seconds that a client has for its TLS handshake
        silent: say nothing at all to who connects
    """

    def __init__(
        self, reception: Reception, context: ssl.SSLContext | None, handshake: float, *, silent: bool = False
    ) -> None:
        self._reception = reception
        self._context = context
        self._silent = silent
        self._handshake = handshake
        self._server: asyncio.Server | None = None
        self._guests: dict[asyncio.Task[None], asyncio.Transport] = {}
        self._unfinished: dict[int, asyncio.Transport] = {}
        self._closing = False
        self.port = 0

    async def open(self, host: str, port: int) -> None:
        """Listen there; port 0 takes a free one. ServerError with the mend where that cannot be."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Arrival(self), host, port, backlog=256)
        except OSError as error:
            raise _cannot_listen(host, port, error) from error
        except UnicodeError as error:
            raise ServerError(f"cannot listen on {host!r}: it is neither a host name nor an IP address") from error
        except OverflowError as error:
            raise ServerError(f"there is no port {port}: 0 (any free one) to 65535") from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening, drop every connection and wait until all of them are over."""
        self._closing = True
        if self._server is not None:
            # asyncio may have accepted connections that it has not handed over yet: they come in the next turns of its
            # loop (accepted, a task, a transport, its protocol), are dropped as they come, and take as many to be over.
            # A server that is closed by then would let go of them half made (asyncio.Server._attach, Python 3.11).
            for sock in self._server.sockets:
                asyncio.get_running_loop().remove_reader(sock.fileno())
            for _ in range(8):
                await asyncio.sleep(0)
            self._server.close()
        for raw in self._guests.values():
            drop(raw)
        await asyncio.gather(*self._guests)

    def arrived(self, raw: asyncio.Transport) -> None:
        """A TCP connection has been accepted; nothing is read from it before TLS is there to read it."""
        if self._closing:
            drop(raw)
            return
        raw.pause_reading()
        raw.set_write_buffer_limits(high=0)
        sock: socket.socket = raw.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        number = self._reception.new_number()
        task = asyncio.get_running_loop().create_task(
            self._ignore(raw, number) if self._silent else self._welcome(raw, number)
        )
        self._guests[task] = raw
        task.add_done_callback(self._guests.pop)

    async def _ignore(self, raw: asyncio.Transport, number: int) -> None:
        """The whole life of a connection to which nothing is ever said."""
        nobody = Nobody()
        raw.set_protocol(nobody)
        raw.resume_reading()
        try:
            await nobody.gone
            reason = "the server was closed" if self._closing else "the client went away"
            self._reception.refused(Refused(number, _spelled(raw.get_extra_info("peername")), reason))
        finally:
            drop(raw)

    async def _welcome(self, raw: asyncio.Transport, number: int) -> None:
        """The whole life of one connection."""
        peer = _spelled(raw.get_extra_info("peername"))
        early = Early(half_open=self._context is None)
        try:
            if self._context is None:
                raw.set_protocol(Plain(early))
                raw.resume_reading()
                await self._serve(raw, raw, early, None, number)
                return
            ARRIVING.set(Arriving(raw, lambda: self._reception.heard(number)))  # of this task alone
            self._begun(number, raw)
            try:
                tls = await asyncio.get_running_loop().start_tls(
                    raw,
                    early,
                    self._context,
                    server_side=True,
                    ssl_handshake_timeout=self._handshake,
                    ssl_shutdown_timeout=_SHUTDOWN,
                )
                if tls is None or early.lost:
                    raise ConnectionResetError("the client went away")
            except OSError as error:
                reason = _reason(error) if number in self._unfinished else _CROWDED
                self._reception.refused(Refused(number, peer, "the server was closed" if self._closing else reason))
                return
            finally:
                self._unfinished.pop(number, None)
            await self._serve(raw, tls, early, Greeted(number, peer, *_agreed(tls)), number)
        finally:
            drop(raw)

    def _begun(self, number: int, raw: asyncio.Transport) -> None:
        """A handshake is under way; where too many are, the oldest ends."""
        self._unfinished[number] = raw
        if len(self._unfinished) > _UNFINISHED:
            oldest = next(iter(self._unfinished))
            drop(self._unfinished.pop(oldest))

    async def _serve(
        self, raw: asyncio.Transport, tls: asyncio.Transport, early: Early, greeted: Greeted | None, number: int
    ) -> None:
        if greeted is not None:
            self._reception.greeted(greeted)
        connection = Connection(number, raw, tls)
        if raw.is_closing():
            drop(raw)  # it was over before HTTP came
        else:
            self._hand_over(connection, tls, early)
        self._reception.gone(connection, await connection.cause_of_end())

    def _hand_over(self, connection: Connection, tls: asyncio.Transport, early: Early) -> None:
        http = self._reception.http(connection)
        connection.serve(http)
        http.connection_made(tls)
        if early.data:
            http.data_received(b"".join(early.data))
        if early.eof:
            http.eof_received()


class _Arrival(asyncio.Protocol):
    """The protocol of an accepted connection until TLS takes its place."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._listener.arrived(transport)


def _cannot_listen(host: str, port: int, error: OSError) -> ServerError:
    if isinstance(error, socket.gaierror):
        return ServerError(f"cannot listen on {host!r}: no such host; give an address of this machine")
    # asyncio wraps the reason in a sentence of its own; the number still says which it is.
    mends = {
        "EADDRINUSE": "it is in use; end the other program, or give port 0 for a free one",
        "EADDRNOTAVAIL": "this machine has no such address; see `ip address`",
        "EACCES": "ports below 1024 are not for everybody; give a higher one, or 0 for a free one",
    }
    mend = mends.get(errno.errorcode.get(error.errno or 0, ""), error.strerror or str(error))
    return ServerError(f"cannot listen on {host}, port {port}: {mend}")


def _reason(error: OSError) -> str:
    """Why a handshake failed, in OpenSSL's words where it knows."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason
    if isinstance(error, ConnectionResetError):
        return "the client went away"
    return str(error) or type(error).__name__


def _agreed(tls: asyncio.Transport) -> tuple[str, str]:
    """TLS version and cipher suite."""
    secured: ssl.SSLObject = tls.get_extra_info("ssl_object")
    cipher = secured.cipher()
    return secured.version() or "", cipher[0] if cipher else ""


def _spelled(address: object) -> str:
    if isinstance(address, tuple) and len(address) >= 2:
        host, port = address[0], address[1]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return "unknown"
