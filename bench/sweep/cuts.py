"""Where the power is cut: before, in the middle of, or after an operation, and perhaps again in the recovery."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bench.errors import BenchError
from bench.sweep.record import Recording
from bench.virtual.door import Phase

__all__ = ["Cut", "cuts_of", "parse_cuts"]

_CUT = re.compile(r"([0-9]{1,9}):(before|middle|after)")


@dataclass(frozen=True, slots=True)
class Cut:
    """A power cut at an operation, counted from 1."""

    operation: int
    phase: Phase

    def __str__(self) -> str:
        return f"{self.operation}:{self.phase.value}"


def cuts_of(recording: Recording) -> Iterator[Cut]:
    """Every cut of a life, in its order."""
    for operation in recording.operations:
        for phase in Phase:
            yield Cut(operation.number, phase)


def parse_cuts(text: str) -> tuple[Cut, ...]:
    """One cut, or one and a second in the recovery from it: ``214:middle``, ``214:middle+3:before``.

    Raises:
        BenchError: it is not of that form
    """
    cuts: list[Cut] = []
    for part in text.split("+"):
        found = _CUT.fullmatch(part)
        if found is None or len(cuts) == 2 or int(found[1]) < 1:
            raise BenchError(
                f"{text!r} is no cut: say OPERATION:before|middle|after, perhaps with a second one after +"
            )
        cuts.append(Cut(int(found[1]), Phase(found[2])))
    return tuple(cuts)
