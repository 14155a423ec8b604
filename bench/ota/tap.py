"""The console of a board on its way to the evidence and to the timeline."""

from __future__ import annotations

import threading
from collections.abc import Callable

from bench.boards.console_port import Away
from bench.boards.wifi import Answerer, Credentials
from bench.console import Attempt, Console
from bench.console.redactor import Redactor
from bench.errors import BenchError, BoardLost
from bench.report.evidence import Evidence
from bench.timeline import Timeline

__all__ = ["LONGEST", "Tap"]

LONGEST = 64 << 20
"""Bytes of one scenario's console: thousands of updates, or 97 minutes without a pause at 115,200 bit/s. What they say
is held in memory, some 700 bytes for each line."""

_SHORTEST_LINE = 64
"""Bytes that every line counts as, at least, and so does every entry that is made of one."""


class Tap:
    """Every byte is kept as it came, but for secrets; what the bytes say goes to the timeline.

    Firmware that asks for Wi-Fi credentials is given them, as often as it asks; `types_on` says where.

    A board that floods its console is heard up to `longest` bytes: whoever waits for more is told so, the scenario ends
    in an error, and all that still comes is dropped.
    """

    def __init__(
        self,
        console: Console,
        evidence: Evidence,
        timeline: Timeline,
        credentials: Credentials | None = None,
        *,
        longest: int = LONGEST,
    ) -> None:
        self._console = console
        self._evidence = evidence
        self._timeline = timeline
        self._redactor = Redactor({} if credentials is None else credentials.secrets)
        self._answerer = None if credentials is None else Answerer(credentials, self._type)
        self._keyboard: Callable[[bytes], None] | None = None
        self._untyped: list[bytes] = []
        self._typing = threading.Lock()
        self._longest = longest
        self._heard = 0

    def feed(self, data: bytes) -> None:
        """Bytes as they came from the board."""
        self.shown(data)

    def shown(self, data: bytes) -> bytes:
        """The same, and gives back what may be shown of them."""
        if self._heard > self._longest:
            return b""
        if self._answerer is not None:
            self._answerer.feed(data)
        open_ = self._redactor.feed(data)
        self._evidence.console(open_)
        before = len(self._timeline)
        self._console.feed(open_)
        held = max(data.count(b"\n"), data.count(b"\r"), len(self._timeline) - before)
        self._heard += max(len(data), _SHORTEST_LINE * held)
        if self._heard > self._longest:
            self._flooded()
        return open_

    def _flooded(self) -> None:
        limit = f"{self._longest:,} bytes"
        told = f"the board floods its console: more than {limit} in one scenario; the rest is not heard"
        self._timeline.append("bench", "flooded", cause=told)
        self._evidence.give_up(BenchError(told))

    def types_on(self, keyboard: Callable[[bytes], None]) -> None:
        """What was asked for is typed there, also if it was asked for already."""
        with self._typing:
            self._keyboard = keyboard
            for answer in self._untyped:
                keyboard(answer)
            self._untyped.clear()

    def _type(self, answer: bytes) -> None:
        self._timeline.append("bench", "credentials")
        with self._typing:
            if self._keyboard is None:
                self._untyped.append(answer)
            else:
                self._keyboard(answer)

    def away(self, gone: Away) -> None:
        """The port was gone for a while: a line that broke off then is not joined with what comes now."""
        self._console.close()
        self._timeline.append("bench", "port_away", **gone.as_data())

    def lost(self, error: BoardLost) -> None:
        """Nothing more will come, so nobody need wait for it."""
        self._timeline.append("bench", "board_lost", cause=str(error))
        self._timeline.fail(error)

    def close(self) -> None:
        """Nothing more will come."""
        rest = self._redactor.close()
        self._evidence.console(rest)
        self._console.feed(rest)
        self._console.close()

    def verdict(self) -> tuple[str, str | None]:
        """What the console says of the last attempt, and why."""
        return self._console.verdict()

    def attempts(self) -> tuple[Attempt, ...]:
        """Every attempt that the console has seen, judged as if it ended here."""
        return self._console.judgement().attempts
