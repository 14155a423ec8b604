"""How much more a lab of several boards gets done, and whether a killed run leaves anything behind.

    python benchmarks/lab.py throughput [--boards 4] [-k EXPRESSION] [--realtime]
    python benchmarks/lab.py waiting [--boards 8] [--seconds 10] [--each 8]
    python benchmarks/lab.py kill [--times 50] [--seed 1] [--workers 2]

`throughput`: the scenarios on one virtual board, and then on several with a worker each, in scenarios a second of the
whole run, from starting Python to its end. With `--realtime` the boards take the time that the firmware waits.

`waiting`: the same where a scenario is mostly waiting, as it is on hardware: updates of `--realtime` boards that keep
their board for so many seconds, so many on each board. What is lost is the start and what the workers wait for one
another.

`kill`: a run in a lab of two boards behind RFC 2217 servers is killed (SIGKILL, its first process only) at a random
moment, and the next run is started at once with no patience for a lease. It must get its board, and no process of the
killed run may be left.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree

import trustme

from bench.boards.board import Board
from bench.boards.drivers import VirtualBoard
from bench.builds import VirtualBuild, write_build

ROOT = Path(__file__).resolve().parents[1]
CHIP = "esp32s3"


def boards_file(folder: Path, count: int, realtime: bool) -> Path:
    """As many virtual boards as wanted, under one tag."""
    fields = f"chip: {CHIP}, driver: virtual, tags: [lab]" + (", realtime: true" if realtime else "")
    path = folder / f"boards-{count}.yaml"
    path.write_text("boards:\n" + "".join(f"  virtual-{n}: {{{fields}}}\n" for n in range(count)))
    return path


def throughput(boards: int, keyword: str, realtime: bool) -> float:
    """Scenarios a second on so many boards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = folder / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-q", "scenarios", "-p", "no:cacheprovider", "-k", keyword]
        # its plugin loads the whole of hypothesis at the end of a run that uses none of it; a lab has none installed
        command += ["-p", "no:hypothesispytest"]
        command += ["--boards-file", str(boards_file(folder, boards, realtime)), "--board", "tag:lab"]
        command += ["--evidence", name, f"--junitxml={report}", *(["-n", str(boards)] if boards > 1 else [])]
        began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        if done.returncode != 0:
            raise SystemExit(f"the scenarios did not pass, so their time says nothing:\n{done.stdout[-3000:]}")
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
        ran = sum(case.find("skipped") is None for case in cases)
    plural = "s" * (boards > 1)
    print(
        f"{boards} board{plural}: {ran} scenarios in {seconds:.1f} s ({processor:.1f} s of processor time)", flush=True
    )
    return ran / seconds


WAITING = """
import time

import pytest


@pytest.mark.parametrize("number", range({count}))
def test_slow_update(ota, release, number):
    ends = time.monotonic() + {seconds}
    ota.start(release.version("2"))
    ota.expect_boot_after_update(version="2")
    time.sleep(max(0.0, ends - time.monotonic()))
"""


def waiting(boards: int, each: int, seconds: float) -> float:
    """Slow updates a second on so many boards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = boards * each
        made = project(folder / "run", WAITING.format(count=count, seconds=seconds))
        arguments = ["--boards-file", str(boards_file(folder, boards, realtime=True)), "--board", "tag:lab"]
        began = time.perf_counter()
        run = begin(made, *arguments, *(["-n", str(boards)] if boards > 1 else []))
        code = run.wait()
        took = time.perf_counter() - began
        if code != 0:
            raise SystemExit((made / "output").read_text()[-3000:])
    print(f"{boards} board{'s' * (boards > 1)}: {count} updates of {seconds:g} s in {took:.1f} s", flush=True)
    return count / took


SCENARIO = """
import time

import pytest


@pytest.mark.parametrize("number", range(1000))
def test_in_use(attachment, msg_queue, _listener, number):
    time.sleep(0.05)
"""

NEXT = """
def test_next(board):
    pass
"""


def project(folder: Path, scenarios: str) -> Path:
    """A project with one module of scenarios."""
    (folder / "scenarios").mkdir(parents=True)
    (folder / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    (folder / "scenarios" / "test_told.py").write_text(scenarios)
    return folder


def begin(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A run of that project."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    command += ["--rootdir", str(folder), "--evidence", str(folder / "evidence"), *arguments, "scenarios"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OTA_BENCH_LEASES": str(folder.parent / "leases")}
    # into a file: a pipe would be held open by whatever is left, and be waited for
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


def below(pid: int) -> set[int]:
    """The processes that this one started, and those that they did."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pid: int) -> bool:
    """Does it run? A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill_once(lab: Path, moment: float, workers: int, number: int) -> tuple[float, int]:
    """Kill a run after that many seconds. Seconds until nothing of it was left, and how many processes it had."""
    killed = project(lab / f"killed-{number}", SCENARIO)
    following = project(lab / f"next-{number}", NEXT)
    run = begin(killed, *arguments_of(lab, workers))
    time.sleep(moment)
    children = below(run.pid)
    run.send_signal(signal.SIGKILL)
    at = time.perf_counter()
    run.wait()
    after = begin(following, *arguments_of(lab, 0), "--lease-wait", "0")
    while any(map(alive, children)):
        if time.perf_counter() - at > 30:
            raise SystemExit(f"killed after {moment:.2f} s: left behind: {[pid for pid in children if alive(pid)]}")
        time.sleep(0.005)
    gone = time.perf_counter() - at
    if after.wait(timeout=120) != 0:
        raise SystemExit(f"killed after {moment:.2f} s: the next run failed:\n{(following / 'output').read_text()}")
    return gone, len(children)


def until_in_use(lab: Path, workers: int) -> float:
    """Seconds from the start of a run to its first board, on this machine as it is now."""
    run = begin(project(lab / "first", SCENARIO), *arguments_of(lab, workers))
    began = time.perf_counter()
    while not any(path.stat().st_size for path in (lab / "leases").glob("*.lease")):
        if run.poll() is not None:
            raise SystemExit((lab / "first" / "output").read_text())
        time.sleep(0.01)
    seconds = time.perf_counter() - began
    run.terminate()
    run.wait()
    return seconds


def arguments_of(lab: Path, workers: int) -> list[str]:
    """What a run is started with."""
    arguments = ["--boards-file", str(lab / "boards.yaml"), "--board", "tag:lab"]
    return [*arguments, "-n", str(workers)] if workers else arguments


def kills(times: int, seed: int, workers: int) -> None:
    """Kill runs at random moments: as likely while they start as while they use a board."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        lab = Path(name)
        write_build(VirtualBuild(CHIP, "advanced_https_ota", "1", trustme.CA().cert_pem.bytes()), lab / "app" / "build")
        text = "boards:\n"
        for number in range(2):
            board = stack.enter_context(VirtualBoard(Board(name=f"desk-{number}", chip=CHIP, driver="virtual")))
            text += f"  desk-{number}: {{chip: {CHIP}, driver: rfc2217, port: '{board.url}', tags: [lab], "
            text += f"firmware: '{lab / 'app' / 'build'}'}}\n"
        (lab / "boards.yaml").write_text(text)
        results = []
        usual = until_in_use(lab, workers)
        for number in range(times):
            results.append(kill_once(lab, chance.uniform(0.05, 2 * usual), workers, number))
        gone, children = zip(*results, strict=True)
        taken = sum("taken over" in path.read_text() for path in lab.glob("next-*/output"))
    print(
        f"{times} runs with {workers} workers killed within {2 * usual:.1f} s of their start (seed {seed}): every next"
    )
    print(f"run had its board at once, {taken} by taking a lease over; of up to {max(children)} processes below a run")
    print(f"nothing was left after {statistics.median(gone):.2f} s (median), {max(gone):.2f} s (worst)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("throughput")
    one.add_argument("--boards", type=int, default=4)
    one.add_argument("-k", dest="keyword", default="test", help="only scenarios that pytest's -k selects")
    one.add_argument("--realtime", action="store_true")
    three = commands.add_parser("waiting")
    three.add_argument("--boards", type=int, default=8)
    three.add_argument("--each", type=int, default=8)
    three.add_argument("--seconds", type=float, default=10.0)
    two = commands.add_parser("kill")
    two.add_argument("--times", type=int, default=50)
    two.add_argument("--seed", type=int, default=1)
    two.add_argument("--workers", type=int, default=2, help="0: without pytest-xdist")
    options = parser.parse_args()
    if options.command == "kill":
        kills(options.times, options.seed, options.workers)
        return
    if options.command == "waiting":
        alone = waiting(1, options.each, options.seconds)
        together = waiting(options.boards, options.each, options.seconds)
    else:
        alone = throughput(1, options.keyword, options.realtime)
        together = throughput(options.boards, options.keyword, options.realtime)
    print(f"{options.boards} boards do {together / alone:.2f} times the work of one; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
