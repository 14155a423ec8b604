"""All cuts of a story, on all cores: recorded once, judged in parallel, with progress, and each finding replayable."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.builds import Build
from bench.errors import ExpectationFailed
from bench.server import Authority, OtaServer
from bench.sweep.bench_top import BenchTop
from bench.sweep.cuts import Cut, cuts_of
from bench.sweep.judge import Checker, Offer, Outcome
from bench.sweep.record import Recording, record
from bench.sweep.stories import LATER, NEW, OLD, Story
from bench.timeline import Timeline
from bench.virtual.door import Phase

__all__ = ["Finding", "Sweep", "Tally"]

_PORTION = 24
"""Cuts that a worker judges at a time: enough to be worth the way, few enough to show progress."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A cut after which a promise is broken."""

    story: str
    cuts: tuple[Cut, ...]
    purpose: str
    outcome: Outcome
    of_emulation: bool = False
    """The cut fell into the writing of eFuses that are emulated in flash: a chip has none that could break so."""

    @property
    def at(self) -> str:
        """As ``bench sweep --at`` takes it."""
        return "+".join(map(str, self.cuts))

    def __str__(self) -> str:
        return f"{self.at} ({self.purpose}): {self.outcome.broken}"


@dataclass
class Tally:
    """What came of a sweep; `went_on`: after so many cuts an update went on from a place that the board had kept."""

    operations: int = 0
    cuts: int = 0
    second_cuts: int = 0
    went_on: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    @property
    def broken(self) -> list[Finding]:
        """The findings that are about the update, and not about the emulation of eFuses."""
        return [finding for finding in self.findings if not finding.of_emulation]


@dataclass(frozen=True)
class _Task:
    """What a worker needs: the life, and how it is judged."""

    recording: Recording
    build: Path
    allowed: tuple[str, ...]
    release_url: str
    offers: tuple[Offer, ...]


class Sweep:
    """One story on one build; a server for its releases runs from `__enter__` to `__exit__`.

    Args:
        story: which life
        build: what the board is flashed with; it must take its URL from the console, and trust `authority`
        authority: issues the server's certificate

    Raises (on entering):
        ExpectationFailed: the life does not come to its end even without a cut, or lacks what the story is about
    """

    def __init__(self, story: Story, build: Build, authority: Authority) -> None:
        self._story = story
        self._build = build
        self._stack = ExitStack()
        self._authority = authority
        self._task: _Task | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            timeline = stack.enter_context(Timeline())
            server = stack.enter_context(OtaServer(timeline, self._authority))
            image, story = self._build.image, self._story
            old = server.publish("/old.bin", image.with_version(OLD).to_bytes())
            released, to_come = story.release(image).to_bytes(), story.later(image).to_bytes()
            new, later = server.publish("/new.bin", released), server.publish("/later.bin", to_come)
            recording = self._recorded(old.url, new.url)
            again = (Offer(new.url, NEW, len(released), goes_on=True),) if story.resumes else ()
            offers = (*again, Offer(later.url, LATER, len(to_come)))
            self._task = _Task(recording, self._build.path, tuple(sorted(story.ends_with)), new.url, offers)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def recording(self) -> Recording:
        """The life without any cut."""
        assert self._task is not None, "enter it first"
        return self._task.recording

    @property
    def release_url(self) -> str:
        """Where the release of the life is served."""
        assert self._task is not None, "enter it first"
        return self._task.release_url

    def checker(self) -> Checker:
        """A board to try single cuts on."""
        assert self._task is not None, "enter it first"
        return _checker(self._task)

    def run(
        self,
        *,
        cuts: Sequence[Cut] | None = None,
        second: int = 0,
        seed: int = 1,
        jobs: int = 2,
        progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> Tally:
        """Judge these cuts (all of them by default), and `second` more with a second cut in the recovery.

        Args:
            second: how many pairs of cuts are drawn, by `seed`
            jobs: processes; 1: this one, without the start of another
            progress: told how many of how many are judged
        """
        chosen = list(cuts_of(self.recording) if cuts is None else cuts)
        tally = Tally(operations=len(self.recording.operations))
        assert self._task is not None, "enter it first"
        with _Workers(self._task, jobs) if jobs > 1 else _Alone(self.checker()) as workers:
            singles = [(cut, None) for cut in chosen]
            operations: dict[Cut, int] = {}
            for pair, outcome in workers.judge(singles, lambda done: progress(done, len(chosen) + second)):
                operations[pair[0]] = outcome.operations
                self._count(tally, pair, outcome)
            pairs = _drawn(operations, second, seed)
            for pair, outcome in workers.judge(pairs, lambda done: progress(len(chosen) + done, len(chosen) + second)):
                self._count(tally, pair, outcome)
        tally.findings.sort(key=lambda finding: [(cut.operation, cut.phase.value) for cut in finding.cuts])
        return tally

    def _count(self, tally: Tally, pair: tuple[Cut, Cut | None], outcome: Outcome) -> None:
        cut, again = pair
        tally.went_on += outcome.went_on
        if again is None:
            tally.cuts += 1
        else:
            tally.second_cuts += 1
        if outcome.broken:
            operation = self.recording.operations[cut.operation - 1]
            emulated = operation.purpose.startswith("efuse:") and not any(one.efuse for one in operation.whole)
            both = (cut,) if again is None else (cut, again)
            tally.findings.append(Finding(self._story.name, both, operation.purpose, outcome, emulated))
        else:
            tally.versions[outcome.version] += 1

    def _recorded(self, old: str, new: str) -> Recording:
        """Flash the build, update it once, and record the next update.

        So the old version stands in the second OTA slot: a board that has lost its otadata would not boot it.
        """
        with BenchTop(self._build.target) as top:
            for file in self._build.flash_files:
                top.machine.flash.poke(file.offset, file.path.read_bytes())
            top.live(old)
            recording = record(top, lambda board: board.live(new))
            if top.looped:
                raise ExpectationFailed(f"{self._story.name}: without any power cut the board resets for ever")
            if not recording.operations:
                raise ExpectationFailed(f"{self._story.name}: without any power cut no update comes")
            if self._story.resumes and not any(one.purpose == "nvs" for one in recording.operations):
                raise ExpectationFailed(f"{self._story.name}: the download keeps no place in NVS to go on from")
        return recording


class _Alone:
    """One board, in this process."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    def __enter__(self) -> Self:
        self._checker.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._checker.__exit__(kind, error, trace)

    def judge(
        self, pairs: Sequence[tuple[Cut, Cut | None]], progress: Callable[[int], None]
    ) -> Iterator[tuple[tuple[Cut, Cut | None], Outcome]]:
        """The outcomes, one after the other."""
        for done, (cut, again) in enumerate(pairs, start=1):
            outcome = self._checker.outcome(cut, again)
            progress(done)
            yield (cut, again), outcome


class _Workers:
    """Processes that each hold a board."""

    def __init__(self, task: _Task, jobs: int) -> None:
        # Not forked: the server's thread and its locks would come along.
        self._pool = ProcessPoolExecutor(jobs, get_context("spawn"), _hold, (task,))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def judge(
        self, pairs: Sequence[tuple[Cut, Cut | None]], progress: Callable[[int], None]
    ) -> Iterator[tuple[tuple[Cut, Cut | None], Outcome]]:
        """The outcomes, as they come."""
        portions = [pairs[at : at + _PORTION] for at in range(0, len(pairs), _PORTION)]
        tasks: dict[Future[list[Outcome]], Sequence[tuple[Cut, Cut | None]]] = {}
        tasks = {self._pool.submit(_judge, portion): portion for portion in portions}
        done = 0
        for task in as_completed(tasks):
            done += len(tasks[task])
            progress(done)
            yield from zip(tasks[task], task.result(), strict=True)


class _Held:
    """The board of a worker process."""

    checker: Checker


def _hold(task: _Task) -> None:
    _Held.checker = _checker(task).__enter__()


def _checker(task: _Task) -> Checker:
    return Checker(task.recording, Build.load(task.build), task.allowed, task.offers)


def _judge(pairs: Sequence[tuple[Cut, Cut | None]]) -> list[Outcome]:
    return [_Held.checker.outcome(cut, again) for cut, again in pairs]


def _drawn(operations: dict[Cut, int], count: int, seed: int) -> list[tuple[Cut, Cut | None]]:
    """Pairs of cuts: one of the life, and one of what the board does after it."""
    chance, cuts = random.Random(seed), [cut for cut, many in operations.items() if many]
    cuts.sort(key=lambda cut: (cut.operation, cut.phase.value))
    drawn: list[tuple[Cut, Cut | None]] = []
    for _ in range(count if cuts else 0):
        cut = chance.choice(cuts)
        drawn.append((cut, Cut(chance.randint(1, operations[cut]), chance.choice(list(Phase)))))
    return sorted(drawn, key=lambda pair: pair[0].operation)
