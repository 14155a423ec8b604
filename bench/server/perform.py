"""Carrying out a plan on a connection, and counting what left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from bench.server.connection import Connection, PeerGone
from bench.server.faults.base import Fault
from bench.server.plan import Action, Fired, HangUp, Plan, Send, Wait

__all__ = ["PROGRESS", "Outcome", "Performance"]

PROGRESS = 0.2
"""Seconds between two tellings of how far a download has come; one that is over sooner is told by its answer alone."""


@dataclass(frozen=True)
class Outcome:
    """How an answer went.

    Attributes:
        sent: bytes of body that the kernel took, in whole strides (`Connection.stride`): TLS records, as a rule
        complete: everything that was planned, and all that was announced, was sent
        aborted: who ended it early, ``"fault"``, ``"peer"`` or ``"server"``; None where nobody did
    """

    sent: int
    complete: bool
    aborted: str | None


class _Answer(web.StreamResponse):
    """An answer whose headers say what the plan says, be it wrong.

    aiohttp would cut a body to the length announced, and would send one without a length in chunks. Its own
    WebSocketResponse switches that off in the same way.
    """

    _length_check = False


class Performance:
    """One plan being carried out.

    Args:
        fired: called with each fault at the moment when it fires
        progressed: called with the bytes of body sent so far, now and then and before a fault fires
    """

    def __init__(
        self,
        plan: Plan,
        connection: Connection,
        fired: Callable[[Fault], None],
        progressed: Callable[[int], None],
        finishing: Callable[[], None] = lambda: None,
    ) -> None:
        self._plan = plan
        self._connection = connection
        self._fired = fired
        self._progressed = progressed
        self._finishing = finishing
        self._last = next((action for action in reversed(plan.body) if isinstance(action, Send)), None)
        self._told, self._told_at = 0, time.monotonic()
        self._sent = 0
        self._hung_up = False

    async def run(self, request: web.BaseRequest) -> tuple[web.StreamResponse, Outcome]:
        """Answer the request; a peer that goes away is an outcome, not an error."""
        response = _Answer(status=self._plan.status)
        for name, value in self._plan.headers:
            response.headers.add(name, value)
        response.headers["Server"] = "ota-bench"
        if self._plan.length is not None:
            response.content_length = self._plan.length
        elif self._plan.chunked and request.version >= (1, 1):
            response.enable_chunked_encoding()
        elif self._plan.body:
            response.force_close()  # nothing but its end tells where such a body ends
        if self._plan.close:
            response.force_close()
        try:
            await self._answer(request, response)
        except ConnectionError:
            return response, self._outcome("peer")
        return response, self._outcome("fault" if self._hung_up else None)

    async def _answer(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        for action in self._plan.opening:
            await self._act(action, None)
        writer = await response.prepare(request)
        if writer is None:
            raise PeerGone("the peer went away")
        writer.send_headers()
        await self._connection.flush()
        for action in self._plan.body:
            await self._act(action, response)
        if not self._hung_up:
            await response.write_eof()
            if response.chunked:
                await self._connection.flush()
            if self._plan.close:
                await self._connection.flush()
                self._connection.close()

    async def _act(self, action: Action, response: web.StreamResponse | None) -> None:
        if self._hung_up:
            return
        match action:
            case Send():
                assert response is not None, "no body goes before the headers"
                await self._send(action, response)
            case Wait(seconds):
                await self._wait(seconds)
            case Fired(fault):
                self._tell_progress()
                self._fired(fault)
            case HangUp(how, behind):
                if behind and response is not None:
                    await response.write_eof()
                await self._connection.flush()
                self._hung_up = True
                self._connection.hang_up(how)

    async def _send(self, action: Send, response: web.StreamResponse) -> None:
        stride = self._connection.stride if action.piece is None else action.piece
        began = time.monotonic()
        for start in range(0, len(action.data), stride):
            if start and action.pause:
                await self._wait(action.pause)
            piece = action.data[start : start + stride]
            if action is self._last and start + stride >= len(action.data):
                self._finishing()
            await response.write(piece)
            await self._connection.flush()
            self._sent += len(piece)
            if time.monotonic() - self._told_at >= PROGRESS:
                self._tell_progress()
        if action.piece is None:
            self._connection.took(len(action.data), time.monotonic() - began)

    def _tell_progress(self) -> None:
        if self._sent != self._told:
            self._told, self._told_at = self._sent, time.monotonic()
            self._progressed(self._sent)

    async def _wait(self, seconds: float | None) -> None:
        if await self._connection.wait_lost(seconds):
            raise PeerGone("the peer went away")

    def _outcome(self, aborted: str | None) -> Outcome:
        announced = self._plan.length
        short = announced is not None and self._plan.body_size and self._sent != announced
        return Outcome(self._sent, aborted is None and not short, aborted)

    def abandoned(self) -> Outcome:
        """The outcome where the server was closed in the middle."""
        return self._outcome("server")
