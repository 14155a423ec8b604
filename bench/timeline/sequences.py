"""Sequences: what must come, in order, and what must not, followed along the timeline as it grows.

A sequence is tolerant of entries that are no events (records, requests, faults) and strict about events: each
must be the next step or one that `maybe` allows there. From its first step on it is strict about boots and panics
too, since an update in the middle of which the board starts again has not gone as expected. Whatever diverges is
reported at once, not at the deadline.

Where a `maybe` and the step behind it could both take an entry, both readings are followed, so that
``maybe(WRITE_FLASH), WRITE_FLASH(written=4096)`` means what it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from bench.errors import ExpectationFailed
from bench.timeline import explain
from bench.timeline.clock import Deadline
from bench.timeline.entries import Entry
from bench.timeline.matchers import Matcher
from bench.timeline.timeline import TimedOut, Timeline
from bench.timeline.unmet import Unmet, Wanted

__all__ = ["Diverged", "Forbid", "Maybe", "Sequence", "Step", "expect_absent", "forbid", "maybe"]


class Diverged(ExpectationFailed):
    """The timeline left a sequence.

    Attributes:
        culprit: the entry where it did
        unmet: the expectation as data
    """

    def __init__(self, message: str, culprit: Entry, unmet: Unmet) -> None:
        super().__init__(message)
        self.culprit = culprit
        self.unmet = unmet


@dataclass(frozen=True)
class Maybe:
    """A step that may come any number of times, or not at all."""

    step: Matcher

    def __str__(self) -> str:
        return f"maybe {self.step}"


@dataclass(frozen=True)
class Forbid:
    """What must not come anywhere in the span of the sequence."""

    matchers: tuple[Matcher, ...]

    def __str__(self) -> str:
        return "never " + ", never ".join(str(matcher) for matcher in self.matchers)


Step: TypeAlias = Matcher | Maybe | Forbid


def maybe(step: Matcher) -> Maybe:
    """The step may come any number of times here, or not at all."""
    return Maybe(step)


def forbid(*matchers: Matcher) -> Forbid:
    """None of these may come from where the sequence is followed to its last step, wherever this stands in it."""
    if not matchers:
        raise ValueError("forbid() needs something to forbid")
    return Forbid(matchers)


def expect_absent(timeline: Timeline, *matchers: Matcher, after: int = -1, until: int | None = None) -> None:
    """None of these stands beyond index `after`, up to index `until` (the newest entry where None)."""
    for entry in timeline.since(after):
        if until is not None and entry.index > until:
            return
        for matcher in matchers:
            if matcher.matches(entry):
                problem = f"{matcher} must not come, but there it is:"
                text = [problem, f"   {explain.describe(entry)}", "the timeline before it:"]
                before = timeline.entries[max(0, entry.index + 3 - explain.AROUND) : entry.index + 3]
                text += explain.story(before, timeline.decode, entry.index)
                unmet = Unmet((Wanted(str(matcher), "never"),), f"{problem} {explain.describe(entry)}", entry.index)
                raise Diverged("\n".join(text), entry, unmet)


@dataclass(frozen=True)
class _Path:
    """The entries that brought a reading of the sequence to where it is, newest first."""

    entry: Entry
    step: int
    before: _Path | None


@dataclass(frozen=True)
class _Reading:
    """How far the sequence has come: for every step that may be next, how it was reached."""

    at: dict[int, _Path | None]

    @property
    def furthest(self) -> int:
        return max(self.at)


class Sequence:
    """Steps in the order in which they must come.

    Args:
        steps: matchers (each must come once), `maybe(...)` and `forbid(...)`; at least one must come
    """

    def __init__(self, *steps: Step) -> None:
        self.steps = steps
        self._line: tuple[Matcher | Maybe, ...] = tuple(step for step in steps if not isinstance(step, Forbid))
        self._forbidden = tuple(matcher for step in steps if isinstance(step, Forbid) for matcher in step.matchers)
        # Trailing maybes could wait for ever: the sequence is over with the last step that must come.
        self._end = max((at + 1 for at, step in enumerate(self._line) if isinstance(step, Matcher)), default=0)
        if not self._end:
            raise ValueError("a sequence needs a step that must come; for what must not, see expect_absent()")

    def __str__(self) -> str:
        return ", ".join(str(step) for step in self.steps)

    def follow(self, timeline: Timeline, deadline: Deadline, after: int = -1) -> tuple[Entry, ...]:
        """Follow the timeline beyond index `after` until the last step has come; the entries that were its steps.

        Raises `Diverged` at once where the timeline leaves the sequence, and `TimedOut` where it stops short
        of its end; both are `ExpectationFailed`.
        """
        reading = _Reading(self._reach({0: None}))
        position = max(after + 1, 0)
        while True:
            entries = timeline.next_entries(position, deadline)
            for entry in entries:
                reading = self._advance(reading, entry, timeline)
                if self._end in reading.at:
                    return _walked(reading.at[self._end])
                position = entry.index + 1
            if position >= len(timeline) and (timeline.closed or deadline.expired):
                raise self._stopped_short(reading, timeline, deadline, after)

    def _advance(self, reading: _Reading, entry: Entry, timeline: Timeline) -> _Reading:
        for matcher in self._forbidden:
            if matcher.matches(entry):
                raise self._diverged(f"{matcher} must not come, but it did:", reading, entry, timeline)
        taken: dict[int, _Path | None] = {}
        for at, path in reading.at.items():
            step = self._line[at]
            target = at if isinstance(step, Maybe) else at + 1
            if (step.step if isinstance(step, Maybe) else step).matches(entry):
                taken.setdefault(target, _Path(entry, at, path))
        if taken:
            return _Reading(self._reach(taken))
        begun = any(path is not None for path in reading.at.values())
        if entry.kind == "event" or (begun and entry.kind in ("boot", "panic")):
            wanted = " or ".join(str(self._step(at)) for at in sorted(reading.at))
            raise self._diverged(f"{wanted} should have come next; instead came:", reading, entry, timeline)
        return reading

    def _reach(self, at: dict[int, _Path | None]) -> dict[int, _Path | None]:
        """All steps that may be next: those reached, and those behind a maybe that stays away."""
        reached = dict(at)
        for index in sorted(at):
            path, beyond = at[index], index
            while beyond < self._end and isinstance(self._line[beyond], Maybe):
                beyond += 1
                reached.setdefault(beyond, path)
        return reached

    def _step(self, at: int) -> Matcher:
        step = self._line[at]
        return step.step if isinstance(step, Maybe) else step

    def _diverged(self, problem: str, reading: _Reading, entry: Entry, timeline: Timeline) -> Diverged:
        told = self._told(reading)
        unmet = Unmet(told, f"{problem} {explain.describe(entry)}", entry.index)
        problem = f"{problem}\n   {explain.describe(entry)}"
        lines = [str(step) for step in told]
        return Diverged(explain.divergence(lines, problem, timeline.entries, entry, timeline.decode), entry, unmet)

    def _stopped_short(self, reading: _Reading, timeline: Timeline, deadline: Deadline, after: int) -> TimedOut:
        reason = "before the timeline was closed" if timeline.closed else f"within {deadline}"
        awaited = str(self._step(reading.furthest))
        entries, told, problem = timeline.entries, self._told(reading), f"{awaited} did not come {reason}"
        text = explain.divergence([str(step) for step in told], problem, entries, None, timeline.decode)
        return TimedOut(text, awaited, entries[max(after + 1, 0) :], Unmet(told, problem))

    def _told(self, reading: _Reading) -> tuple[Wanted, ...]:
        """What became of each step; those that came with their entries."""
        came: dict[int, list[Entry]] = {}
        path = reading.at[reading.furthest]
        while path is not None:
            came.setdefault(path.step, []).append(path.entry)
            path = path.before
        wanted: list[Wanted] = []
        for at, step in enumerate(self._line):
            if at == reading.furthest:
                wanted.append(Wanted(str(step), "here"))
            elif at in came:
                wanted.append(Wanted(str(step), "came", came[at][0], len(came[at])))
            else:
                wanted.append(Wanted(str(step), "left out" if at < reading.furthest else "awaited"))
        return (*wanted, *(Wanted(str(step), "never") for step in self.steps if isinstance(step, Forbid)))


def _walked(path: _Path | None) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    while path is not None:
        entries.append(path.entry)
        path = path.before
    return tuple(reversed(entries))
