"""A run's folder is its own, and its summary says what was a model and where the evidence lies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.report.run import Outcome, Run


def test_runs_in_the_same_second_get_folders_of_their_own(tmp_path: Path) -> None:
    folders = {Run.begin(tmp_path).folder for _ in range(5)}
    assert len(folders) == 5
    assert all(folder.is_dir() and folder.parent == tmp_path for folder in folders)


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="name one that can be written"):
        Run.begin(tmp_path / "file")


def test_a_scenario_name_never_leaves_the_run(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.scenario_folder("b", "test_a[../../x y]") == tmp_path / "b" / "test_a_.._.._x_y_"


def ended(run: Run, board: str, scenario: str, outcome: str, *, virtual: bool) -> None:
    folder = run.scenario_folder(board, scenario)
    folder.mkdir(parents=True)
    (folder / "outcome.json").write_text(json.dumps({"outcome": outcome, "virtual": virtual}))


def test_the_summary_counts_by_board_and_marks_models(tmp_path: Path) -> None:
    run = Run(tmp_path)
    ended(run, "model", "test_one", "passed", virtual=True)
    ended(run, "model", "test_two", "failed", virtual=True)
    ended(run, "desk", "test_one", "passed", virtual=False)
    assert Outcome("test_two", "model", "failed", True) in run.outcomes
    assert run.summary(run.outcomes) == [
        "desk: 1 passed",
        "model: 1 passed, 1 failed",
        "models, not hardware: model",
        f"evidence: {tmp_path}",
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"outcome": "passed"}', '{"outcome": "fine", "virtual": true}'])
def test_a_damaged_outcome_is_an_error_that_is_named_and_no_pass(tmp_path: Path, text: str) -> None:
    run = Run(tmp_path)
    ended(run, "model", "test_one", "passed", virtual=True)
    ended(run, "model", "test_two", "passed", virtual=True)
    path = tmp_path / "model" / "test_one" / "outcome.json"
    path.write_text(text)
    summary = run.summary(run.outcomes)
    assert summary[0] == "model: 1 error, 1 passed"
    assert summary[1] == "models, not hardware: model"
    assert summary[2].startswith(f"damaged, counted as error: {path} does not tell an outcome")
    damage = [outcome.damage for outcome in run.outcomes if outcome.damage]
    assert damage == [summary[2].removeprefix("damaged, counted as error: ")]


def test_a_sound_run_has_no_damage(tmp_path: Path) -> None:
    ended(Run(tmp_path), "model", "test_one", "skipped", virtual=True)
    assert [outcome.damage for outcome in Run(tmp_path).outcomes] == [""]
