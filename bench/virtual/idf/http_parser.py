"""Pure reading of HTTP: URLs and responses, as the http_parser in ESP-IDF does for esp_http_client.

A response is fed bytes as they come and gives body bytes back; nothing waits here.
Source: components/http_parser (nodejs/http-parser) and the callbacks in esp_http_client.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto

__all__ = ["Response", "Url", "number", "parse_url"]

_NO_LENGTH = -1
_MAX_HEADER_SIZE = 80 * 1024
"""HTTP_MAX_HEADER_SIZE: status line and headers, the line of a chunk's size, or a trailer (HPE_HEADER_OVERFLOW)."""
_ULLONG_MAX = 2**64 - 1
_DIGITS = 20
"""As many has the greatest of the numbers that the device takes in."""

_STATUS_LINE = re.compile(r"(HTTP/[0-9]{1,3}\.[0-9]{1,3}) +([0-9]{1,3})(?: .*)?")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]+)(?:[; ].*)?", re.DOTALL)


@dataclass(frozen=True)
class Url:
    """What http_parser_parse_url finds; a part that is not there is empty, the port 0."""

    scheme: str
    host: str
    port: int
    path: str
    query: str
    username: str = ""
    password: str = ""


_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z]+)://"
    r"(?:(?P<user>[A-Za-z0-9\-_.!~*'()%;:&=+$,]*)@)?"
    r"(?:(?P<host>[A-Za-z0-9.\-]+)|\[(?P<v6>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9%.\-_~]+)?)\])"
    r"(?::(?P<port>[0-9]{1,18}))?(?=[/?]|\Z)|(?=[/*]))"
    r"(?P<path>[/*][!\"$->@-~]*)?(?:\?(?P<query>[!\"$-~]*))?(?:#[!-~]*)?"
)
"""The characters are those of `normal_url_char` (printable ASCII without ``#`` and ``?``) and IS_USERINFO_CHAR."""


def parse_url(text: str) -> Url | None:
    """Take a URL (absolute, or beginning with ``/`` as in a redirection) apart; None where it is none.

    As http_parser_parse_url does with HTTP_PARSER_STRICT: ``//host/x`` is a path, nothing but ASCII is taken, and a
    host is made of letters, digits, dots and hyphens.
    """
    match = _URL.fullmatch(text)
    if match is None or int(match["port"] or 0) > 0xFFFF:
        return None
    parts = {name: value or "" for name, value in match.groupdict().items()}
    username, _, password = parts["user"].partition(":")
    host = parts["host"] or parts["v6"]
    return Url(parts["scheme"], host, int(parts["port"] or 0), parts["path"], parts["query"], username, password)


def number(text: str, most: int) -> int | None:
    """A number in ASCII digits alone; None for anything else, and for one above `most`."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    value = int(digits) if len(digits) <= _DIGITS else most + 1
    return value if value <= most else None


class _State(Enum):
    HEADERS = auto()
    LENGTH = auto()
    CHUNK_SIZE = auto()
    CHUNK_DATA = auto()
    TRAILER = auto()
    UNTIL_END = auto()
    COMPLETE = auto()
    BROKEN = auto()


@dataclass
class Response:
    """One response while it arrives.

    Attributes:
        head: was it asked for with HEAD? Then it has no body, whatever its headers say.
        status: -1 until the headers are there
        content_length: as announced, -1 where it is not
        headers: names in lower case; of a name that comes twice, both values run together as in esp_http_client
        keep_alive: may the connection be used again?
        header_size: bytes of status line and headers
        unchunked: is the framing of chunks taken for content? Only by defective firmware.
    """

    head: bool = False
    unchunked: bool = False
    status: int = -1
    content_length: int = _NO_LENGTH
    headers: dict[str, str] = field(default_factory=dict)
    keep_alive: bool = True
    header_size: int = 0
    _state: _State = _State.HEADERS
    _buffer: bytes = b""
    _left: int = 0
    _trailer_size: int = 0

    @property
    def has_headers(self) -> bool:
        return self._state not in (_State.HEADERS, _State.BROKEN)

    @property
    def broken(self) -> bool:
        """Did http_parser find an error? It then takes nothing in any more, and nobody asks it for the reason."""
        return self._state is _State.BROKEN

    @property
    def complete(self) -> bool:
        """Did the message end (http_on_message_complete)?"""
        return self._state is _State.COMPLETE

    @property
    def chunked(self) -> bool:
        return self.headers.get("transfer-encoding", "").lower() == "chunked" and not self.unchunked

    def finish(self) -> None:
        """The connection ended: that completes a message which has neither length nor chunks."""
        if self._state is _State.UNTIL_END:
            self._state = _State.COMPLETE

    def feed(self, data: bytes) -> bytes:
        """Bytes from the connection in, bytes of the body out; what follows the message is dropped."""
        if self._state is _State.LENGTH:  # nearly every call of a download
            if len(data) < self._left:
                self._left -= len(data)
                return data
            body, self._left = data[: self._left], 0
            self._state = _State.COMPLETE
            return body
        return self._feed(data)

    def _feed(self, data: bytes) -> bytes:
        data = self._buffer + data
        self._buffer = b""
        body = b""
        while data:
            before = len(data)
            if self._state is _State.HEADERS:
                data = self._take_headers(data)
            elif self._state is _State.LENGTH:
                return body + self.feed(data)
            elif self._state is _State.CHUNK_DATA:
                body += data[: self._left]
                data = self._skip_chunk(data)
            elif self._state in (_State.CHUNK_SIZE, _State.TRAILER):
                data = self._take_line(data)
            elif self._state is _State.UNTIL_END:
                return body + data
            else:
                return body
            if len(data) == before:
                self._buffer = data
                return body
        return body

    def _take_headers(self, data: bytes) -> bytes:
        end = data.find(b"\r\n\r\n")
        if len(data) > _MAX_HEADER_SIZE and not 0 <= end <= _MAX_HEADER_SIZE - 4:
            return self._break()
        if end < 0:
            return data if b"HTTP/".startswith(data[:5]) else self._break()
        first, *lines = data[:end].decode("latin-1").split("\r\n")
        status_line = _STATUS_LINE.fullmatch(first)
        if status_line is None:
            return self._break()
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            if name == "content-length" and name in headers:  # HPE_UNEXPECTED_CONTENT_LENGTH
                return self._break()
            headers[name] = headers.get(name, "") + value.strip()
        length = headers.get("content-length", "").replace(" ", "")
        announced = number(length, _ULLONG_MAX) if length else _NO_LENGTH
        coded = headers.get("transfer-encoding", "").lower() == "chunked"
        if announced is None or (coded and "content-length" in headers):
            return self._break()
        version, status = status_line.groups()
        self.status, self.header_size, self.headers, self.content_length = int(status), end, headers, announced
        connection = self.headers.get("connection", "").lower()
        self.keep_alive = "close" not in connection and (version == "HTTP/1.1" or "keep-alive" in connection)
        self._begin_body()
        return data[end + 4 :]

    def _break(self) -> bytes:
        """An error of http_parser, from which on nothing is kept."""
        self._state = _State.BROKEN
        return b""

    def _begin_body(self) -> None:
        if self.head or self.status in (204, 304) or self.status < 200:
            self._state = _State.COMPLETE
        elif self.chunked:
            self._state = _State.CHUNK_SIZE
        elif self.content_length > 0:
            self._state, self._left = _State.LENGTH, self.content_length
        else:
            self._state = _State.COMPLETE if self.content_length == 0 else _State.UNTIL_END
            self.keep_alive = self.keep_alive and self.complete

    def _skip_chunk(self, data: bytes) -> bytes:
        taken = min(self._left, len(data))
        self._left -= taken
        if self._left == 0:
            self._state = _State.CHUNK_SIZE
        return data[taken:]

    def _take_line(self, data: bytes) -> bytes:
        """A chunk's size, the end of the line behind its data, or a line of the trailer."""
        line, found, rest = data.partition(b"\r\n")
        if self._trailer_size + len(line) + len(found) > _MAX_HEADER_SIZE:
            return self._break()
        if not found:
            return data
        if self._state is _State.TRAILER:
            self._trailer_size += len(line) + len(found)
            if not line:
                self._state = _State.COMPLETE
            return rest
        if not line:
            return rest
        size = _CHUNK_LINE.fullmatch(line)
        if size is None or (left := int(size[1], 16)) > _ULLONG_MAX:
            return self._break()
        self._left = left
        self._state = _State.CHUNK_DATA if left else _State.TRAILER
        return rest
