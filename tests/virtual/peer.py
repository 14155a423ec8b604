"""A server at the other end of the wire, one scripted answer a connection: for tests of the virtual board's network."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import trustme

__all__ = ["Peer", "answering", "response", "serve"]

Script = Callable[[socket.socket, bytes], None]


def response(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An answer with Content-Length, of `body` or as given."""
    announced = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {announced}", *headers]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def answering(*answers: bytes) -> Script:
    """Give these answers in turn, for as long as the client asks on one connection."""
    left = list(answers)

    def script(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return script


@dataclass
class Peer:
    """A running server."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    connections: int = 0

    def url(self, path: str = "/image.bin", scheme: str = "https", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@contextmanager
def serve(script: Script, *, authority: trustme.CA | None = None, host: str = "127.0.0.1") -> Iterator[Peer]:
    """Serve on a free port: TLS with a certificate for `host` where there is an authority, else plain."""
    context = None
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(context)
    with serve_with(script, context) as peer:
        yield peer


@contextmanager
def serve_with(script: Script, context: ssl.SSLContext | None) -> Iterator[Peer]:
    """Serve with a context of one's own, or plain."""
    listener = socket.create_server(("127.0.0.1", 0))
    peer = Peer(listener.getsockname()[1])
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            peer.connections += 1
            thread = threading.Thread(target=_handle, args=(peer, connection, context, script))
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield peer
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for thread in threads:
            thread.join()


def _handle(peer: Peer, connection: socket.socket, context: ssl.SSLContext | None, script: Script) -> None:
    connection.settimeout(20)  # longer than any client here is patient, also on a crowded machine
    try:
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True)
        while request := _request(connection):
            peer.requests.append(request)
            script(connection, request)
    except OSError as error:
        peer.errors.append(str(error))
    finally:
        connection.close()


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(4096)
        if not piece:
            return b""
        data += piece
    return data
