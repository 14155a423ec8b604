"""How long the scenarios take on one virtual board, and one plain update by itself.

    python benchmarks/scenarios.py [--board virtual-esp32s3] [--runs 3] [-k EXPRESSION]

Each run is a pytest of its own. Printed are the wall seconds of the whole run, from starting Python to its end, and
the seconds of `test_update_to_a_newer_version` (set-up with flashing, scenario, tear-down) as its JUnit file has them;
then the medians.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UPDATE = "test_update_to_a_newer_version"


def run(board: str, keyword: str) -> tuple[float, int, float, float]:
    """Wall seconds, scenarios, seconds of the plain update, median seconds of all scenarios that ran."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-q", "scenarios", "--board", board, "-k", keyword]
        began = time.perf_counter()
        done = subprocess.run(
            [*command, "--evidence", folder, f"--junitxml={report}", "-p", "no:cacheprovider"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        wall = time.perf_counter() - began
        if done.returncode != 0:
            raise SystemExit(f"the scenarios did not pass, so their time says nothing:\n{done.stdout[-3000:]}")
        cases = ElementTree.parse(report).getroot().iter("testcase")
        seconds = {case.get("name", ""): float(case.get("time", "0")) for case in cases}
    update = next(value for name, value in seconds.items() if name.startswith(UPDATE))
    return wall, len(seconds), update, statistics.median(seconds.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", default="virtual-esp32s3")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("-k", dest="keyword", default="test", help="only scenarios that pytest's -k selects")
    options = parser.parse_args()
    results = []
    for number in range(1, options.runs + 1):
        wall, count, update, middle = run(options.board, options.keyword)
        results.append((wall, update, middle))
        print(f"run {number}: {count} scenarios in {wall:.1f} s; one update {update:.2f} s; median {middle:.2f} s")
    whole, update, middle = (statistics.median(column) for column in zip(*results, strict=True))
    print(f"{options.board}: whole {whole:.1f} s, one update {update:.2f} s, median scenario {middle:.2f} s")


if __name__ == "__main__":
    main()
