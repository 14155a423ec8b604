"""What was done to real devices, done again to a virtual one: the stories of reference/serial/truth.json.

Each story scripts the server and says what it serves; the console of the virtual device is to read like the real one.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from bench.images import Image, random_payload, truncated, with_flipped_byte
from tests.virtual.peer import Script, answering, response

__all__ = ["NATIVE", "SIMPLE", "STORIES", "Story", "ranges"]

_NOT_FOUND = response(b"not here", status="404 File not found")
_UNAUTHORIZED = response(b"", 'WWW-Authenticate: Basic realm="x"', status="401 Unauthorized")


@dataclass(frozen=True)
class Story:
    """One thing that can happen to an update.

    Args:
        script: given the new image, how the server answers
        version: of the new image
        tls: does the server speak TLS?
        trusted: does its certificate come from the authority that the device trusts?
        listening: is there a server at all?
    """

    script: Callable[[Image], Script]
    version: str = "2"
    tls: bool = True
    trusted: bool = True
    listening: bool = True


def _serving(change: Callable[[bytes], bytes]) -> Callable[[Image], Script]:
    return lambda image: answering(response(change(image.to_bytes())))


def _chunked(image: Image) -> Script:
    data = image.to_bytes()
    pieces = [data[at : at + 5000] for at in range(0, len(data), 5000)]
    body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + b"0\r\n\r\n"
    return answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)


def _cut(image: Image) -> Script:
    """200,000 bytes of what was announced, a close_notify, and a while later the end of the connection."""
    data = image.to_bytes()

    def script(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(response(data[:200_000], length=len(data)))
        assert isinstance(connection, ssl.SSLSocket)
        connection.settimeout(0.1)  # nobody answers the close_notify
        connection.unwrap()

    return script


def _stall(image: Image) -> Script:
    """200,000 bytes of what was announced, and then nothing: an application that waits once is gone by the end."""
    data = image.to_bytes()
    return answering(response(data[:200_000], length=len(data)))


def _redirect(image: Image) -> Script:
    moved = response(b"", "Location: /image.bin", status="302 Found")
    return answering(moved, response(image.to_bytes()))


def ranges(data: bytes) -> Script:
    """HEAD, and single ranges."""

    def script(connection: socket.socket, request: bytes) -> None:
        method, _, rest = request.partition(b" ")
        if method == b"HEAD":
            connection.sendall(response(b"", length=len(data)))
            return
        asked = next((line for line in rest.split(b"\r\n") if line.startswith(b"Range: bytes=")), None)
        if asked is None:
            connection.sendall(response(data))
            return
        first, _, last = asked.removeprefix(b"Range: bytes=").decode().partition("-")
        part = data[int(first) : int(last) + 1 if last else None]
        connection.sendall(response(part, status="206 Partial Content"))

    return script


def _partial(change: Callable[[bytes], bytes]) -> Callable[[Image], Script]:
    return lambda image: ranges(change(image.to_bytes()))


def _page(_image: Image) -> Script:
    """The error page of Python's http.server, which the real devices were answered with."""
    page = BaseHTTPRequestHandler.error_message_format % {
        "code": 404,
        "message": "File not found",
        "explain": "Nothing matches the given URI",
    }
    return answering(response(page.encode(), status="404 File not found"))


_PLAIN = _serving(lambda data: data)

STORIES: dict[str, Story] = {
    "adv_ok": Story(_PLAIN),
    "adv_chunked_ok": Story(_chunked),
    "adv_http_url_ok": Story(_PLAIN, tls=False),
    "adv_redirect_302_ok": Story(_redirect),
    "adv_same_version": Story(_PLAIN, version="1"),
    "adv_wrong_ca": Story(_PLAIN, trusted=False),
    "adv_no_server": Story(_PLAIN, listening=False),
    "adv_url_wrong_port": Story(_PLAIN, listening=False),
    "adv_http_404": Story(lambda _image: answering(_NOT_FOUND)),
    "adv_http_401": Story(lambda _image: answering(_UNAUTHORIZED)),
    "adv_cut_close_200000": Story(_cut),
    "adv_corrupt_sha256_trailer": Story(_serving(lambda data: with_flipped_byte(data, len(data) - 1))),
    "adv_truncated_64000": Story(_serving(lambda data: truncated(data, 64_000))),
    "adv_truncated_header_180": Story(_serving(lambda data: truncated(data, 180))),
    "adv_random_first_byte_0": Story(_serving(lambda _data: random_payload(64_000, seed=1))),
    "adv_wrong_chip_id_9": Story(lambda image: answering(response(image.with_chip_id(9).to_bytes()))),
    "adv_too_large_image": Story(_serving(lambda data: data + b"\xff" * 0x100000)),
    "partial_ok": Story(_partial(lambda data: data)),
    "partial_404": Story(lambda _image: answering(response(b"", status="404 File not found"))),
    "partial_truncated_64000": Story(_partial(lambda data: truncated(data, 64_000))),
    "partial_truncated_header_180": Story(_partial(lambda data: truncated(data, 180))),
}

NATIVE: dict[str, Story] = {
    "native_ok": Story(_PLAIN),
    "native_same_version": Story(_PLAIN, version="1"),
    "native_404": Story(_page),
    "native_cut_close_200000": Story(_stall),
    "native_truncated_header_180": Story(_serving(lambda data: truncated(data, 180))),
    "native_wrong_chip_id_9": Story(lambda image: answering(response(image.with_chip_id(9).to_bytes()))),
}
"""The random bytes of `native_random` are on its real console, and are taken from there."""

SIMPLE: dict[str, Story] = {
    "simple_ok": Story(_PLAIN),
    "simple_404": Story(_page),
    "simple_cut_close_200000": Story(_cut),
    "simple_no_server": Story(_PLAIN, listening=False),
    "simple_wrong_chip_id_9": Story(lambda image: answering(response(image.with_chip_id(9).to_bytes()))),
}
