"""``bench init``: what it writes into a firmware repository runs, as the bench is installed from its wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from bench.boards.boards_file import BoardsFile
from bench.cli import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with what the wheel holds, as pyproject.toml says."""
    site = tmp_path / "site"
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    leave = shutil.ignore_patterns("__pycache__")
    for package in wheel["packages"]:
        shutil.copytree(ROOT / package, site / package, ignore=leave)
    for source, place in wheel["force-include"].items():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, site / place, ignore=leave)
        else:
            shutil.copy(ROOT / source, site / place)
    return site


def run(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program with that installation before any other."""
    environment = {**os.environ, "PYTHONPATH": str(site), "OTA_BENCH_HOME": str(site.parent / "home")}
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_what_is_written_runs(installed: Path, tmp_path: Path) -> None:
    repository = tmp_path / "firmware"
    repository.mkdir()
    code = "import sys; from bench.cli import main; sys.exit(main(['init', '.']))"
    made = run(installed, repository, "-c", code)
    assert made.returncode == 0, made.stderr
    done = run(installed, repository / "ota-tests", "-m", "pytest", "-p", "no:cacheprovider")
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert "models, not hardware: model" in done.stdout
    shipped = run(
        installed, repository / "ota-tests", "-m", "pytest", "--pyargs", "bench.scenarios", "-k", "newer_version"
    )
    assert shipped.returncode == 0
    assert "test_update.py ." in shipped.stdout, shipped.stdout + shipped.stderr


def test_nothing_that_is_there_is_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ota-tests").mkdir()
    mine = tmp_path / "ota-tests" / "boards.yaml"
    mine.write_text("mine")
    assert main(["init", str(tmp_path), "--ci", "gitlab"]) == 0
    told = capsys.readouterr().out
    assert mine.read_text() == "mine"
    assert f"kept     {mine}" in told
    assert not (tmp_path / ".github").exists()
    assert (tmp_path / ".gitlab-ci.ota-bench.yml").exists()


def test_the_files_are_what_their_readers_expect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path)]) == 0
    capsys.readouterr()
    assert list(BoardsFile.load(tmp_path / "ota-tests/boards.yaml").boards) == ["model"]
    github = yaml.safe_load((tmp_path / ".github/workflows/ota-bench.yml").read_text())
    assert github["jobs"]["boards"]["runs-on"] == ["self-hosted", "esp32"]
    gitlab = yaml.safe_load((tmp_path / ".gitlab-ci.ota-bench.yml").read_text())
    assert "ota-boards" in gitlab
    assert (tmp_path / "Jenkinsfile.ota-bench").read_text().count("{") == (
        (tmp_path / "Jenkinsfile.ota-bench").read_text().count("}")
    )


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "none")]) == 2
    assert "is no folder" in capsys.readouterr().err
