"""``python -m tests.fire`` (``tox -e fire``): many runs of scenarios, each ended by a signal at a random moment."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fire.signals import fire, shots
from tests.fixtures.labs import lab


def main() -> int:
    """Fire and tell; exit code 1 where something was left behind."""
    parser = argparse.ArgumentParser(prog="python -m tests.fire", description=__doc__)
    parser.add_argument("--times", type=int, default=50, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--first", type=float, default=-3.0, help="seconds, from the first scenario's begin")
    parser.add_argument("--last", type=float, default=6.0, help="seconds, from the first scenario's begin")
    args = parser.parse_args()
    findings = 0
    with tempfile.TemporaryDirectory() as folder, lab(Path(folder), desk="esp32c3") as desk:
        for number, shot in enumerate(shots(args.seed, args.times, args.first, args.last)):
            try:
                print(fire(desk, f"run-{number}", shot), flush=True)
            except AssertionError as error:
                findings += 1
                print(f"run {number}: {error}", flush=True)
    print(f"{args.times} runs, seed {args.seed}: {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
