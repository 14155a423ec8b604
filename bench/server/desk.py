"""What lives on the server's event loop: the listeners, what is published, the connections and their requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from bench.server.answer import Published, missing_plan, planned
from bench.server.authority import Authority
from bench.server.connection import Connection
from bench.server.faults import Door, Fault, tell_fault
from bench.server.listener import Greeted, Listener, Reception, Refused
from bench.server.perform import Outcome, Performance
from bench.server.plan import Asked, Plan
from bench.server.redact import kept_headers, redacted_query
from bench.timeline import Timeline

__all__ = ["Desk", "Patience"]

_LOG = logging.getLogger("bench.server")
_LOG.addHandler(logging.NullHandler())  # the timeline tells it all; without a handler Python would print to stderr


@dataclass(frozen=True)
class Patience:
    """How long the server waits for its clients, in seconds.

    Attributes:
        handshake: for the TLS handshake to be done
        linger: for a client to close its side after a fault has ended the connection with a FIN
    """

    handshake: float = 10.0
    linger: float = 60.0


class Desk:
    """One server at work; every method is to be called on its loop.

    Args: as for `bench.server.OtaServer`, which documents what is noted on the timeline.
    """

    def __init__(self, timeline: Timeline, authority: Authority, host: str, name: str, patience: Patience) -> None:
        self._timeline = timeline
        self._authority = authority
        self._host = host
        self._name = name
        self._patience = patience
        self._published: dict[tuple[Door, str], Published] = {}
        self._asked: dict[tuple[Door, str], int] = {}
        self._withheld: set[str] = set()
        self._taken: dict[tuple[Door, str], set[int]] = {}
        """The requests by whose answers a release for once has been taken; none left: it has not."""
        self._offered: dict[str, int] = {}
        """The last connection that was too early for what was offered, by path."""
        self._listeners: dict[Door, Listener] = {}
        self._web: list[web.Server] = []
        self._connections: dict[asyncio.BaseProtocol, Connection] = {}
        self._numbers = {"connection": 0, "request": 0}

    def port_of(self, door: Door) -> int:
        """The port on which that kind of listener listens."""
        return self._listeners[door].port

    async def put_up(self, published: Published, *, withheld: bool = False) -> int:
        """Publish, opening the door it needs; the port behind which it stands. Where it is withheld, from the first."""
        door = published.door
        if door not in self._listeners:
            await self.open(door, published.faults, 0)
        self._published[door, published.path] = published
        self._asked[door, published.path] = 0
        self._taken.pop((door, published.path), None)
        (self._withheld.add if withheld else self._withheld.discard)(published.path)
        self._offered.pop(published.path, None)
        return self._listeners[door].port

    async def withhold(self, path: str | None) -> None:
        """Answer as if nothing were published under a path, or under any."""
        self._withheld |= {path} if path is not None else {known for _, known in self._published}

    async def offer(self, path: str) -> None:
        """Serve again what was withheld, on connections that come from now on: who is connected asked too early."""
        self._withheld.discard(path)
        for door, _ in self._published:
            self._taken.pop((door, path), None)
        self._offered[path] = self._numbers["connection"]

    async def open(self, door: Door, faults: tuple[Fault, ...], port: int) -> None:
        """Open a listener of that kind, called for by those of the faults that act at the door."""
        telling = tuple(fault for fault in dict.fromkeys(faults) if fault.tells_at_the_door)
        http = web.Server(
            lambda request: self._answer(door, request),
            logger=_LOG,
            access_log=_LOG,
            access_log_class=_rejections(self._rejected),
            keepalive_timeout=75.0,
            lingering_time=1.0,
            auto_decompress=False,
        )

        def serve(connection: Connection) -> asyncio.Protocol:
            protocol = http()
            self._connections[protocol] = connection
            return protocol

        def greeted(whom: Greeted) -> None:
            self._note("tls", connection=whom.number, peer=whom.peer, ok=True, version=whom.version, cipher=whom.cipher)

        def refused(whom: Refused) -> None:
            self._note("tls", connection=whom.number, peer=whom.peer, ok=False, reason=whom.reason)

        def fired(connection: int) -> None:
            for fault in telling:
                self._note("fault", connection=connection, request=None, path=None, **tell_fault(fault))

        def number() -> int:
            connection = self._number("connection")
            if not door.answers_tls:
                fired(connection)
            return connection

        reception = Reception(number, fired, greeted, refused, serve, self._gone)
        context = self._authority.issue(self._name, door) if door.scheme == "https" else None
        listener = Listener(reception, context, self._patience.handshake, silent=door.tls == "silent")
        await listener.open(self._host, port)
        self._web.append(http)
        self._listeners[door] = listener

    async def close(self) -> None:
        """Drop all connections and wait until they are over."""
        for listener in self._listeners.values():
            await listener.close()
        for http in self._web:
            await http.shutdown(1.0)
        # The end of a connection is passed up through TLS to HTTP in two turns of the loop.
        while any(http.connections for http in self._web):
            await asyncio.sleep(0)

    async def _answer(self, door: Door, request: web.BaseRequest) -> web.StreamResponse:
        connection = self._connections[request.protocol]
        connection.requests += 1
        numbers = {"connection": connection.number, "request": self._number("request")}
        path, headers = request.path, kept_headers(request.headers.items())
        self._note(
            "request",
            **numbers,
            method=request.method,
            path=path,
            query=redacted_query(request.query_string) if request.query_string else None,
            range=headers.get("range"),
            http=f"{request.version.major}.{request.version.minor}",
            headers=headers,
            **({"withheld": True} if self._is_withheld(door, path, connection) else {}),
        )
        lower = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.method, path, lower, query=request.query_string, scheme=door.scheme)
        withheld, published = self._is_withheld(door, path, connection), self._published.get((door, path))
        plan = missing_plan(asked) if withheld else self._plan(door, asked)

        def fired(fault: Fault) -> None:
            self._note("fault", **numbers, path=path, **tell_fault(fault))

        def progressed(sent: int) -> None:
            self._note("progress", **numbers, sent=sent)

        takes = not withheld and published is not None and _takes(published, asked, plan)

        def finishing() -> None:
            # What stands there by now may be another release, which nobody has taken.
            if takes and self._published.get((door, path)) is published:
                self._taken.setdefault((door, path), set()).add(numbers["request"])

        performance = Performance(plan, connection, fired, progressed, finishing)
        outcome: Outcome | None = None
        try:
            response, outcome = await performance.run(request)
        finally:
            outcome = outcome if outcome is not None else performance.abandoned()
            if not outcome.complete:
                self._taken.get((door, path), set()).discard(numbers["request"])
            self._note(
                "response",
                **numbers,
                status=plan.status,
                announced=plan.length,
                sent=outcome.sent,
                complete=outcome.complete,
                aborted=outcome.aborted,
            )
        if connection.hung_up:
            await connection.settle(self._patience.linger)
        return response

    def _plan(self, door: Door, asked: Asked) -> Plan:
        published = self._published.get((door, asked.path))
        if published is None:
            return missing_plan(asked)
        asked = replace(asked, nth=self._asked[door, asked.path])
        self._asked[door, asked.path] += 1
        return planned(asked, published)

    def _is_withheld(self, door: Door, path: str, connection: Connection) -> bool:
        taken = bool(self._taken.get((door, path)))
        return taken or path in self._withheld or connection.number <= self._offered.get(path, 0)

    def _rejected(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """What aiohttp answered by itself (its answers are a `Response`): what it could not read as a request."""
        if isinstance(response, web.Response):
            connection = self._connections.get(request.protocol)
            number = connection.number if connection is not None else None
            self._note("rejected", connection=number, status=response.status)

    def _gone(self, connection: Connection, error: str | None) -> None:
        for protocol, known in tuple(self._connections.items()):
            if known is connection:
                del self._connections[protocol]
        self._note("closed", connection=connection.number, requests=connection.requests, error=error)

    def _number(self, what: str) -> int:
        self._numbers[what] += 1
        return self._numbers[what]

    def _note(self, kind: str, **data: object) -> None:
        self._timeline.append("server", kind, **data)


def _takes(published: Published, asked: Asked, plan: Plan) -> bool:
    """Is it gone when its last piece is sent? Its reader may ask again as soon as it has that."""
    if not published.once or asked.method != "GET":
        return False
    # Compressed, it has as many bytes as are sent; what is served in its stead does not count as having been taken.
    size = len(plan.file.data if plan.file is not None and plan.file.coding else published.data)
    ends = any(
        name.lower() == "content-range" and value.endswith(f"-{size - 1}/{size}") for name, value in plan.headers
    )
    return ends or (plan.status == 200 and (plan.length is None or plan.length >= size))


def _rejections(tell: Callable[[web.BaseRequest, web.StreamResponse], None]) -> type[AbstractAccessLogger]:
    """An access log that passes every answer on; aiohttp takes a class and makes one for each connection."""

    class Rejections(AbstractAccessLogger):
        def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:  # noqa: ARG002
            tell(request, response)

    return Rejections
