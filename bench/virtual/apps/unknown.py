"""Any other application: it has booted and printed its banner, and what it does further nobody knows."""

from __future__ import annotations

from typing import NoReturn

from bench.virtual.running import Running

__all__ = ["run"]


def run(running: Running) -> NoReturn:
    """Idle until reset."""
    running.machine.idle()
