"""What a run was to show, and how often each scenario was tried: what no scenario can tell of itself.

    plan.json           every scenario that was collected, whether it was selected, and the boards it was for
    attempts.jsonl      how each attempt at a scenario ended, one a line, in the order in which they ended
    uncollected.jsonl   what could not be collected, a module that cannot be imported say, with the cause, one a line

A scenario that never ran leaves no evidence, one that was tried again leaves only that of its last attempt, and of a
module that cannot be imported nobody knows the scenarios; so a gate that knew nothing else would believe a run of one
scenario, or of one lucky scenario.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.boards.board import Board
from bench.errors import BenchError
from bench.report.growing import append_line
from bench.report.json_file import replace_json

__all__ = [
    "ATTEMPTS",
    "PLAN",
    "UNCOLLECTED",
    "Planned",
    "described_board",
    "note_attempt",
    "note_uncollected",
    "planned_ids",
    "write_plan",
]

PLAN, ATTEMPTS, UNCOLLECTED = "plan.json", "attempts.jsonl", "uncollected.jsonl"


@dataclass(frozen=True, slots=True)
class Planned:
    """One scenario in one pool of boards.

    Attributes:
        id: of the test, as pytest has it
        name: of the scenario with its parameters, but for the pool
        family: its module, without ``test_``
        marks: ``firmware``, or with its arguments ``needs(power_cut)``
        selected: was it to run?
    """

    id: str
    name: str
    family: str
    marks: tuple[str, ...]
    pool: str
    selected: bool


def described_board(board: Board) -> dict[str, object]:
    """What of a board belongs to the evidence: which it was and what it can do; nothing of its network."""
    return {
        "chip": board.chip,
        "driver": board.driver,
        "mac": board.mac,
        "tags": list(board.tags),
        "can": sorted(board.capabilities),
        "expendable": board.expendable,
        "virtual": board.virtual,
        "emulated": board.emulated,
    }


def write_plan(
    folder: Path,
    planned: Iterable[Planned],
    *,
    families: Iterable[str],
    partial: Iterable[str],
    pools: Mapping[str, Iterable[Board]],
) -> None:
    """Note in the run's folder what it is to show.

    Args:
        planned: every scenario that was collected
        families: of all modules of scenarios that there are, collected or not
        partial: those of which only a part was collected
        pools: the boards of each pool, by its name

    Raises:
        BenchError: it cannot be written
    """
    named = {name: list(boards) for name, boards in pools.items()}
    plan = {
        "families": sorted(set(families)),
        "partial": sorted(set(partial)),
        "pools": {name: [board.name for board in boards] for name, boards in sorted(named.items())},
        "boards": {board.name: described_board(board) for boards in named.values() for board in boards},
        "scenarios": [
            {
                "id": one.id,
                "name": one.name,
                "family": one.family,
                "marks": sorted(one.marks),
                "pool": one.pool,
                "selected": one.selected,
            }
            for one in sorted(planned, key=lambda one: one.id)
        ],
    }
    try:
        replace_json(folder / PLAN, plan)
    except OSError as error:
        raise BenchError(f"cannot note in {folder / PLAN} what the run is to show: {error.strerror}") from None


def planned_ids(folder: Path) -> frozenset[str]:
    """The ids of all that was collected; none where there is no plan to read."""
    try:
        plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        return frozenset(one["id"] for one in plan["scenarios"])
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()


def note_attempt(folder: Path, scenario: str, outcome: str) -> None:
    """Note how one attempt ended (passed, failed, error, skipped). `BenchError` where it cannot be written."""
    try:
        append_line(folder / ATTEMPTS, json.dumps({"id": scenario, "outcome": outcome}))
    except OSError as error:
        raise BenchError(f"cannot note in {folder / ATTEMPTS} how {scenario} ended: {error.strerror}") from None


def note_uncollected(folder: Path, what: str, cause: str) -> None:
    """Note what could not be collected (the id of a module, say), and why. `BenchError` where it cannot be written."""
    try:
        append_line(folder / UNCOLLECTED, json.dumps({"id": what, "cause": cause}))
    except OSError as error:
        place = folder / UNCOLLECTED
        raise BenchError(f"cannot note in {place} that {what} was not collected: {error.strerror}") from None
