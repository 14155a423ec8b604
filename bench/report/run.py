"""One run of scenarios: its folder, and how each scenario ended on each board."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.errors import BenchError
from bench.report.json_file import replace_json

__all__ = ["Outcome", "Run"]

_OUTCOMES = ("passed", "failed", "error", "skipped")


@dataclass(frozen=True)
class Outcome:
    """How one scenario ended on one board.

    Attributes:
        outcome: passed, failed, error or skipped; error where its file is damaged
        virtual: was the board a model?
        damage: what is wrong with the file that should tell it; empty for a sound one
    """

    scenario: str
    board: str
    outcome: str
    virtual: bool
    damage: str = ""


@dataclass(frozen=True)
class Run:
    """A run; `folder` holds a folder for each board, and in it one for each scenario.

    Whoever runs scenarios, in however many processes, leaves an `outcome.json` in each of them, and nothing else is
    believed about how it went.
    """

    folder: Path

    @property
    def outcomes(self) -> list[Outcome]:
        """How every scenario ended that has ended, in the order of boards and names."""
        return [_outcome(path) for path in sorted(self.folder.glob("*/*/outcome.json"))]

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

    def note(self, **facts: object) -> None:
        """Add to `run.json` what is known of the run as a whole; JSON values. `BenchError` where it cannot be written.

        Who runs scenarios notes ``started``, ``command`` and ``versions``, and at the end ``ended``, ``exit_code`` and
        ``interrupted``: a run without an end was killed.
        """
        path = self.folder / "run.json"
        try:
            known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            replace_json(path, {**known, **facts})
        except (OSError, ValueError) as error:
            raise BenchError(f"cannot note in {path} how the run goes: {error}") from error

    def scenario_folder(self, board: str, scenario: str) -> Path:
        """Where the evidence of that scenario on that board goes; not yet made."""
        return self.folder / board / re.sub(r"[^\w.-]+", "_", scenario)

    def summary(self, outcomes: Sequence[Outcome]) -> list[str]:
        """What to say at the end: each board's outcomes, which boards were models, where the evidence lies."""
        lines = []
        for board in dict.fromkeys(outcome.board for outcome in outcomes):
            kinds = [outcome.outcome for outcome in outcomes if outcome.board == board]
            lines.append(f"{board}: " + ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)))
        virtual = dict.fromkeys(outcome.board for outcome in outcomes if outcome.virtual)
        if virtual:
            lines.append(f"models, not hardware: {', '.join(virtual)}")
        lines += [f"damaged, counted as error: {outcome.damage}" for outcome in outcomes if outcome.damage]
        return [*lines, f"evidence: {self.folder}"]


def _outcome(path: Path) -> Outcome:
    board, scenario = path.parent.parent.name, path.parent.name
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        outcome, virtual = told["outcome"], told["virtual"]
        if outcome not in _OUTCOMES or not isinstance(virtual, bool):
            raise ValueError(f"outcome {outcome!r}, virtual {virtual!r}")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return Outcome(scenario, board, "error", False, f"{path} does not tell an outcome: {error!r}")
    return Outcome(scenario, board, outcome, virtual)
