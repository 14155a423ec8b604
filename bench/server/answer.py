"""The honest answer: what a well-behaved server of static files says (RFC 9110) about what was published."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from urllib.parse import quote

from bench.errors import ServerError
from bench.server.faults.base import Door, Fault, door_of
from bench.server.plan import Asked, Plan, Send
from bench.server.ranges import Span, Unsatisfiable, asked_span

__all__ = ["Published", "honest_plan", "missing_plan", "published_path"]

_TEXT = ("Content-Type", "text/plain; charset=utf-8")


@dataclass(frozen=True)
class Published:
    """Bytes under a path.

    Attributes:
        path: decoded, begins with a slash
        data: the bytes
        faults: how the server misbehaves when it serves them
        chunked: announce no length, send chunks
        once: gone as soon as somebody has fetched it to its last byte
    """

    path: str
    data: bytes = field(repr=False)
    faults: tuple[Fault, ...] = ()
    chunked: bool = False
    once: bool = False
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(self.data).hexdigest())

    @property
    def etag(self) -> str:
        """A strong entity tag."""
        return f'"{self.sha256[:32]}"'

    @property
    def door(self) -> Door:
        """The kind of listener that its faults call for."""
        return door_of(self.faults)


def published_path(name: str) -> str:
    """The path for a name to publish under; ServerError for one that no client could ask for as it stands."""
    path = name if name.startswith("/") else "/" + name
    parts = path.split("/")[1:]
    if path == "/" or not path.isprintable() or "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise ServerError(f"cannot publish under {name!r}: a path is names with slashes between, like /app.bin")
    try:
        quote(path)
    except UnicodeEncodeError as error:
        raise ServerError(f"cannot publish under {name!r}: the name is not Unicode text") from error
    return path


def honest_plan(asked: Asked, published: Published) -> Plan:
    """What a well-behaved server answers to `asked` about `published`."""
    if asked.method not in ("GET", "HEAD"):
        return _text_plan(asked, 405, (("Allow", "GET, HEAD"),))
    size = len(published.data)
    headers: tuple[tuple[str, str], ...] = (
        ("Content-Type", "application/octet-stream"),
        ("Accept-Ranges", "bytes"),
        ("ETag", published.etag),
    )
    span: Span | Unsatisfiable | None = None
    # Section 14.2: a Range means something for GET only, and If-Range (13.1.5) only lets it through when it names
    # exactly what is there; there are no dates here to compare with.
    if asked.method == "GET" and asked.headers.get("if-range", published.etag).strip() == published.etag:
        span = asked_span(asked.headers.get("range"), size)
    if isinstance(span, Unsatisfiable):
        return _text_plan(asked, 416, (("Content-Range", f"bytes */{size}"), *headers[1:]))
    whole = memoryview(published.data)
    body = whole if span is None else whole[span.first : span.stop]
    if span is not None:
        headers = (*headers, ("Content-Range", span.content_range(size)))
    return Plan(
        status=200 if span is None else 206,
        headers=headers,
        length=None if published.chunked else len(body),
        chunked=published.chunked,
        whole=whole,
        body=(Send(body),) if len(body) and asked.method == "GET" else (),
    )


def missing_plan(asked: Asked) -> Plan:
    """404: nothing is published there."""
    return _text_plan(asked, 404)


def _text_plan(asked: Asked, status: int, headers: tuple[tuple[str, str], ...] = ()) -> Plan:
    text = memoryview(f"{status}\n".encode())
    body = () if asked.method == "HEAD" else (Send(text),)
    return Plan(status, (_TEXT, *headers), length=len(text), body=body)
