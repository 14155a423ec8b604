"""Soak: many updates back to back with a seeded mix of faults between, and what came of them."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import TypeVar

__all__ = ["Soak"]

Choice = TypeVar("Choice")


class Soak:
    """The choices and the statistics of one soak; the same seed makes the same choices.

    Args:
        cycles: how many updates
        seed: of every random choice
        where: the board's name, for the summary
    """

    def __init__(self, cycles: int, seed: int, where: str) -> None:
        self.cycles = cycles
        self.seed = seed
        self.where = where
        self._random = Random(seed)
        self._faults: Counter[str] = Counter()
        self._seconds: list[float] = []

    def choose(self, choices: Sequence[Choice]) -> Choice:
        """One of them."""
        return self._random.choice(choices)

    def number(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return self._random.randint(low, high)

    def survived(self, fault: str) -> None:
        """The board came through this fault."""
        self._faults[fault] += 1

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure one good update; one that fails does not count."""
        began = time.monotonic()
        yield
        self._seconds.append(time.monotonic() - began)

    def summary(self) -> list[str]:
        """What came of it, in lines."""
        done = len(self._seconds)
        lines = [f"soak on {self.where}: {done} of {self.cycles} updates (--cycles {self.cycles} --seed {self.seed})"]
        if done:
            least, middle, most = min(self._seconds), statistics.median(self._seconds), max(self._seconds)
            lines.append(f"  an update took {least:.2f} to {most:.2f} s, {middle:.2f} s in the median")
        faults = ", ".join(f"{name} ({number})" for name, number in sorted(self._faults.items()))
        return [*lines, f"  faults survived between them: {faults or 'none'}"]
