"""``bench init``: what it writes into a firmware repository runs, as the bench is installed from its wheel."""

from __future__ import annotations

import json
import os
import re
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
    assert "vars.OTA_BOARDS == 'yes'" in github["jobs"]["boards"]["if"]
    assert "if" not in github["jobs"]["model"]
    gitlab = yaml.safe_load((tmp_path / ".gitlab-ci.ota-bench.yml").read_text())
    assert ['$OTA_BOARDS == "yes"' in rule["if"] for rule in gitlab["ota-boards"]["rules"]] == [True]
    assert "rules" not in gitlab["ota-model"]
    assert (tmp_path / "Jenkinsfile.ota-bench").read_text().count("{") == (
        (tmp_path / "Jenkinsfile.ota-bench").read_text().count("}")
    )


@pytest.mark.parametrize(
    "name", [".github/workflows/ota-bench.yml", ".gitlab-ci.ota-bench.yml", "Jenkinsfile.ota-bench"]
)
def test_ci_is_green_as_it_is_written_once_it_says_where_the_bench_is(tmp_path: Path, name: str) -> None:
    """The bench is on no index; and what a job for boards needs (boards, a build) is not there yet."""
    assert main(["init", str(tmp_path)]) == 0
    text = (tmp_path / name).read_text()
    installs = re.findall(r"pip install (\S+)", text)
    assert len(installs) == 2
    assert {one.rstrip("'") for one in installs} == {'"$OTA_BENCH"'}
    model, boards = text.split("# Needs: " if "# Needs: " in text else "// Needs: ")
    assert not re.search(r"--board|--firmware", model)
    assert "OTA_BOARDS" in boards
    assert boards.index("idf.py build") < boards.index("--board tag:lab --firmware ../build")
    assert "tags: [lab]" in (tmp_path / "ota-tests/boards.yaml").read_text()


def test_the_board_that_is_commented_out_is_one(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path)]) == 0
    text = (tmp_path / "ota-tests/boards.yaml").read_text().replace("  # ", "  ")
    assert list(BoardsFile.parse(text.encode()).boards) == ["model", "desk"]


@pytest.mark.parametrize("from_its_source", [True, False])
def test_doctor_tells_whether_other_repositories_find_the_fixtures(
    installed: Path, tmp_path: Path, from_its_source: bool
) -> None:
    """An editable install runs from the source tree, which has no `bench.fixtures`."""
    source, repository = tmp_path / "source", tmp_path / "firmware"
    shutil.copytree(ROOT / "bench", source / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    repository.mkdir()
    code = "import sys; from bench.cli import main; sys.exit(main(['doctor', '--json']))"
    for folder in (repository, source):
        done = run(source if from_its_source else installed, folder, "-c", code)
        (told,) = (one for line in done.stdout.splitlines() if (one := json.loads(line))["step"] == "bench.fixtures")
        warned = from_its_source and folder == repository
        assert told["verdict"] == ("warning" if warned else "ok"), done.stderr
        assert told["mend"] == (f"pip install {source} (without -e) where these scenarios run" if warned else "")


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "none")]) == 2
    assert "is no folder" in capsys.readouterr().err
