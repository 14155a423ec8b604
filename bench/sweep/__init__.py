"""Power cut at every flash and eFuse operation of a whole life, on the virtual board: what boots, and what then works.

A life (`Story`) is lived once and every operation recorded (`record`). A cut ends everything but flash and eFuses, so
the board that it leaves is the recorded content with the operation not begun, half done, or done; that board is then
booted, judged, and updated once more (`Checker`). `sweep` does so for all cuts, on all cores.
"""

from __future__ import annotations

from bench.sweep.cuts import Cut, cuts_of, parse_cuts
from bench.sweep.judge import Broken, Checker, Offer, Outcome
from bench.sweep.power_sweep import PowerSweep
from bench.sweep.record import Operation, Recording, record
from bench.sweep.stories import STORIES, Story, story_named
from bench.sweep.sweep import Finding, Sweep, Tally

__all__ = [
    "STORIES",
    "Broken",
    "Checker",
    "Cut",
    "Finding",
    "Offer",
    "Operation",
    "Outcome",
    "PowerSweep",
    "Recording",
    "Story",
    "Sweep",
    "Tally",
    "cuts_of",
    "parse_cuts",
    "record",
    "story_named",
]
