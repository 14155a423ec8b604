"""How large the page of a run is, how long it takes to write, and how long a browser takes to open it.

    python benchmarks/report.py [--run evidence/<start>] [--runs 3]

The evidence is that of a real run (`--run`; without it some scenarios are run first), repeated until there are 130 and
1,000 scenarios. Printed are MiB, seconds of writing (best and median of the runs, and what it takes of a processor that
has nothing else to do), the seconds until Debian's Chromium can use the page, where it is installed, and those of
opening one scenario in it. Targets: 130 scenarios in 3 MiB and 2 s, 1,000 opened in 2 s.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.console.causes import explain  # noqa: E402  (the line above makes it importable from anywhere)
from bench.report.html import write_report  # noqa: E402
from tests.report.browser import CHROMIUM, browser  # noqa: E402

SIZES = (130, 1000)


def a_run(folder: Path) -> Path:
    """The evidence of a real run, made for the occasion."""
    command = [sys.executable, "-m", "pytest", "-q", "scenarios", "--board", "virtual-esp32s3", "-n", "2", "--no-html"]
    command += ["--evidence", str(folder), "--history", "none", "-p", "no:cacheprovider", "-k", "update or refused"]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (run,) = folder.iterdir()
    return run


def repeated(run: Path, count: int, folder: Path) -> Path:
    """A run of so many scenarios, of hard links to those of another one."""
    given = sorted(path.parent for path in run.glob("*/*/timeline.jsonl"))
    if not given:
        raise SystemExit(f"{run} has no evidence in it")
    for number, scenario in enumerate(islice(cycle(given), count)):
        copy = folder / scenario.parent.name / f"{scenario.name}_{number}"
        copy.mkdir(parents=True)
        for file in scenario.iterdir():
            os.link(file, copy / file.name)
    return folder


def opening(page: Path, runs: int) -> tuple[float, float]:
    """Median seconds until the page can be used, and until one scenario of it is drawn."""
    whole, one = [], []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, browser(Path(profile)) as chromium:
        for _ in range(runs):
            with chromium.page() as tab:
                whole.append(tab.open(page))
                began = time.perf_counter()
                tab.run("open(rows[rows.length - 1])")
                tab.wait("rows[rows.length - 1].dataset.ready === 'yes'")
                one.append(time.perf_counter() - began)
    return statistics.median(whole), statistics.median(one)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    # On the same file system as the run, for links do not cross from one to another.
    with tempfile.TemporaryDirectory(dir=options.run.parent if options.run else None) as made:
        folder = Path(made)
        run = options.run or a_run(folder / "evidence")
        for count in SIZES:
            many = repeated(run, count, folder / str(count))
            seconds, processor = [], []
            for _ in range(options.runs):
                began, worked = time.perf_counter(), time.process_time()
                page = write_report(many, decode=explain)
                seconds.append(time.perf_counter() - began)
                processor.append(time.process_time() - worked)
            size = page.stat().st_size / 2**20
            told = f"{count} scenarios: {size:.2f} MiB, written in {min(seconds):.2f} s"
            told += f" (median {statistics.median(seconds):.2f} s; {min(processor):.2f} s of one processor)"
            if CHROMIUM is not None:
                whole, one = opening(page, options.runs)
                told += f"; opened in {whole:.2f} s, one scenario in {one:.2f} s"
            print(told)
    if CHROMIUM is None:
        print("not opened: needs Debian's Chromium: apt-get install chromium")


if __name__ == "__main__":
    main()
