"""What the gate says: met or not, and each thing that is missing with what would meet it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date

__all__ = ["Line", "Verdict"]


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One thing that the policy wants and the run has not shown.

    Attributes:
        line: of the policy, from 1
        scenario, board: whose; empty where it is about none
        mend: what would meet it
    """

    line: int
    scenario: str
    board: str
    problem: str
    mend: str

    def told(self, path: str) -> str:
        """As one line of text, with the place in the policy first."""
        whose = " on ".join(filter(None, (self.scenario, self.board)))
        return " ".join(f"{path}:{self.line}: {whose}{': ' if whose else ''}{self.problem}; {self.mend}".split())


@dataclass(frozen=True)
class Verdict:
    """How a run stands to a policy on a day.

    Attributes:
        unmet: what is missing
        waived: what would be missing, but for a waiver; the `mend` says whose
        notes: what somebody who signs should know besides
        counts: of scenarios by outcome
    """

    path: str
    name: str
    day: date
    unmet: tuple[Line, ...]
    waived: tuple[Line, ...]
    notes: tuple[str, ...]
    counts: Mapping[str, int]

    @property
    def met(self) -> bool:
        """Has the run shown all that the policy wants?"""
        return not self.unmet

    @property
    def headline(self) -> str:
        """The verdict in one line."""
        counted = ", ".join(f"{number} {outcome}" for outcome, number in self.counts.items()) or "no scenario"
        said = "MET" if self.met else f"NOT MET, {len(self.unmet)} unmet"
        waived = f", {len(self.waived)} waived" if self.waived else ""
        return f"gate {self.name}: {said}{waived} ({counted}; judged as of {self.day.isoformat()})"

    def lines(self) -> list[str]:
        """The verdict as text: the headline, what is unmet, what is waived, and what else there is to know."""
        return [
            self.headline,
            *(line.told(self.path) for line in self.unmet),
            *(f"waived: {line.told(self.path)}" for line in self.waived),
            *(f"note: {note}" for note in self.notes),
        ]

    def as_data(self) -> dict[str, object]:
        """The verdict as JSON has it."""
        return {
            "verdict": "met" if self.met else "not met",
            "policy": self.path,
            "name": self.name,
            "as_of": self.day.isoformat(),
            "counts": dict(self.counts),
            "unmet": [asdict(line) for line in self.unmet],
            "waived": [asdict(line) for line in self.waived],
            "notes": list(self.notes),
        }
