"""A run of scenarios that is ended by a signal at some moment, and what must hold afterwards."""

from __future__ import annotations

import fcntl
import json
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.timeline import read_jsonl
from tests.fixtures.labs import Lab, processes_below, running, until

__all__ = ["SIGNALS", "Shot", "fire", "shots"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)

_SCENARIOS = """
@pytest.mark.parametrize("number", range(100))
def test_told(ota, release, number):
    tell("begins")
    ota.start(release.version("2"))
    ota.expect_boot_after_update(version="2")
"""

_GONE_WITHIN = 60.0
"""Seconds until a run that was told to end has ended; it needs a few, on an idle machine."""


@dataclass(frozen=True)
class Shot:
    """Which signal, and how many seconds after the first scenario has begun; before it where that is negative."""

    number: signal.Signals
    moment: float

    def __str__(self) -> str:
        return f"{self.number.name} at {self.moment:+.3f} s"


def shots(seed: int, times: int, first: float, last: float) -> Iterator[Shot]:
    """The same for the same seed."""
    chance = random.Random(seed)
    for number in range(times):
        yield Shot(SIGNALS[number % len(SIGNALS)], chance.uniform(first, last))


def fire(lab: Lab, name: str, shot: Shot) -> str:
    """Start a run, end it, and look at what it leaves; a line that tells how that went.

    Raises:
        AssertionError: something was left behind, or is not what it should be
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a shell has what it starts in the background ignore Ctrl-C, and so would all that is started from there
        signal.signal(signal.SIGINT, signal.default_int_handler)
    before = len(lab.told)
    with lab.pytest(name, "--board", "tag:lab", "-q", scenarios=_SCENARIOS) as run:
        if shot.moment < 0:
            time.sleep(-shot.moment)
        else:
            run.until(lambda: len(lab.told) > before)
            time.sleep(shot.moment)
        children = processes_below(run.process.pid)
        run.process.send_signal(shot.number)
        began = time.monotonic()
        while run.process.poll() is None and time.monotonic() - began < _GONE_WITHIN:
            time.sleep(0.02)
        took = time.monotonic() - began
        if run.process.poll() is None:
            run.process.kill()
            raise AssertionError(f"{shot}: it goes on and on\n{run.end().output}")
        until(lambda: not any(map(running, children)))
        ended = run.end()
    killed = shot.number is signal.SIGKILL
    started = list(lab.folder.glob(f"{name}/evidence/*/run.json"))
    if started or killed:
        expected = -signal.SIGKILL if killed else 2
        assert ended.exit_code == expected, f"{shot}: exit code {ended.exit_code}\n{ended.output}"
    for path in started:
        _look_at_run(path.parent, shot, killed=killed)
    folders = [path.parent for path in lab.folder.glob(f"{name}/evidence/*/*/*/timeline.jsonl")]
    for folder in folders:
        _look_at(folder, shot, killed=killed)
    _leases_are_free(lab, shot)
    return f"{shot}: {len(folders)} scenarios, {len(children)} processes, over after {took:.2f} s"


def _look_at_run(folder: Path, shot: Shot, *, killed: bool) -> None:
    told = json.loads((folder / "run.json").read_text())
    if killed:
        assert "ended" not in told, f"{shot}: {told}"
        return
    assert told["interrupted"] is True, f"{shot}: {told}"
    if any(folder.glob("*/*/outcome.json")):
        assert (folder / "report.html").stat().st_size, f"{shot}: no report"


def _look_at(folder: Path, shot: Shot, *, killed: bool) -> None:
    """The evidence of one scenario is whole as far as it goes."""
    with (folder / "timeline.jsonl").open(encoding="ascii", newline="\n") as lines:
        entries = read_jsonl(lines)
    assert [entry.index for entry in entries] == list(range(len(entries))), f"{shot}: entries are missing"
    if not killed:
        outcome = json.loads((folder / "outcome.json").read_text())
        assert outcome["outcome"] in ("passed", "error"), f"{shot}: {outcome}"
        assert outcome["outcome"] == "passed" or "interrupted" in outcome["cause"], f"{shot}: {outcome}"
    elif (folder / "outcome.json").exists():
        assert json.loads((folder / "outcome.json").read_text())["outcome"] == "passed"
    for name in ("requests.jsonl", "images.json", "console.raw"):
        assert killed or (folder / name).exists(), f"{shot}: no {name}"


def _leases_are_free(lab: Lab, shot: Shot) -> None:
    """As the next run finds them, without patience."""
    files = list((lab.folder / "leases").glob("*.lease"))
    assert files or shot.moment < 0, f"{shot}: no board was ever leased"
    for path in files:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
