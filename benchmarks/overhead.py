"""What evidence, report and history cost a run, as a share of its processor time.

    python benchmarks/overhead.py [--board virtual-esp32s3] [--runs 8] [-k EXPRESSION]

The same scenarios run in turns, in two ways (this file is the plugin of both):

- with all of it, and two clocks around every door to it: what hears the console and the timeline, the thread that
  writes, the store of firmware, outcomes with their amendments, the list of attempts, the page and the history. One
  is the processor time of the thread; the other is the time that the thread of the tests spent there, as a share of
  how long the run took: what whoever waits for the run would gain without. They hardly depend on what else the machine
  does. What the first clock itself takes is taken off.
- without: `--no-html --history none`, and evidence that is thrown away. The timeline itself is there, for scenarios
  wait on it, and so is pytest's JUnit file. The difference of the medians is printed too; it holds what the clocks do
  not see (imports, what is slower because caches are shared) and what the clocks themselves cost, and on a machine
  that does other things it is mostly noise.

The whole is the user and system time of pytest and of the virtual boards, from starting Python to its end. Virtual
boards do in a quarter of a second what takes real ones minutes, with the same evidence: theirs is the worst case.
Where files are dear to make, a third of it is that: run it with `TMPDIR=/dev/shm`, too.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
WITHOUT = ("--no-html", "--history", "none")
COUNT_INTO = "OVERHEAD_COUNTED"
"""Environment variable: the file for what was counted; without it, evidence is thrown away."""


class Counting:
    """Clocks around functions, of the outermost one only where they call one another.

    Attributes:
        seconds: processor time by name
        calls: how many there were, by name; those from within another one are part of that
        waited: seconds that the thread of the tests was there
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self.waited = 0.0
        self._inside = threading.local()

    def around(self, owner: Any, name: str, part: str) -> None:
        """Put a clock around a method of a class or a function of a module."""
        function = getattr(owner, name)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if getattr(self._inside, "yes", False):
                return function(*args, **kwargs)
            self._inside.yes, began, entered = True, time.thread_time(), time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._inside.yes = False
                self.seconds[part] += time.thread_time() - began
                self.calls[part] += 1
                if threading.current_thread() is threading.main_thread():
                    self.waited += time.perf_counter() - entered

        setattr(owner, name, timed)


class _Nothing:
    def happens(self) -> None:
        """What takes no time but that of the clocks."""


def of_clocks(calls: int = 20_000) -> float:
    """Processor seconds that the clocks themselves take within each of the times that they tell."""
    counting, nothing = Counting(), _Nothing()
    counting.around(_Nothing, "happens", "nothing")
    for _ in range(calls):
        nothing.happens()
    return counting.seconds["nothing"] / calls


def doors() -> list[tuple[Any, str, str]]:
    """Every way into evidence, report and history: owner, name, and the part it belongs to."""
    import bench.report.run
    import fixtures.gate
    import fixtures.report
    from bench.report.evidence import Evidence
    from bench.report.firmware_store import FirmwareStore
    from bench.report.history import History

    found: list[tuple[Any, str, str]] = []
    heard = ("open", "attach", "console", "flashed", "outcome", "close", "_write")
    found += [(Evidence, name, "evidence") for name in heard]
    found += [(FirmwareStore, name, "firmware store") for name in ("keep_build", "keep_image")]
    found += [(fixtures.gate, name, "attempts") for name in ("note_attempt", "write_plan")]
    found += [(fixtures.report, name, "outcomes") for name in ("_tell", "_of_firmware")]
    found.append((bench.report.run, "_outcome", "outcomes"))
    return [*found, (fixtures.report, "write_report", "page"), (History, "add_run", "history")]


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """As a plugin of pytest: count, or throw evidence away."""
    into = os.environ.get(COUNT_INTO)
    if into is None:
        _throw_away(config)
        return
    counting = Counting()
    for owner, name, part in doors():
        counting.around(owner, name, part)

    def tell() -> None:
        each = of_clocks()
        parts = {part: seconds - each * counting.calls[part] for part, seconds in counting.seconds.items()}
        Path(into).write_text(json.dumps([counting.waited, parts]))

    config.add_cleanup(tell)


def _throw_away(config: pytest.Config) -> None:
    from bench.report.evidence import Evidence
    from bench.report.firmware_store import FirmwareStore

    def nothing(*_: object, **__: object) -> None:
        return None

    for owner, names in (
        (Evidence, ("attach", "console", "flashed", "outcome", "close")),
        (FirmwareStore, ("keep_build", "keep_image")),
    ):
        for name in names:
            setattr(owner, name, nothing)
    Evidence.open = lambda self: self  # type: ignore[method-assign]  # what this plugin is for
    config.pluginmanager.unregister(name="ota-bench-attempts")


def run(options: argparse.Namespace, folder: Path, *, whole: bool) -> tuple[float, float, float, dict[str, float]]:
    """Processor seconds and wall seconds of one run, the seconds it waited, and the processor seconds by part."""
    counted = folder / "counted.json"
    command = [sys.executable, "-m", "pytest", "-q", "scenarios", "--board", options.board, "-k", options.keyword]
    command += ["--evidence", str(folder), "-p", "no:cacheprovider", "-p", "overhead", *(() if whole else WITHOUT)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    os.sync()  # what the runs before have left to be written is not to be waited for in this one
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment | ({COUNT_INTO: str(counted)} if whole else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        told = (done.stdout + done.stderr)[-3000:]
        raise SystemExit(f"the scenarios did not pass, so their time says nothing:\n{told}")
    waited, parts = json.loads(counted.read_text()) if whole else (0.0, {})
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, waited, parts


def measure(options: argparse.Namespace, folders: Iterator[Path]) -> None:
    """Run in turns, and print what each round and all of them say."""
    run(options, next(folders), whole=True)  # what is made once and kept is made now
    whole, bare, shares, waits = [], [], [], []
    parts: Counter[str] = Counter()
    for number in range(1, options.runs + 1):
        # Now one first and now the other: a machine that gets slower meanwhile would be taken for what evidence costs.
        order = (False, True) if number % 2 else (True, False)
        done = {is_whole: run(options, next(folders), whole=is_whole) for is_whole in order}
        bare.append(done[False][:2])
        processor, wall, waited, counted = done[True]
        whole.append((processor, wall))
        shares.append(sum(counted.values()) / processor)
        waits.append(waited / wall)
        parts.update({part: seconds / processor / options.runs for part, seconds in counted.items()})
        print(
            f"run {number}: {processor:.2f} s, of them {shares[-1]:.1%} counted; {bare[-1][0]:.2f} s without; "
            f"waited {waits[-1]:.1%} of {wall:.2f} s",
            flush=True,
        )
    print(f"counted, median: {statistics.median(shares):.1%} of the processor time of a run")
    print("of which, on average: " + ", ".join(f"{part} {share:.1%}" for part, share in parts.most_common()))
    print(f"waited for it, median: {statistics.median(waits):.1%} of the time that a run takes")
    for name, column in (("processor", 0), ("wall", 1)):
        without, all_of_it = (statistics.median(one[column] for one in runs) for runs in (bare, whole))
        print(f"{name}, medians: {without:.2f} s without, {all_of_it:.2f} s with: {all_of_it / without - 1:+.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", default="virtual-esp32s3")
    parser.add_argument("--runs", type=int, default=8, help="an even number, for the order of the two ways to change")
    parser.add_argument("-k", dest="keyword", default="update or refus", help="only scenarios that pytest's -k selects")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:  # which goes at the end: to remove files keeps some disks busy
        measure(options, (Path(tempfile.mkdtemp(dir=folder)) for _ in itertools.count()))


if __name__ == "__main__":
    main()
