"""What will be answered to one request, as a value: status, headers, and a sequence of actions.

The server first makes the honest plan; then each fault of the release, in the order of their phases, turns the plan
into another. Only then is anything sent (`bench.server.perform`). So a fault is a pure function, and
faults compose: ``Drip(...), Cut(after=...)`` drips and then cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from bench.server.faults.base import Fault

__all__ = ["RECORD", "Action", "Asked", "File", "Fired", "HangUp", "Plan", "Send", "Wait"]

RECORD = 16384
"""Bytes of the largest TLS record (RFC 8446, 5.1): what is sent, and counted, as one piece."""


@dataclass(frozen=True)
class Asked:
    """One request, as far as a plan depends on it.

    Attributes:
        method: as it stands in the request, ``"GET"``
        path: decoded, without the query
        headers: names in lower case
        nth: how many requests to this release came before it, 0 for the first
        query: behind the question mark, as it stands in the request
        scheme: ``"https"`` or ``"http"``
    """

    method: str
    path: str
    headers: Mapping[str, str]
    nth: int = 0
    query: str = ""
    scheme: str = "https"


@dataclass(frozen=True)
class File:
    """What lies under a path for one request.

    Attributes:
        data: the bytes
        etag: a strong entity tag, with its quotes; an empty one: it has none, and is served whole or not at all
        kind: its Content-Type
        coding: its Content-Encoding; an empty one: none
    """

    data: memoryview = field(repr=False)
    etag: str
    kind: str = "application/octet-stream"
    coding: str = ""


@dataclass(frozen=True)
class Send:
    """Send these bytes of the body.

    Attributes:
        data: the bytes
        piece: at most this many at a time, by a fault's will; None: as many as the connection takes in one stride
        pause: seconds to wait between two pieces
    """

    data: memoryview
    piece: int | None = None
    pause: float = 0.0


@dataclass(frozen=True)
class Wait:
    """Send nothing for this many seconds; None: until the client goes away."""

    seconds: float | None


@dataclass(frozen=True)
class HangUp:
    """End the connection.

    Attributes:
        how: ``fin``: with a FIN behind what was sent, and no TLS close_notify; ``rst``: with a RST; ``close``:
            properly, with close_notify and FIN; ``alert``: with a fatal TLS alert and a FIN
        behind: first end the body, if it comes in chunks: with the last one, which is empty
    """

    how: Literal["fin", "rst", "close", "alert"]
    behind: bool = False


@dataclass(frozen=True)
class Fired:
    """From here on the answer is not the honest one any more; it is noted on the timeline."""

    fault: Fault


Action: TypeAlias = Send | Wait | HangUp | Fired


@dataclass(frozen=True)
class Plan:
    """The answer to one request.

    Attributes:
        status: HTTP status code
        headers: all headers but Content-Length and Transfer-Encoding, in order
        length: the Content-Length to announce; None announces none
        chunked: send the body in chunks (then `length` is None)
        close: say that the connection ends with this answer, and end it
        file: what was asked for, for faults that serve another part of it; None where nothing of it is served
        opening: actions before the status line
        body: actions after the headers; what they send need not be `length` bytes
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None
    chunked: bool = False
    close: bool = False
    file: File | None = None
    opening: tuple[Action, ...] = ()
    body: tuple[Action, ...] = ()

    @property
    def body_size(self) -> int:
        """Bytes of body that the actions send."""
        return sum(len(action.data) for action in self.body if isinstance(action, Send))

    def at(self, offset: int, *actions: Action, then: bool) -> Plan:
        """Act after `offset` bytes of the body; go on with the rest of it afterwards, or not (`then`)."""
        before, rest = _split(self.body, offset)
        return replace(self, body=(*before, *actions, *(rest if then else ())))

    def fires(self, fault: Fault) -> Plan:
        """The plan with the fault noted before anything is answered."""
        return replace(self, opening=(*self.opening, Fired(fault)))

    def then(self, *actions: Action) -> Plan:
        """The plan with actions behind its body."""
        return replace(self, body=(*self.body, *actions))

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)

    def with_header(self, name: str, value: str) -> Plan:
        """The plan with this header in the place of all of that name."""
        kept = tuple((known, text) for known, text in self.headers if known.lower() != name.lower())
        return replace(self, headers=(*kept, (name, value)))

    def with_body(self, data: bytes | memoryview) -> Plan:
        """The plan with another body, announced as it is; no body where there was none (HEAD)."""
        data = memoryview(data)
        return replace(
            self,
            length=None if self.length is None else len(data),
            body=(Send(data),) if self.body_size and len(data) else (),
        )

    def sending(self, change: Callable[[Send], Send]) -> Plan:
        """The plan with every Send of its body changed."""
        return replace(self, body=tuple(change(act) if isinstance(act, Send) else act for act in self.body))


def _split(actions: tuple[Action, ...], offset: int) -> tuple[tuple[Action, ...], tuple[Action, ...]]:
    """What is done up to `offset` bytes of the body, and what after."""
    left = offset
    for index, action in enumerate(actions):
        if not isinstance(action, Send):
            continue
        if len(action.data) > left:
            head = (replace(action, data=action.data[:left]),) if left else ()
            tail = replace(action, data=action.data[left:])
            return (*actions[:index], *head), (tail, *actions[index + 1 :])
        left -= len(action.data)
    return actions, ()
