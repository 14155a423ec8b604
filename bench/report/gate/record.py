"""A run as the gate judges it: every scenario that was to run, with what became of it, from the run's folder alone.

Nothing is believed that is damaged: a folder that contradicts itself, or of which a file is cut, is no ground for a
verdict, and a `BenchError` says which file it is.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.report.gate.plan import ATTEMPTS, PLAN, UNCOLLECTED
from bench.report.html.parting import Parted
from bench.report.html.reading import Case, cases, run_facts

__all__ = ["NOT_SELECTED", "RunRecord", "Trial", "read_run"]

_AGAIN = "run the scenarios again, for a verdict needs whole evidence"
_WORST = ("failed", "error", "unfinished", "skipped", "passed")
"""Of two tellings of one attempt the worse counts: an outcome is written before the fixtures' end is known."""

NOT_SELECTED = "not selected"


@dataclass(frozen=True, slots=True)
class Trial:
    """One scenario in one pool of boards, and what became of it.

    Attributes:
        board: on which it ran; the pool where it ran on none
        chip: of the board, or of the pool
        boards, tags: of the board, or of all the boards of the pool where it ran on none
        kind: ``hardware``, ``emulator`` or ``model``
        outcome: ``passed``, ``unstable`` (passed, but not at its first attempt), ``failed``, ``error``, ``skipped``,
            ``unfinished``, ``unproven`` (passed, but without evidence), ``not run`` or ``not selected``
        cause: of the outcome, one line; empty where none is known
    """

    id: str
    name: str
    family: str
    marks: tuple[str, ...]
    pool: str
    board: str
    boards: tuple[str, ...]
    chip: str
    tags: frozenset[str]
    kind: str
    outcome: str
    cause: str = ""

    @property
    def full_name(self) -> str:
        """Family and name, much as the folder of its evidence is called."""
        return f"{self.family}.{self.name}"

    @property
    def ran(self) -> bool:
        """Was the firmware judged?"""
        return self.outcome in ("passed", "unstable", "failed")


@dataclass(frozen=True)
class RunRecord:
    """A run.

    Attributes:
        families: of all modules of scenarios that there were
        partial: those of which only a part was collected
        lost: boards that were set aside, with the cause
        uncollected: what could not be collected, with the cause: nobody knows which scenarios it has
        broken_off: why the run did not come to its end; empty where it did
    """

    folder: Path
    trials: tuple[Trial, ...]
    families: tuple[str, ...]
    partial: frozenset[str]
    lost: Mapping[str, str]
    uncollected: Mapping[str, str]
    broken_off: str = ""


def read_run(folder: Path) -> RunRecord:
    """The run in this folder. Raises `BenchError` where there is none, or where its evidence is damaged."""
    if not folder.is_dir():
        raise BenchError(f"{folder}: no such folder; name the folder of a run, like evidence/20260131-120000")
    if not (folder / PLAN).exists():
        raise BenchError(f"{folder} has no {PLAN}: it is no run of scenarios, or none was collected; {_AGAIN}")
    plan = _plan(folder / PLAN)
    facts = run_facts(folder)
    if facts.damage:
        raise BenchError(f"{folder}: {facts.damage[0]}; {_AGAIN}")
    attempts = _attempts(folder / ATTEMPTS)
    left = _evidence(folder, {one["id"] for one in plan["scenarios"]})
    return RunRecord(
        folder,
        tuple(_trial(one, plan, attempts.get(one["id"], []), left.get(one["id"], [])) for one in plan["scenarios"]),
        tuple(plan["families"]),
        frozenset(plan["partial"]),
        _causes(folder / "lost.jsonl", "board"),
        _causes(folder / UNCOLLECTED, "id"),
        _broken_off(facts.told),
    )


def _broken_off(told: Mapping[str, object]) -> str:
    if told.get("interrupted"):
        return "it was interrupted"
    return "" if "ended" in told else "it was killed, or goes on still"


def _plan(path: Path) -> dict[str, Any]:
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        boards, pools = plan["boards"], plan["pools"]
        sound = all(isinstance(plan[name], list) for name in ("families", "partial", "scenarios"))
        sound = sound and all(isinstance(name, str) for name in [*plan["families"], *plan["partial"]])
        texts, marks = ("id", "name", "family", "pool"), "marks"
        for one in plan["scenarios"]:
            sound = sound and all(isinstance(one[name], str) for name in texts)
            sound = sound and type(one["selected"]) is bool and all(isinstance(mark, str) for mark in one[marks])
            sound = sound and bool(pools[one["pool"]]) and all(boards[name]["chip"] for name in pools[one["pool"]])
        sound = sound and all(isinstance(tag, str) for board in boards.values() for tag in board["tags"])
        sound = sound and len({one["id"] for one in plan["scenarios"]}) == len(plan["scenarios"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BenchError(f"{path} does not tell what was to run: {error!r}; {_AGAIN}") from error
    if not sound:
        raise BenchError(f"{path} does not tell what was to run; {_AGAIN}")
    return dict(plan)


def _attempts(path: Path) -> dict[str, list[str]]:
    """How each attempt at each scenario ended, in their order."""
    found = defaultdict[str, list[str]](list)
    for told in _lines(path, "id"):
        outcome = told["outcome"]
        if outcome not in _WORST:
            said = repr(outcome[:40]) if isinstance(outcome, str) else f"a {type(outcome).__name__}"
            raise BenchError(f"{path}: {said} is no outcome; {_AGAIN}")
        found[told["id"]].append(outcome)
    return found


def _causes(path: Path, subject: str) -> dict[str, str]:
    """The first cause that is told of each subject."""
    found: dict[str, str] = {}
    for told in _lines(path, subject, "cause"):
        found.setdefault(told[subject], told["cause"])
    return dict(sorted(found.items()))


def _lines(path: Path, *texts: str) -> list[Mapping[str, Any]]:
    """The records of a file, of which each has these texts."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        told = [json.loads(line) for line in lines]
    except (OSError, ValueError, RecursionError) as error:
        raise BenchError(f"{path} is damaged: {error}; {_AGAIN}") from None
    sound = all(isinstance(one, dict) and all(isinstance(one.get(name), str) for name in texts) for one in told)
    if not sound or (path.name == ATTEMPTS and not all("outcome" in one for one in told)):
        raise BenchError(f"{path} is damaged: a line is no record; {_AGAIN}")
    return told


def _evidence(folder: Path, known: Iterable[str]) -> dict[str, list[Case]]:
    """What each scenario left, by its id and in the order of time; more than one where it moved to another board."""
    known, found = set(known), defaultdict[str, list[Case]](list)
    for case in cases(folder):
        where = f"{case.folder.parent.name}/{case.folder.name}"
        if case.outcome == "unfinished":
            continue  # it has no outcome, and the plan knows that it was to have one
        if case.damage:
            raise BenchError(f"{folder}: the evidence {where} is damaged: {case.damage[0]}; {_AGAIN}")
        if case.text("scenario") not in known:
            raise BenchError(f"{folder}: {where} is evidence of a scenario that {PLAN} does not know; {_AGAIN}")
        # Of what it said and saw nothing is judged here; of a whole run that would fill the memory.
        found[case.text("scenario")].append(replace(case, timeline=Parted(), console=b"", images=()))
    for several in found.values():
        several.sort(key=lambda case: (case.text("started"), case.board, case.name))
    return found


def _trial(one: Mapping[str, Any], plan: Mapping[str, Any], attempts: Sequence[str], left: Sequence[Case]) -> Trial:
    last = left[-1] if left else None
    pool = plan["pools"][one["pool"]]
    board = last.board if last is not None and last.board in plan["boards"] else ""
    boards = [board] if board else pool
    facts = [plan["boards"][name] for name in boards]
    outcome, cause = _became(attempts, left)
    if outcome == "not run" and not one["selected"]:
        outcome = NOT_SELECTED
    return Trial(
        one["id"],
        one["name"],
        one["family"],
        tuple(one["marks"]),
        one["pool"],
        board or one["pool"],
        tuple(boards),
        str(facts[0]["chip"]),
        frozenset(tag for fact in facts for tag in fact["tags"]),
        _kind(facts, last),
        outcome,
        cause,
    )


def _kind(facts: Sequence[Mapping[str, Any]], last: Case | None) -> str:
    """What it ran on. Hardware is what both the plan and the evidence call so."""
    told = [*facts, last.told] if last is not None else facts
    if any(one.get("virtual") is not False for one in told):
        return "model"
    return "hardware" if all(one.get("emulated") is False for one in told) else "emulator"


def _became(attempts: Sequence[str], left: Sequence[Case]) -> tuple[str, str]:
    """The outcome and its cause."""
    if not attempts and not left:
        return "not run", ""
    last = [*attempts[-1:], *(case.outcome for case in left[-1:])]
    outcome = min(last, key=_WORST.index)
    cause = left[-1].text("cause") if left else ""
    if outcome == "passed" and not left:
        return "unproven", ""
    if outcome == "passed" and not attempts:
        return "unfinished", "its outcome was written, but its end was never reported"
    earlier = [*attempts[:-1], *(case.outcome for case in left[:-1])]
    if outcome == "passed" and any(one != "passed" for one in earlier):
        return "unstable", f"its attempts: {', '.join([*attempts[:-1], 'passed'])}"
    return outcome, cause
