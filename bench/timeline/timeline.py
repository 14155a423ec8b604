"""The spine of the bench: everything that happens, on one clock, in one append-only list."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import TypeAlias

from bench.errors import BenchError, ExpectationFailed
from bench.timeline import explain
from bench.timeline.clock import Clock, Deadline
from bench.timeline.entries import Entry, from_json, plain, to_jsonl
from bench.timeline.matchers import Matcher
from bench.timeline.unmet import Unmet, Wanted

__all__ = ["Predicate", "TimedOut", "Timeline", "TimelineClosed", "read_jsonl"]

Predicate: TypeAlias = "Matcher | Callable[[Entry], bool]"


class TimelineClosed(BenchError):
    """Something was appended after the timeline was closed: its source outlived the scenario."""


class TimedOut(ExpectationFailed):
    """What was waited for did not come: the deadline passed, or the timeline was closed.

    Attributes:
        awaited: what it was, in words
        seen: the entries that came instead, from the one after which the wait began
        unmet: the expectation as data
    """

    def __init__(self, message: str, awaited: str, seen: tuple[Entry, ...], unmet: Unmet) -> None:
        super().__init__(message)
        self.awaited = awaited
        self.seen = seen
        self.unmet = unmet


class Timeline:
    """An append-only list of entries; any thread may append and any thread may wait.

    Args:
        clock: the clock of the run; a new one where none is given
        decode: how failures decode a message into its cause (error codes by name), None where it has none
    """

    def __init__(self, clock: Clock | None = None, *, decode: explain.Decode | None = None) -> None:
        self.clock = clock if clock is not None else Clock()
        self.decode = decode
        self._entries: list[Entry] = []
        self._listeners: list[Callable[[Entry], None]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._failure: BenchError | None = None

    def append(self, source: str, kind: str, /, **data: object) -> Entry:
        """Add an entry and wake whoever waits; raises `TimelineClosed` after `close`."""
        particulars = MappingProxyType({name: plain(value) for name, value in data.items()})
        with self._changed:
            if self._closed:
                raise TimelineClosed(f"the timeline is closed, yet {source} has one more {kind}: {dict(particulars)}")
            entry = Entry(len(self._entries), self.clock.now(), source, kind, particulars)
            self._entries.append(entry)
            for listener in self._listeners:
                listener(entry)
            self._changed.notify_all()
        return entry

    def listen(self, listener: Callable[[Entry], None]) -> None:
        """Call `listener` with every entry in order, those already there at once and the others as they come.

        It is called with the timeline locked: it must be quick, must not raise, and must not append.
        """
        with self._changed:
            for entry in self._entries:
                listener(entry)
            self._listeners.append(listener)

    def wait(self, predicate: Predicate, deadline: Deadline, after: int = -1) -> Entry:
        """The first entry beyond index `after` for which `predicate` holds, waiting for it until `deadline`.

        What is already there is looked at even when the deadline has passed. Raises `TimedOut` when it did
        not come in time, or when the timeline is closed and so it never will.
        """
        test = predicate.matches if isinstance(predicate, Matcher) else predicate
        position = max(after + 1, 0)
        while True:
            for entry in self.next_entries(position, deadline):
                if test(entry):
                    return entry
                position = entry.index + 1
            if position >= len(self) and (self._closed or deadline.expired):
                raise self.timed_out(explain.name_of(predicate), deadline, after)

    def next_entries(self, position: int, deadline: Deadline) -> tuple[Entry, ...]:
        """The entries from index `position` on, waiting for the first; empty at the deadline or after `close`.

        Raises what `fail` was given, once there is nothing left to look at.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._entries) > position or self._closed or self._failure is not None,
                timeout=deadline.remaining(),
            )
            if self._failure is not None and len(self._entries) <= position:
                raise self._failure
            return tuple(self._entries[max(position, 0) :])

    def timed_out(self, awaited: str, deadline: Deadline, after: int) -> TimedOut:
        """The exception for a wait for `awaited` that began after index `after` and found nothing."""
        entries = self.entries
        reason = "before the timeline was closed" if self._closed else f"within {deadline}"
        text = explain.absence(awaited, reason, entries, after, self.decode)
        unmet = Unmet((Wanted(awaited, "here"),), f"{awaited} did not come {reason}")
        return TimedOut(text, awaited, entries[max(after + 1, 0) :], unmet)

    def __len__(self) -> int:
        with self._changed:
            return len(self._entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries so far."""
        with self._changed:
            return tuple(self._entries)

    def since(self, index: int) -> tuple[Entry, ...]:
        """The entries beyond index `index`; -1 gives all of them."""
        with self._changed:
            return tuple(self._entries[max(index + 1, 0) :])

    @property
    def last_index(self) -> int:
        """Index of the newest entry, -1 while there is none: what to hand to `wait` as `after` for "from now on"."""
        return len(self) - 1

    @property
    def closed(self) -> bool:
        """Has `close` been called?"""
        return self._closed

    def fail(self, error: BenchError) -> None:
        """Nothing more can come, and not by the firmware's fault: who waits for more has `error` raised, at once.

        The first error is the one that counts. Entries can still be appended.
        """
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more will come: whoever waits is told so at once. Closing twice is fine."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __enter__(self) -> Timeline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def to_jsonl(self) -> str:
        """All entries as JSON lines, see `bench.timeline.entries.to_json`."""
        return to_jsonl(self.entries)


def read_jsonl(lines: Iterable[str]) -> tuple[Entry, ...]:
    """The entries of a JSON lines file; FormatError names the line that is none.

    A last line without its newline that does not parse is left out: it is what a killed process leaves.
    """
    entries: list[Entry] = []
    broken: BenchError | None = None
    for line_no, line in enumerate(lines, start=1):
        if broken is not None:
            raise broken
        if not line.strip():
            continue
        try:
            entries.append(from_json(line, line_no=line_no))
        except BenchError as error:
            if line.endswith("\n"):
                raise
            broken = error
    return tuple(entries)
