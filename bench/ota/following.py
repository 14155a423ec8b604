"""How far a scenario has come on the timeline, and what it says where the timeline went another way."""

from __future__ import annotations

from itertools import pairwise

from bench.errors import ExpectationFailed
from bench.ota.loops import boot_loop
from bench.timeline import (
    Deadline,
    Diverged,
    Entry,
    Matcher,
    Sequence,
    Step,
    TimedOut,
    Timeline,
    any_of,
    booted,
    expect_absent,
    happened,
)
from bench.timeline.explain import describe, divergence
from bench.timeline.sequences import Forbid
from bench.timeline.unmet import Unmet, Wanted

__all__ = ["LATE_LINES", "Following"]

LATE_LINES = 1.0
"""Seconds for a line that belongs before another and comes after it: events are told by a task of their own."""

_TAKEN_OVER = any_of(*(happened("bench", kind) for kind in ("reset", "power", "look")))
"""The bench begins something else with the board: what it tells from here on is no part of what was under way."""


class Following:
    """Waits on a timeline, each time from where the last wait ended, so that no entry is taken twice.

    Attributes:
        at: index of the entry with which the last wait ended
        started: index of the last entry before the update was started
        patience: seconds to wait for what must come
    """

    def __init__(self, timeline: Timeline, patience: float) -> None:
        self.timeline = timeline
        self.patience = patience
        self.at = -1
        self.started = -1
        self._forbidden: list[tuple[int, Forbid]] = []

    def begin(self) -> None:
        """The update starts here."""
        self.started = self.timeline.last_index
        self._forbidden.clear()

    def skip(self) -> None:
        """What has come so far is waited for no more."""
        self.at = self.timeline.last_index

    def attempt(self) -> tuple[Entry, ...]:
        """What has come since the update was started."""
        return self.timeline.since(self.started)

    def next(self, matcher: Matcher) -> Entry:
        """The next entry of this kind; that the device is in a boot loop is said where it does not come."""
        try:
            entry = self.timeline.wait(matcher, Deadline(self.patience), after=self.at)
        except TimedOut as missing:
            if (loop := boot_loop(self.attempt())) is not None:
                raise ExpectationFailed(f"{loop}\n{missing}") from missing
            raise
        self.at = entry.index
        return entry

    def steps(self, *steps: Step) -> tuple[Entry, ...]:
        """The entries that were these steps, in order; what they forbid stays forbidden to the end of the attempt."""
        entries = Sequence(*steps).follow(self.timeline, Deadline(self.patience), after=self.at)
        self.at = entries[-1].index
        self._forbidden += [(self.at, step) for step in steps if isinstance(step, Forbid)]
        return entries

    def none_forbidden(self) -> None:
        """What steps of this attempt forbade has not come since; the attempt is over where the board starts again."""
        for since, forbidden in self._forbidden:
            end = self._first(any_of(booted(), _TAKEN_OVER), since)
            expect_absent(self.timeline, *forbidden.matchers, after=since, until=end)

    def none_came(self, *matchers: Matcher) -> None:
        """None of these since the last wait ended, as far as the bench has not had the board start again."""
        expect_absent(self.timeline, *matchers, after=self.at, until=self._first(_TAKEN_OVER, self.at))

    def of_attempt(self, matcher: Matcher, seconds: float | None = None) -> Entry:
        """The first entry of this kind since the update was started, whether waited past already or still to come."""
        return self.timeline.wait(matcher, Deadline(self.patience if seconds is None else seconds), after=self.started)

    def up_to(self, matcher: Matcher, seconds: float | None = None) -> None:
        """The same, and the next wait goes on behind it."""
        self.at = max(self.at, self.of_attempt(matcher, seconds).index)

    def must_have_passed(self, matcher: Matcher) -> None:
        """An entry of this kind is among those of the attempt that were waited past."""
        if not any(matcher.matches(entry) for entry in self.attempt() if entry.index <= self.at):
            raise ExpectationFailed(f"{matcher} was not seen since the update was started")

    def last_boot(self, before: Entry) -> Entry:
        """The last boot that was told before this entry; the entry itself where none was."""
        boots = (entry for entry in reversed(self.timeline.entries[: before.index]) if booted().matches(entry))
        return next(boots, before)

    def told_at(self, matcher: Matcher) -> int:
        """Milliseconds on the device's clock of what stands nearest before that entry of the attempt, or after it."""
        entries = self.attempt()
        at = next((index for index, entry in enumerate(entries) if matcher.matches(entry)), None)
        if at is not None:
            for entry in (*reversed(entries[: at + 1]), *entries[at:]):
                ms = entry.get("ms")
                if isinstance(ms, int):
                    return ms
        raise ExpectationFailed(f"the console does not tell when {matcher} came")

    def _first(self, matcher: Matcher, after: int) -> int | None:
        """Index of the first entry of this kind beyond that one, of those that have come."""
        return next((entry.index for entry in self.timeline.since(after) if matcher.matches(entry)), None)

    def longest_silence(self) -> int:
        """Milliseconds on the device's clock of its longest pause, from the first request to a boot."""
        asked = self._first(happened("server", "request"), self.started)
        told: list[int] = []
        for entry in self.timeline.since(len(self.timeline) if asked is None else asked):
            if booted().matches(entry):
                break
            ms = entry.get("ms")
            if isinstance(ms, int):
                told.append(ms)
        return max((later - earlier for earlier, later in pairwise(told)), default=0)

    def wrong(self, wanted: Matcher, entry: Entry, problem: str) -> Diverged:
        """That this entry came, and not the one that was wanted."""
        step = Wanted(str(wanted), "here")
        text = divergence([str(step)], problem, self.timeline.entries, entry, self.timeline.decode)
        return Diverged(text, entry, Unmet((step,), f"{problem} {describe(entry)}", entry.index))

    def wrong_boot(self, wanted: Matcher, entry: Entry) -> Diverged:
        """That this boot came, and not that one."""
        return self.wrong(wanted, entry, "the next boot should have been that one; it was this:")
