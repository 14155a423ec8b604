"""docs/coverage.md is what the marks on the scenarios say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.report.coverage import Case, StandIn, Suite, coverage_table, load_stand_ins, load_suites

ROOT = Path(__file__).resolve().parents[2]

SUITES = (Suite("a", "Suite A", (Case("one"), Case("two", "no such thing here"), Case("three"))),)


def test_the_committed_table_is_in_step_with_the_scenarios(tmp_path: Path) -> None:
    made = tmp_path / "coverage.md"
    command = [sys.executable, "-m", "pytest", "scenarios", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--write-coverage", str(made)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert made.read_text(encoding="utf-8") == (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8"), (
        "docs/coverage.md is stale: pytest scenarios --collect-only --write-coverage docs/coverage.md"
    )


def test_covered_missing_and_out_of_reach_are_told_apart() -> None:
    table = coverage_table(SUITES, {"a: one": ["test_x.py::test_y"]}, {"test_x.py::test_y": "It works."})
    assert "| one | `test_x.py::test_y` |" in table
    assert "| two | out of reach: no such thing here |" in table
    assert "| three | **missing** |" in table
    assert "| `test_x.py::test_y` | It works. |" in table


def test_a_mark_for_a_case_that_is_not_there_is_an_error() -> None:
    with pytest.raises(BenchError, match="no such case"):
        coverage_table(SUITES, {"a: four": ["test_x.py::test_y"]}, {})


@pytest.mark.parametrize(
    "text", ["[[suite]]\nname = 1", "suite = 3", "[[suite]", "", '[[suite]]\nname="a"\ntitle="b"\ncases=[{}]']
)
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "coverage.toml"
    path.write_text(text)
    with pytest.raises(BenchError, match=r"coverage\.toml"):
        load_suites(path)


def test_the_committed_suites_have_no_case_twice() -> None:
    for suite in load_suites(ROOT / "docs" / "coverage.toml"):
        names = [case.name for case in suite.cases]
        assert len(names) == len(set(names))
        assert names


def test_what_was_met_as_a_stand_in_only_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "coverage.toml"
    path.write_text('[[stand_in]]\nname = "a hub"\ntests = "tests/x.py"\ntold_by = "its source"\n')
    assert load_stand_ins(path) == (StandIn("a hub", "tests/x.py", "its source"),)
    table = coverage_table(SUITES, {}, {}, load_stand_ins(path))
    assert "## Not yet seen on the real thing" in table
    assert "| a hub | `tests/x.py` | its source |" in table
    path.write_text('[[stand_in]]\nname = "a hub"\n')
    with pytest.raises(BenchError, match="stand_in"):
        load_stand_ins(path)


def test_the_tests_of_every_stand_in_are_there() -> None:
    stand_ins = load_stand_ins(ROOT / "docs" / "coverage.toml")
    assert stand_ins
    for stand_in in stand_ins:
        assert (ROOT / stand_in.tests).is_file(), stand_in
