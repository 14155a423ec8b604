"""Boot loops: an image that dies at every start and is started again, seen and named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.timeline import Entry

__all__ = ["BootLoop", "boot_loop"]

_LEAST = 3
"""Deaths in a row of one slot, before it is called a loop: two may still be a rollback under way."""


@dataclass(frozen=True, slots=True)
class BootLoop:
    """One slot that was booted again and again, and panicked each time."""

    slot: str | None
    version: str | None
    deaths: int
    cause: str

    def __str__(self) -> str:
        which = f"{self.slot} (version {self.version})" if self.version else f"{self.slot}"
        return f"boot loop: {which} died {self.deaths} times in a row, last of: {self.cause}"


def boot_loop(entries: Iterable[Entry]) -> BootLoop | None:
    """The boot loop in which these entries end, or None.

    A boot dies once, however many panics it tells of. One that was followed by the next without a panic ends a loop.
    """
    running: Entry | None = None
    died, dead = 0, False
    cause = ""
    for entry in entries:
        if entry.source != "console":
            continue
        if entry.kind == "boot":
            if not dead or running is None or entry.get("slot") != running.get("slot"):
                died = 0
            running, dead = entry, False
        elif entry.kind == "panic" and running is not None:
            died += not dead
            dead = True
            cause = str(entry.get("reason"))
    if running is None or died < _LEAST:
        return None
    return BootLoop(_text(running.get("slot")), _text(running.get("app_version")), died, cause)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
