"""Time as the bench counts it: one monotonic clock a run, and deadlines instead of timeouts."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

__all__ = ["Clock", "Deadline"]


@dataclass(frozen=True)
class Clock:
    """Seconds since the clock was made, immune to changes of the wall clock.

    Attributes:
        started: wall time of the start (UTC), so that a timeline can be laid beside other logs
    """

    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _origin: float = field(default_factory=time.monotonic, repr=False)

    def now(self) -> float:
        """Seconds since the start, to the microsecond."""
        return round(time.monotonic() - self._origin, 6)


@dataclass(frozen=True)
class Deadline:
    """A moment by which something must have happened; it starts to run when it is made.

    One deadline is handed down through all the waits of an operation, so that ten waits of five seconds
    never become fifty seconds.

    Args:
        seconds: real seconds from now; 0 means "look, but do not wait"
    """

    seconds: float
    _ends: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.seconds >= 0:
            raise ValueError(f"a deadline lies in the future: {self.seconds!r} seconds")
        object.__setattr__(self, "_ends", time.monotonic() + self.seconds)

    def remaining(self) -> float:
        """Real seconds left, never below 0."""
        return max(0.0, self._ends - time.monotonic())

    @property
    def expired(self) -> bool:
        """Is it over?"""
        return self.remaining() == 0.0

    def __str__(self) -> str:
        return f"{self.seconds:g} s"
