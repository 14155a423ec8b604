"""What is answered about what was published: honestly (RFC 9110), and as its faults make of that."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from urllib.parse import quote

from bench.errors import ServerError
from bench.server.faults.base import Door, Fault, check_together, door_of
from bench.server.faults.framing import Chunked
from bench.server.files import file_plan, text_plan
from bench.server.plan import Asked, File, Plan

__all__ = ["Published", "honest_plan", "missing_plan", "planned", "published_path"]


@dataclass(frozen=True)
class Published:
    """Bytes under a path; ServerError where they are to be served in ways that contradict one another.

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
        check_together(self.faults if Chunked() in self.faults or not self.chunked else (*self.faults, Chunked()))
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
    return file_plan(asked, File(memoryview(published.data), published.etag), chunked=published.chunked)


def planned(asked: Asked, published: Published) -> Plan:
    """What is answered to `asked` about `published`, with its faults."""
    plan = honest_plan(asked, published)
    for fault in sorted(published.faults, key=lambda fault: fault.phase):
        plan = fault.plan(plan, asked)
    return plan


def missing_plan(asked: Asked) -> Plan:
    """404: nothing is published there."""
    return text_plan(asked, 404)
