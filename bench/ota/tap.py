"""The console of a board on its way to the evidence and to the timeline."""

from __future__ import annotations

from bench.console import Console
from bench.report.evidence import Evidence

__all__ = ["Tap"]


class Tap:
    """Every byte is kept as it came; what the bytes say goes to the timeline."""

    def __init__(self, console: Console, evidence: Evidence) -> None:
        self._console = console
        self._evidence = evidence

    def feed(self, data: bytes) -> None:
        """Bytes as they came from the board."""
        self._evidence.console(data)
        self._console.feed(data)

    def close(self) -> None:
        """Nothing more will come."""
        self._console.close()

    def verdict(self) -> tuple[str, str | None]:
        """What the console says of the last attempt, and why."""
        return self._console.verdict()
