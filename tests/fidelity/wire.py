"""A console at which something happens to the board once it has said a certain thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.virtual.lifelike import Console

__all__ = ["InterruptsLost", "Wire", "lose_interrupts"]


class InterruptsLost(Exception):
    """The emulator of the real console lost its tick interrupt here: the interrupt watchdog is about to bite."""


@dataclass
class Wire(Console):
    """What a machine said, up to where a story has it end.

    Args:
        until: the bytes after which `then` is called, once; what is printed with them is lost
        then: cuts the power, or raises what happens to the processor
    """

    until: bytes = b""
    then: Callable[[], None] = lambda: None

    def __call__(self, data: bytes) -> None:
        seen = len(self.raw)
        self.raw += data
        if not self.until:
            return
        at = self.raw.find(self.until, max(0, seen - len(self.until)))
        if at >= 0:
            del self.raw[at + len(self.until) :]
            self.until = b""
            self.then()


def lose_interrupts() -> None:
    """For `Wire.then`."""
    raise InterruptsLost
