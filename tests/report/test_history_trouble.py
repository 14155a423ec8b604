"""A history that cannot be written, or is found damaged by several at once: an error that says so, and nothing lost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.report.history import History

OUTCOME = {"outcome": "failed", "scenario": "test_x.py::test_x[desk]", "pool": "desk", "cause": "no boot", "seconds": 1}


def made(folder: Path, name: str, **told: object) -> Path:
    """A run's folder with one outcome that tells this."""
    place = folder / name / "desk" / "x.test_x"
    place.mkdir(parents=True)
    (place / "outcome.json").write_text(json.dumps({**OUTCOME, **told}))
    (folder / name / "run.json").write_text(json.dumps({"started": "2026-01-01T00:00:00+00:00", "exit_code": 1}))
    return folder / name


def runs(path: Path) -> set[str]:
    """The names of the runs that the file knows."""
    with History(path, read_only=True) as history:
        return {one.run for one in history.results()}


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    """One that holds a run already."""
    with History(tmp_path / "h.sqlite") as history:
        history.add_run(made(tmp_path, "before"))
        yield history


def test_a_full_disk_is_told_and_leaves_the_file_as_it_was(history: History, tmp_path: Path) -> None:
    (pages,) = history.db.execute("PRAGMA page_count").fetchone()
    history.db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(BenchError, match=r"h\.sqlite cannot be written: database or disk is full"):
        history.add_run(made(tmp_path, "big", cause="x" * 100_000))
    assert runs(history.path) == {"before"}
    history.db.execute(f"PRAGMA max_page_count = {pages + 100}")
    assert history.add_run(tmp_path / "big") == 1
    assert runs(history.path) == {"before", "big"}


def test_another_writer_that_does_not_come_to_its_end_is_told(history: History, tmp_path: Path) -> None:
    other = sqlite3.connect(history.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    history.db.execute("PRAGMA busy_timeout = 50")
    with pytest.raises(BenchError, match="cannot be written: database is locked"):
        history.add_run(made(tmp_path, "late"))
    with pytest.raises(BenchError, match="cannot be written: database is locked"):
        history.forget("2027-01-01")
    with pytest.raises(BenchError, match="cannot be read: database is locked"):
        history.results()
    other.execute("ROLLBACK")
    other.close()
    assert runs(history.path) == {"before"}


@pytest.mark.parametrize(
    "told",
    [{"cause": "half a pair: \ud83d"}, {"attempt": 10**30}, {"seconds": 10**400}, {"board": "\ud800"}],
    ids=["surrogate", "attempt", "seconds", "board"],
)
def test_an_outcome_of_odd_values_is_remembered_all_the_same(
    history: History, tmp_path: Path, told: dict[str, object]
) -> None:
    assert history.add_run(made(tmp_path, "odd", **told)) == 1
    (odd,) = (one for one in history.results() if one.run == "odd")
    assert (odd.outcome, odd.attempt) == ("failed", 1)
    assert odd.cause in ("no boot", "half a pair: \\ud83d")


def test_an_outcome_that_is_nested_without_end_is_left_out(history: History, tmp_path: Path) -> None:
    run = made(tmp_path, "deep")
    (run / "desk" / "x.test_x" / "outcome.json").write_text("[" * 100_000)
    assert history.add_run(run) == 0


def test_a_run_of_a_name_that_is_no_text_is_told(history: History, tmp_path: Path) -> None:
    run = made(tmp_path, "run-\udcff")
    with pytest.raises(BenchError, match=r"cannot be written: .*surrogates not allowed"):
        history.add_run(run)
    assert runs(history.path) == {"before"}


class Overtaken(History):
    """Finds the damage, and then another process is faster."""

    _overtaken = False

    def _opened(self) -> sqlite3.Connection:
        try:
            return super()._opened()
        except sqlite3.DatabaseError:
            if not self._overtaken:
                self._overtaken = True
                with History(self.path) as faster:
                    assert faster.moved_aside is not None
                    faster.add_run(self.path.parent / "before")
            raise


def test_of_two_that_find_the_same_damage_the_slower_leaves_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    with History(path):
        made(tmp_path, "before")
    path.write_bytes(path.read_bytes()[:6000])
    with Overtaken(path) as slower:
        assert slower.moved_aside is None
        slower.add_run(made(tmp_path, "after"))
    assert runs(path) == {"before", "after"}
    assert len(list(tmp_path.glob("h.sqlite.damaged-*"))) == 1


def test_a_damaged_file_that_cannot_be_moved_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "h.sqlite"
    with History(path):
        pass
    path.write_bytes(path.read_bytes()[:6000])

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(self), None, str(target))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(BenchError, match=r"h\.sqlite cannot be opened: Permission denied"), History(path):
        pass
