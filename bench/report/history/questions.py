"""What a history answers: how often a scenario passes and flakes, what newly fails and since when, who is sick."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.report.history.store import Result

__all__ = ["BoardHealth", "News", "Rate", "news", "rates", "sick_boards"]

_JUDGED = ("passed", "failed", "error")
_RECENT = 5
_ENOUGH = 4
"""Results of a board and of all others, before it is called sick."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How a scenario, board or version fared.

    `flaked` counts results that differ from the one before for the same scenario, board, firmware and version: what
    was under test was the same. `trend` is the median of the last five durations over the median of those before;
    None where there are not enough.
    """

    name: str
    runs: int
    passed: int
    failed: int
    errors: int
    skipped: int
    flaked: int
    seconds: float
    trend: float | None

    @property
    def judged(self) -> int:
        """Results that say something: a skip does not."""
        return self.passed + self.failed + self.errors

    @property
    def pass_rate(self) -> float:
        """Between 0 and 1; 0 where nothing was judged."""
        return self.passed / self.judged if self.judged else 0.0

    @property
    def flake_rate(self) -> float:
        """Between 0 and 1."""
        return self.flaked / self.judged if self.judged else 0.0


@dataclass(frozen=True, slots=True)
class News:
    """A scenario that fails now and passed before, on the same board."""

    scenario: str
    board: str
    since_run: str
    since_version: str
    last_good_version: str
    cause: str

    @property
    def with_the_version(self) -> bool:
        """Did it begin with another version of the firmware?"""
        return self.since_version != self.last_good_version


@dataclass(frozen=True, slots=True)
class BoardHealth:
    """A board on which scenarios fail that pass elsewhere, on the same firmware."""

    board: str
    failed_here: int
    passed_elsewhere: int
    judged: int
    errors: int


def rates(results: Sequence[Result], by: Callable[[Result], str]) -> list[Rate]:
    """One line for each name that `by` gives, the worst first."""
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        groups[by(result)].append(result)
    found = [_rate(name, group) for name, group in groups.items()]
    return sorted(found, key=lambda rate: (rate.pass_rate if rate.judged else 2.0, -rate.flake_rate, rate.name))


def _rate(name: str, group: Sequence[Result]) -> Rate:
    kinds = [result.outcome for result in group]
    times = [result.seconds for result in group if result.seconds is not None and result.outcome == "passed"]
    before, now = times[:-_RECENT], times[-_RECENT:]
    trend = None
    if len(before) >= _RECENT and (usual := statistics.median(before)) > 0:
        trend = statistics.median(now) / usual
    return Rate(
        name=name,
        runs=len({result.run for result in group}),
        passed=kinds.count("passed"),
        failed=kinds.count("failed"),
        errors=kinds.count("error"),
        skipped=kinds.count("skipped"),
        flaked=_flaked(group),
        seconds=statistics.median(times) if times else 0.0,
        trend=trend,
    )


def _flaked(group: Iterable[Result]) -> int:
    last: dict[tuple[str, ...], str] = {}
    count = 0
    for result in group:
        if result.outcome not in _JUDGED:
            continue
        key = (result.scenario, result.board, result.firmware, result.version, result.idf_version)
        count += last.get(key, result.outcome) != result.outcome
        last[key] = result.outcome
    return count


def news(results: Sequence[Result]) -> list[News]:
    """What fails now and did not: the last result of a scenario on a board is bad, and one before was good."""
    found = []
    for (scenario, board), group in _by_place(results).items():
        bad = next((index for index in range(len(group), 0, -1) if group[index - 1].outcome == "passed"), 0)
        if 0 < bad < len(group):
            first = group[bad]
            good = group[bad - 1]
            found.append(News(scenario, board, first.run, first.version, good.version, group[-1].cause))
    return sorted(found, key=lambda one: (one.since_run, one.scenario, one.board))


def sick_boards(results: Sequence[Result]) -> list[BoardHealth]:
    """Boards that fail what the other boards pass with the same firmware: the board is sick, not the firmware."""
    boards = sorted({result.board for result in results})
    good: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for result in results:
        if result.outcome == "passed":
            good[_what(result)].add(result.board)
    found = []
    for board in boards:
        own = [result for result in results if result.board == board and result.outcome in _JUDGED]
        bad = [result for result in own if result.outcome != "passed"]
        elsewhere = sum(bool(good[_what(result)] - {board}) for result in bad)
        if len(own) >= _ENOUGH and elsewhere >= _ENOUGH and elsewhere * 2 > len(bad) and len(bad) * 4 > len(own):
            errors = sum(result.outcome == "error" for result in bad)
            found.append(BoardHealth(board, len(bad), elsewhere, len(own), errors))
    return found


def _what(result: Result) -> tuple[str, ...]:
    """What was under test, wherever it was."""
    return result.scenario, result.chip, result.firmware, result.version, result.idf_version


def _by_place(results: Iterable[Result]) -> dict[tuple[str, str], list[Result]]:
    places: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        if result.outcome in _JUDGED:
            places[result.scenario, result.board].append(result)
    return places
