"""``python -m tests.fuzz``: a long run over some or all targets, on all cores, with progress and replay."""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.fuzz.targets import TARGETS

_PORTION = 2000


class Finding(Exception):
    """An input that a target did not take."""

    def __init__(self, target: str, seed: int, number: int, told: str) -> None:
        super().__init__(target, seed, number, told)
        self.target = target
        self.number = number
        self.replay = f"python -m tests.fuzz --target {target} --seed {seed} --only {number}"
        self.told = told

    def __str__(self) -> str:
        return f"{self.target} #{self.number}: replay by  {self.replay}\n{self.told}"


def fuzz(target: str, seed: int, numbers: range) -> None:
    """Try these inputs. Raises `Finding` for the first one that the target does not take."""
    mutator = TARGETS[target].mutator()
    number, data = numbers.start, b""
    try:
        with TARGETS[target].open() as check:
            for number in numbers:
                data = mutator.input(seed, number)
                check(data)
    except Exception as error:
        told = "".join(traceback.format_exception(error, limit=-4))
        raise Finding(target, seed, number, f"{told}input: {data[:200]!r}") from error


def _portions(inputs: int) -> Iterator[range]:
    for start in range(0, inputs, _PORTION):
        yield range(start, min(start + _PORTION, inputs))


def _run(args: argparse.Namespace) -> int:
    findings: list[BaseException] = []
    with ProcessPoolExecutor(args.jobs) as pool:
        for target in args.target or TARGETS:
            began, done = time.monotonic(), 0
            tasks = {pool.submit(fuzz, target, args.seed, portion): portion for portion in _portions(args.inputs)}
            for task in as_completed(tasks):
                done += len(tasks[task])
                if (found := task.exception()) is not None:
                    findings.append(found)
                if sys.stderr.isatty():
                    print(f"\r{target}: {done} of {args.inputs}", end="", file=sys.stderr, flush=True)
            seconds = time.monotonic() - began
            here = sum(isinstance(found, Finding) and found.target == target for found in findings)
            print(f"\r{target:16} {done:>9} inputs in {seconds:6.1f} s, seed {args.seed}: {here} findings", flush=True)
    for finding in findings[:20]:
        print(f"\n{finding}")
    return 1 if findings else 0


def main() -> int:
    """Run and tell; exit code 1 with findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="default: all")
    parser.add_argument("--inputs", type=int, default=100_000, metavar="N", help="for each target (default: 100000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="only the input with this number")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N")
    args = parser.parse_args()
    if args.only is not None:
        try:
            fuzz(args.target[0], args.seed, range(args.only, args.only + 1))
        except Finding as finding:
            print(finding)
            return 1
        print("no finding")
        return 0
    return _run(args)


if __name__ == "__main__":
    sys.exit(main())
