"""The console's place on the timeline: every item is an entry, and the verdict can be asked for at any time."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock

from bench.console.items import Boot, Event, Item, Panic, Record
from bench.console.judge import Judge, Judgement
from bench.console.reader import ConsoleReader
from bench.console.speech import STOCK, Speech
from bench.timeline import Timeline

__all__ = ["Console", "Feed"]

SOURCE = "console"


class Feed:
    """Appends items to a timeline: source ``console``, the kind by the item, and the item's fields as data.

    The offset of a boot's partition is a number here, and `line_no` is the line of the console.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    def add(self, items: Iterable[Item]) -> None:
        """Append the items, in order."""
        for item in items:
            self._timeline.append(SOURCE, _kind(item), **item._asdict())


class Console:
    """The console of one board during one scenario: bytes in; entries on the timeline, and a verdict.

    Bytes come from one thread; the judgement may be asked for from any. `speech` says what the lines of a user's own
    firmware mean.
    """

    def __init__(self, timeline: Timeline, speech: Speech = STOCK) -> None:
        self._reader = ConsoleReader(speech)
        self._feed = Feed(timeline)
        self._judge = Judge(speech)
        self._lock = Lock()

    def feed(self, data: bytes) -> None:
        """Bytes as they come from the board, in any chunks."""
        self._take(self._reader.feed(data))

    def close(self) -> None:
        """The console is over: what it broke off in is appended too."""
        self._take(self._reader.close())

    def judgement(self) -> Judgement:
        """Attempts, boots, events and verdict so far."""
        with self._lock:
            return self._judge.judgement()

    def verdict(self) -> tuple[str, str | None]:
        """The last attempt's verdict so far, and its reason."""
        found = self.judgement()
        return found.verdict, found.reason

    def _take(self, items: list[Item]) -> None:
        with self._lock:
            self._judge.feed(items)
        self._feed.add(items)


def _kind(item: Item) -> str:
    if isinstance(item, Record):
        return "record"
    if isinstance(item, Event):
        return "event"
    if isinstance(item, Boot):
        return "boot"
    return "panic" if isinstance(item, Panic) else "noise"
