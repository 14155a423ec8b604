"""Runs for the gate, made up of the files that a run leaves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench.boards.board import Board
from bench.report.gate import Verdict, judge, parse_policy, read_run
from bench.report.gate.plan import Planned, note_attempt, note_uncollected, write_plan

__all__ = ["BOARDS", "DAY", "FAMILIES", "Did", "made", "verdict"]

DAY = date(2026, 6, 15)

BOARDS = {
    board.name: board
    for board in (
        Board("desk", "esp32s3", "serial", port="/dev/ttyUSB0", tags=("mains", "lab")),
        Board("bench-c3", "esp32c3", "serial", port="/dev/ttyUSB1", tags=("lab",)),
        Board("second-s3", "esp32s3", "rfc2217", port="rfc2217://h:1"),
        Board("emulated", "esp32c3", "qemu"),
        Board("model-s3", "esp32s3", "virtual", tags=("mains",)),
        Board("model-c3", "esp32c3", "virtual"),
    )
}

FAMILIES = ("rollback", "tls", "update")


@dataclass(frozen=True)
class Did:
    """A scenario on a board, and how each attempt at it ended; none: it never ran."""

    name: str
    board: str = "desk"
    attempts: Sequence[str] = ("passed",)
    family: str = "update"
    marks: tuple[str, ...] = ()
    selected: bool = True
    cause: str = ""

    @property
    def id(self) -> str:
        return f"scenarios/test_{self.family}.py::{self.name}[{self.board}]"


def made(
    folder: Path,
    did: Iterable[Did],
    *,
    families: Iterable[str] = FAMILIES,
    partial: Iterable[str] = (),
    lost: Iterable[tuple[str, str]] = (),
    uncollected: Iterable[tuple[str, str]] = (),
    ended: bool = True,
    interrupted: bool = False,
) -> Path:
    """A run's folder in which these scenarios did that, in this order."""
    did = list(did)
    folder.mkdir(parents=True)
    planned = [Planned(one.id, one.name, one.family, one.marks, one.board, one.selected) for one in did]
    pools = {name: [board] for name, board in BOARDS.items() if name in {one.board for one in did}}
    write_plan(folder, planned, families=families, partial=partial, pools=pools)
    for one in did:
        for outcome in one.attempts:
            note_attempt(folder, one.id, outcome)
        if one.attempts:
            _evidence(folder / one.board / f"{one.family}.{one.name}", one)
    for board, cause in lost:
        with (folder / "lost.jsonl").open("a") as file:
            file.write(json.dumps({"board": board, "cause": cause}) + "\n")
    for what, cause in uncollected:
        note_uncollected(folder, what, cause)
    facts = {"started": "2026-06-15T10:00:00+00:00", "versions": {"Python": "3.11"}, "interrupted": interrupted}
    (folder / "run.json").write_text(json.dumps({**facts, **({"ended": "later"} if ended else {})}))
    return folder


def _evidence(folder: Path, one: Did) -> None:
    folder.mkdir(parents=True)
    board = BOARDS[one.board]
    told: dict[str, object] = {
        "outcome": one.attempts[-1],
        "cause": one.cause or None,
        "scenario": one.id,
        "board": one.board,
    }
    told |= {"chip": board.chip, "virtual": board.virtual, "emulated": board.emulated}
    (folder / "outcome.json").write_text(json.dumps(told))
    (folder / "images.json").write_text("[]")
    for name in ("console.raw", "timeline.jsonl", "requests.jsonl"):
        (folder / name).write_text("")


def verdict(folder: Path, policy: str, day: date = DAY) -> Verdict:
    """The verdict on the run in this folder."""
    return judge(parse_policy(policy.encode()), read_run(folder), day)
