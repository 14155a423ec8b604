"""The one door that every change of flash and eFuse by the processor passes: numbered, labelled, and cuttable.

A power cut is planned for an operation (`CutPlan`), and falls before, in the middle of, or after it. What "middle"
leaves behind is up to the memory: half a sector erased, half the bytes programmed, half the fuses blown.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

__all__ = ["CutPlan", "Door", "Phase"]


class Phase(enum.Enum):
    """Where in an operation the power fails."""

    BEFORE = "before"
    MIDDLE = "middle"
    AFTER = "after"


@dataclass(frozen=True)
class CutPlan:
    """Cut the power at the `nth` operation (from 1) whose purpose matches the glob `purpose`.

    With `back` it comes back at once: a glitch of the supply, or a pulse on EN.
    """

    purpose: str
    phase: Phase
    nth: int = 1
    back: bool = False

    def __post_init__(self) -> None:
        if self.nth < 1:
            raise ValueError(f"nth counts from 1, not {self.nth}")


class Door:
    """Counts operations, and cuts the power where that was planned.

    Args:
        cut: takes the power away and does not return (`Halted`); is told whether it comes back
    """

    def __init__(self, cut: Callable[[bool], None]) -> None:
        self._cut = cut
        self._plans: list[tuple[CutPlan, list[int]]] = []
        self.operations = 0
        self.by_purpose: Counter[str] = Counter()
        self.fired: list[CutPlan] = []

    def plan(self, cut: CutPlan) -> None:
        """Add a cut; its count begins now. Several may be planned; each falls once.

        Of two that are due at the same operation the one planned first falls, the other at the next that it matches.
        """
        self._plans = [*self._plans, (cut, [0])]

    def forget(self) -> None:
        """Drop all plans that have not fallen."""
        self._plans = []

    def renew(self) -> None:
        """Begin anew: no plans, no counts."""
        self.forget()
        self.operations = 0
        self.by_purpose.clear()
        self.fired.clear()

    @property
    def planned(self) -> tuple[CutPlan, ...]:
        return tuple(plan for plan, _ in self._plans)

    def change(self, purpose: str, *, half: Callable[[], None], whole: Callable[[], None]) -> None:
        """Do one operation.

        Args:
            purpose: what for, e.g. ``"otadata:confirm"``
            half: does that of it which is done when the power fails in its middle
            whole: does all of it
        """
        self.operations += 1
        self.by_purpose[purpose] += 1
        due = self._due(purpose)
        if due is None:
            whole()
            return
        if due.phase is Phase.BEFORE:
            self._cut(due.back)
        if due.phase is Phase.MIDDLE:
            half()
            self._cut(due.back)
        whole()
        self._cut(due.back)

    def _due(self, purpose: str) -> CutPlan | None:
        due: CutPlan | None = None
        for plan, seen in self._plans:
            if fnmatchcase(purpose, plan.purpose):
                seen[0] += 1
                if seen[0] >= plan.nth and due is None:
                    due = plan
        if due is None:
            return None
        self._plans = [(plan, seen) for plan, seen in self._plans if plan is not due]
        self.fired.append(due)
        return due
