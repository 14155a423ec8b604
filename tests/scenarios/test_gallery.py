"""A scenario is proven by a firmware that breaks its promise and is caught."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.scenarios.gallery import EXHIBITS, Exhibit

ROOT = Path(__file__).resolve().parents[2]

Verdicts = dict[str, tuple[str, str]]
"""By scenario and exhibit: failure, error, skipped or passed, and what was said."""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """One run over the whole gallery, on one virtual board."""
    folder = tmp_path_factory.mktemp("gallery")
    report = folder / "junit.xml"
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
    command += ["-p", "tests.scenarios.gallery", "scenarios", "--board", "virtual-esp32c3", "--patience", "4"]
    command += ["--evidence", str(folder / "evidence"), f"--junit-xml={report}"]
    environment = {**os.environ, "OTA_BENCH_HOME": str(folder / "home")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert report.exists(), done.stdout + done.stderr
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        outcome = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        said = "" if outcome is None else f"{outcome.get('message')}\n{outcome.text}"
        found[str(case.get("name"))] = ("passed" if outcome is None else outcome.tag, said)
    return found


def test_every_exhibit_is_on_show(verdicts: Verdicts) -> None:
    """No exhibit names a scenario that is not there any more."""
    assert len(verdicts) == len(EXHIBITS)


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.name)
def test_a_defective_firmware_fails_its_scenario(verdicts: Verdicts, exhibit: Exhibit) -> None:
    """It fails, as firmware does, and is no error of the bench; and the failure names what broke."""
    outcome, said = verdicts[f"{exhibit.scenario.partition('::')[2]}[virtual-esp32c3-{exhibit.name}]"]
    assert outcome == "failure", said
    assert exhibit.says in said
