"""A disk that fills up in the middle of a scenario: an error that says so, and what was written before is whole."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.timeline import read_jsonl
from tests.fixtures.runs import Run, run_pytest

_LIMIT = """
def fill(folder):
    # no file grows any more beyond a few thousand bytes: EFBIG, which needs no rights, where a full disk says ENOSPC
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
"""

_BALLAST = """
def fill(folder):
    with (folder / "ballast").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return
"""

_SCENARIOS = '''

def test_before(ota, release):
    """There is room."""
    ota.wait_for_prompt()


def test_meanwhile(ota, release, run):
    """There is none any more."""
    ota.wait_for_prompt()
    fill(run.folder.parent)
    ota.start(release.version("2"))
    ota.expect_boot_after_update(version="2")


def test_after(ota, release):
    """It does not come back."""
    ota.wait_for_prompt()
'''


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The project's folder, with its evidence on a disk of 4 MiB."""
    folder = tmp_path / "project"
    evidence = folder / "evidence"
    evidence.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(evidence)]
    try:
        refused = subprocess.run(mount, capture_output=True, text=True, check=False).stderr
    except FileNotFoundError:
        refused = "there is no `mount`"
    if refused:
        pytest.skip(f"no disk of its own without the right to mount one: {refused.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(evidence)], check=True)


def test_a_file_that_cannot_grow(tmp_path: Path) -> None:
    run = run_pytest(tmp_path / "project", "--board", "virtual-esp32c3", scenarios=_LIMIT + _SCENARIOS)
    _look_at(run, "File too large")
    outcomes = {path.parent.name.removeprefix("told."): path for path in run.folder.glob("evidence/*/*/*/outcome.json")}
    told = json.loads(outcomes["test_meanwhile"].read_text())
    assert told["outcome"] == "error"
    assert "File too large" in told["cause"]


def test_a_disk_without_room(small_disk: Path) -> None:
    run = run_pytest(small_disk, "--board", "virtual-esp32c3", scenarios=_BALLAST + _SCENARIOS)
    _look_at(run, "No space left on device")


def _look_at(run: Run, why: str) -> None:
    """Errors with the reason, told in the terminal, and nothing that is half written."""
    assert run.exit_code == pytest.ExitCode.TESTS_FAILED, run.output
    assert "virtual-esp32c3: " in run.output, run.output
    summary = [line for line in run.output.splitlines() if line.startswith(("ERROR ", "FAILED "))]
    assert all(line.startswith("ERROR ") for line in summary), run.output
    for name in ("test_meanwhile", "test_after"):
        assert any(f"::{name}[" in line for line in summary), run.output
    assert f": {why}" in run.output
    assert "JUnit XML: none was written" in run.output
    assert "report: none was written" in run.output
    written = [path for path in run.folder.glob("evidence/**/*") if path.is_file()]
    assert not [path for path in written if path.name.startswith(".") and path.name.endswith(".new")]
    timelines = [path for path in written if path.name == "timeline.jsonl"]
    assert len(timelines) == 3
    for path in timelines:
        with path.open(encoding="ascii", newline="\n") as lines:
            entries = read_jsonl(lines)
        assert [entry.index for entry in entries] == list(range(len(entries)))
    for path in written:
        if path.suffix == ".json":
            json.loads(path.read_text())
        assert path.name != "junit.xml"
