"""The gallery is complete, its page in step, and its plugin strict. All of it is run by `tox -e qualify`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.images import BootDefect, Defect
from tests.scenarios.gallery import EXHIBITS
from tests.scenarios.gallery.document import document, guards_by_scenario, only_in_common, scenario_names
from tests.scenarios.gallery.exhibit import Exhibit, shows
from tests.scenarios.gallery.unproven import UNPROVEN

ROOT = Path(__file__).resolve().parents[2]


def test_there_are_enough() -> None:
    assert len(EXHIBITS) >= 60


def test_no_two_exhibits_have_a_name_in_common() -> None:
    names = [one.name for one in EXHIBITS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", [Defect, BootDefect])
def test_every_defect_is_on_show(kind: type[Defect] | type[BootDefect]) -> None:
    shown = {one.name for one in EXHIBITS}
    assert [one for one in kind if shows(one, "", {}).name not in shown] == []


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.name)
def test_every_exhibit_is_guarded_against_by_scenarios_that_are_there(exhibit: Exhibit) -> None:
    assert exhibit.guards
    assert [guard for guard in exhibit.guards if guard.partition("[")[0] not in scenario_names()] == []
    assert all(exhibit.guards.values()), "a failure must say something"


def test_every_scenario_is_proven_or_known_not_to_be() -> None:
    """A promise without a firmware that breaks it is worth nothing."""
    proven = guards_by_scenario(EXHIBITS)
    assert [name for name in scenario_names() if name not in proven and name not in UNPROVEN] == []


def test_no_scenario_is_called_unproven_that_is_not() -> None:
    """The list gets shorter, and never longer than need be."""
    proven = guards_by_scenario(EXHIBITS)
    assert [name for name in UNPROVEN if name in proven or name not in scenario_names()] == []


def test_no_scenario_is_proven_only_by_what_it_has_in_common_with_others() -> None:
    """Firmware that breaks every update, or forgets otadata on every failure, says nothing of what each is about."""
    assert only_in_common() == []


def test_the_page_is_in_step() -> None:
    page = ROOT / "docs" / "qualification.md"
    assert page.read_text(encoding="utf-8") == document(), (
        "docs/qualification.md is stale: python -m tests.scenarios.gallery"
    )


def test_the_plugin_takes_nothing_for_caught_that_is_not(tmp_path: Path) -> None:
    """A defect passes; sound firmware, a failure in other words, and a scenario that is skipped do not."""
    report = tmp_path / "junit.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.scenarios.small_gallery"]
    command += ["scenarios/test_update.py", "scenarios/test_signed.py", "--board", "virtual-esp32c3"]
    command += ["--evidence", str(tmp_path / "evidence"), f"--junit-xml={report}"]
    environment = {**os.environ, "OTA_BENCH_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert report.exists(), done.stdout + done.stderr
    told = {}
    for case in ElementTree.parse(report).iter("testcase"):
        failure = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        told[str(case.get("name"))] = "" if failure is None else f"{failure.tag}: {failure.text}"
    assert len(told) == 4
    by_exhibit = {next(name for name in _NAMES if name in case): text for case, text in told.items()}
    assert by_exhibit["version check lost"] == ""
    assert "not caught: the application is sound" in by_exhibit["sound"]
    assert "caught, but what was said does not name" in by_exhibit["forget on failure"]
    assert "not judged" in by_exhibit["another application"]


_NAMES = ("version check lost", "sound", "forget on failure", "another application")
