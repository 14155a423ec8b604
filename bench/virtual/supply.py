"""Power and EN as the processor sees them: may it run, and why did it stop.

The processor is one thread. Everything it does goes through calls that `Supply.check`; the other threads of the
board (serial port, control channel) take power or EN away, which makes the next check raise. What has been taken
away stays taken until the board begins a new life, so that even the shortest pulse on EN is a whole reset.
"""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.virtual.resets import Halted, PowerLost

__all__ = ["Start", "Supply"]


class Start(enum.Enum):
    """How a life begins."""

    COLD = "power or EN came back"
    WARM = "the processor reset itself"
    NEVER = "the board was taken away"


class Supply:
    """Power and EN of one board. A new one is powered and out of reset."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._powered = True
        self._enabled = True
        self._halt: type[Halted] | None = None
        self._idle = False
        self._closed = False
        self._begun = False
        self._at_halt: list[Callable[[], None]] = []

    @property
    def powered(self) -> bool:
        return self._powered

    @property
    def idle(self) -> bool:
        """Does the processor wait for something that only comes from outside, or for nothing at all?"""
        return self._idle

    def check(self) -> None:
        """Raise `PowerLost` or `Halted` when this life is over; called by the processor before each thing it does."""
        if self._halt is not None:
            raise self._halt()

    def at_halt(self, call: Callable[[], None]) -> None:
        """Have `call` made, from whatever thread, each time the processor is halted (to wake what it waits for)."""
        self._at_halt.append(call)

    def set_power(self, on: bool) -> None:
        """Give or take the board's supply. Taking it ends the running life with `PowerLost`."""
        with self._changed:
            if on == self._powered:
                return
            self._powered = on
            self._changed.notify_all()
        if not on:
            self._end(PowerLost)

    def set_enable(self, level: bool) -> None:
        """Set the level of EN. A low level ends the running life with `Halted`."""
        with self._changed:
            if level == self._enabled:
                return
            self._enabled = level
            self._changed.notify_all()
        if not level:
            self._end(Halted)

    def close(self) -> None:
        """End the running life; there will be no further one."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._end(PowerLost)

    def _end(self, cause: type[Halted]) -> None:
        with self._changed:
            if self._halt is not PowerLost:
                self._halt = cause
            self._changed.notify_all()
        for call in self._at_halt:
            call()

    def wait_for_start(self) -> Start:
        """Block until the board is powered and EN is high, and begin a life."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self._powered and self._enabled))
            if self._closed:
                return Start.NEVER
            start = Start.WARM if self._halt is None and self._begun else Start.COLD
            self._halt = None
            self._begun = True
            return start

    def sleep(self, seconds: float) -> None:
        """Sleep in real time; a reset or power loss ends it at once."""
        end = time.monotonic() + seconds
        with self._changed:
            while self._halt is None and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
        self.check()

    def wait_for_halt(self) -> None:
        """Do nothing until reset or power loss."""
        with self.idling(), self._changed:
            self._changed.wait_for(lambda: self._halt is not None)
        self.check()

    @contextmanager
    def idling(self) -> Iterator[None]:
        """Mark the processor as idle for the time of a wait."""
        self._idle = True
        try:
            yield
        finally:
            self._idle = False
