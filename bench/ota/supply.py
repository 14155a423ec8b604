"""Whether a board really lost its supply: its ROM says so, and no tool that switched it.

A hub that acknowledges and does nothing, a relay on the wrong board and a board that is fed by its debugger as well all
look like a power cycle to whoever switches them. The ROM's first line after a reset names the reason, and after a loss
of power that is ``POWERON`` (``POWERON_RESET`` on the ESP32).
"""

from __future__ import annotations

from bench.boards.board import Board
from bench.console.boots import reset_reason
from bench.errors import BenchError
from bench.timeline import Deadline, Entry, TimedOut, Timeline

__all__ = ["expect_power_on"]


def expect_power_on(timeline: Timeline, board: Board, *, after: int, seconds: float) -> None:
    """Wait for the ROM to say that it was switched on.

    Args:
        after: index of the entry since which the supply is back
        seconds: how long to wait

    Raises:
        BenchError: it says something else, or nothing: the lab did not do what it was asked
    """
    try:
        timeline.wait(_powered_on, Deadline(seconds), after=after)
    except TimedOut as missing:
        reasons = [reason for entry in timeline.since(after) if (reason := _reason(entry)) is not None]
        told = f"its console says that it was reset by {', '.join(reasons[:5])}" if reasons else "its console is silent"
        raise BenchError(
            f"{board.name}: the supply was switched off and on, but the board has not lost it: within {seconds:g} s "
            f"{told}. Is it the right switch, and is the board fed by nothing else (a debugger, a second USB cable)? "
            "A console on the chip's own USB is lost with the power and comes too late for the ROM's first line"
        ) from missing


def _powered_on(entry: Entry) -> bool:
    return (_reason(entry) or "").startswith("POWERON")


def _reason(entry: Entry) -> str | None:
    """Of a line of the ROM, which has no log and so is noise to the console."""
    if entry.source != "console" or entry.kind != "noise":
        return None
    return reset_reason(str(entry.get("text")))
