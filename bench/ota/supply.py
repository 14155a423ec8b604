"""Whether a board really lost its supply: its ROM says so, and no tool that switched it.

A hub that acknowledges and does nothing, a relay on the wrong board and a board that is fed by its debugger as well all
look like a power cycle to whoever switches them. The ROM's first line after a reset names the reason, and after a loss
of power that is ``POWERON`` (``POWERON_RESET`` on the ESP32).

A port that is fed by the same cable goes away with the power, and comes back after the ROM has spoken. That it went is
proof enough, for nobody else has touched the board; it is reset then, so that its boot is heard.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.boards.board import Board
from bench.console.boots import reset_reason
from bench.errors import BenchError
from bench.timeline import Deadline, Entry, TimedOut, Timeline

__all__ = ["expect_power_on"]


def expect_power_on(
    timeline: Timeline, board: Board, *, after: int, seconds: float, reset: Callable[[], None]
) -> Entry:
    """Wait for the ROM to say that it was switched on, or for the port to return; the ROM's first word since then.

    Args:
        after: index of the entry since which the supply is back
        seconds: how long to wait
        reset: pulses EN

    Raises:
        BenchError: it says something else, or nothing: the lab did not do what it was asked
    """
    deadline = Deadline(seconds)
    try:
        proof = timeline.wait(lambda entry: _powered_on(entry) or _returned(entry), deadline, after=after)
        if _returned(proof):
            timeline.append("bench", "reset")
            reset()
            proof = timeline.wait(lambda entry: _reason(entry) is not None, deadline, after=proof.index)
        return proof
    except TimedOut as missing:
        reasons = [reason for entry in timeline.since(after) if (reason := _reason(entry)) is not None]
        told = f"its console says that it was reset by {', '.join(reasons[:5])}" if reasons else "its console is silent"
        raise BenchError(
            f"{board.name}: the supply was switched off and on, but the board has not lost it: within {seconds:g} s "
            f"{told}. Is it the right switch, and is the board fed by nothing else (a debugger, a second USB cable)?"
        ) from missing


def _powered_on(entry: Entry) -> bool:
    return (_reason(entry) or "").startswith("POWERON")


def _returned(entry: Entry) -> bool:
    return entry.source == "bench" and entry.kind == "port_away"


def _reason(entry: Entry) -> str | None:
    """Of a line of the ROM, which has no log and so is noise to the console."""
    if entry.source != "console" or entry.kind != "noise":
        return None
    return reset_reason(str(entry.get("text")))
