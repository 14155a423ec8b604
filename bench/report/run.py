"""One run of scenarios: its folder, and how each scenario ended on each board."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.errors import BenchError

__all__ = ["Outcome", "Run"]


@dataclass(frozen=True)
class Outcome:
    """How one scenario ended on one board.

    Attributes:
        outcome: passed, failed, error or skipped
        virtual: was the board a model?
    """

    scenario: str
    board: str
    outcome: str
    virtual: bool


@dataclass
class Run:
    """A run that is under way; `folder` holds a folder for each board, and in it one for each scenario."""

    folder: Path
    outcomes: list[Outcome] = field(default_factory=list)

    @classmethod
    def begin(cls, root: Path) -> Run:
        """A run with a new folder under `root`, named by its start in UTC. `BenchError` where none can be made."""
        name = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        for suffix in ("", *(f"-{number}" for number in range(2, 1000))):
            folder = root.resolve() / (name + suffix)
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise BenchError(
                    f"no folder for the evidence: {folder}: {error.strerror}; name one that can be written"
                ) from None
            return cls(folder)
        raise BenchError(f"no folder for the evidence: a thousand runs started in this second in {root}")

    def scenario_folder(self, board: str, scenario: str) -> Path:
        """Where the evidence of that scenario on that board goes; not yet made."""
        return self.folder / board / re.sub(r"[^\w.-]+", "_", scenario)

    def summary(self) -> list[str]:
        """What to say at the end: each board's outcomes, which boards were models, where the evidence lies."""
        lines = []
        for board in dict.fromkeys(outcome.board for outcome in self.outcomes):
            kinds = [outcome.outcome for outcome in self.outcomes if outcome.board == board]
            lines.append(f"{board}: " + ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)))
        virtual = dict.fromkeys(outcome.board for outcome in self.outcomes if outcome.virtual)
        if virtual:
            lines.append(f"models, not hardware: {', '.join(virtual)}")
        return [*lines, f"evidence: {self.folder}"]
