"""Console bytes to records, events, boots and panics, and to a verdict on every update seen in them."""

from __future__ import annotations

from bench.console.items import Boot, Event, Item, Noise, Panic, Record
from bench.console.judge import Attempt, Judge, Judgement, judge
from bench.console.reader import ConsoleReader
from bench.console.to_timeline import Console, Feed

__all__ = [
    "Attempt",
    "Boot",
    "Console",
    "ConsoleReader",
    "Event",
    "Feed",
    "Item",
    "Judge",
    "Judgement",
    "Noise",
    "Panic",
    "Record",
    "judge",
]
