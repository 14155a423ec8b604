"""The console of a board on its way to the evidence and to the timeline."""

from __future__ import annotations

from bench.boards.console_port import Away
from bench.console import Attempt, Console
from bench.errors import BoardLost
from bench.report.evidence import Evidence
from bench.timeline import Timeline

__all__ = ["Tap"]


class Tap:
    """Every byte is kept as it came; what the bytes say goes to the timeline."""

    def __init__(self, console: Console, evidence: Evidence, timeline: Timeline) -> None:
        self._console = console
        self._evidence = evidence
        self._timeline = timeline

    def feed(self, data: bytes) -> None:
        """Bytes as they came from the board."""
        self._evidence.console(data)
        self._console.feed(data)

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
        self._console.close()

    def verdict(self) -> tuple[str, str | None]:
        """What the console says of the last attempt, and why."""
        return self._console.verdict()

    def attempts(self) -> tuple[Attempt, ...]:
        """Every attempt that the console has seen, judged as if it ended here."""
        return self._console.judgement().attempts
