"""``bench sweep``: power cuts at every flash and eFuse operation of a life, on the virtual board.

Exit code 1: a promise is broken after some cut; each is printed with the command that replays it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.arguments import count, number
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.builds import Build
    from bench.server import Authority
    from bench.sweep import Story, Sweep, Tally

__all__ = ["register"]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    from bench.sweep.stories import STORIES

    stories = "".join(f"  {story.name:20} {story.about}\n" for story in STORIES.values())
    parser = commands.add_parser(
        "sweep",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Cut the power of a virtual board at every flash and eFuse operation of a life: before it, in its\n"
        "middle, after it. After each cut an image must boot that may run, and the next update succeed.",
        epilog=f"stories:\n{stories}",
    )
    parser.add_argument("stories", nargs="*", metavar="STORY", help="which lives (default: all)")
    parser.add_argument("--chip", default="esp32s3", choices=("esp32", "esp32c3", "esp32s3"))
    parser.add_argument("--build", type=Path, metavar="DIR", help="sweep this build instead of the story's own")
    parser.add_argument("--second", type=number, default=200, metavar="N", help="pairs of cuts drawn (default: 200)")
    parser.add_argument("--seed", type=number, default=1, metavar="N", help="of the drawing (default: 1)")
    parser.add_argument("--jobs", type=count, default=2, metavar="N", help="processes (default: 2)")
    parser.add_argument("--at", metavar="CUT", help="only this cut, e.g. 214:middle or 214:middle+3:before; shows all")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from bench.errors import ExpectationFailed
    from bench.server import Authority, default_folder
    from bench.sweep.stories import STORIES, story_named

    names = args.stories or list(STORIES)
    if (args.at or args.build) and len(args.stories) != 1:
        raise BenchError("--at and --build go with one story: name it")
    authority = Authority.load_or_create(default_folder())
    broken = 0
    for name in names:
        story = story_named(name)
        try:
            with _build(story, args, authority) as build, _swept(story, build, authority) as sweep:
                broken += _one(sweep, args.at) if args.at else _all(story, sweep, args)
        except ExpectationFailed as error:
            print(error)
            broken += 1
    return 1 if broken else 0


@contextmanager
def _build(story: Story, args: argparse.Namespace, authority: Authority) -> Iterator[Build]:
    from bench.builds import Build, write_build

    if args.build is not None:
        yield Build.load(args.build)
        return
    with tempfile.TemporaryDirectory(prefix="ota-bench-") as folder:
        path = Path(folder) / "build"
        write_build(story.spec(args.chip, authority.ca_pem), path)
        yield Build.load(path)


def _swept(story: Story, build: Build, authority: Authority) -> Sweep:
    from bench.sweep import Sweep

    return Sweep(story, build, authority)


def _one(sweep: Sweep, at: str) -> int:
    """Replay one cut, or a pair, and show everything."""
    from bench.sweep import parse_cuts

    cuts = parse_cuts(at)
    operations = len(sweep.recording.operations)
    if cuts[0].operation > operations:
        raise BenchError(f"--at {at}: this life has {operations} operations, and no such one")
    with sweep.checker() as checker:
        outcome = checker.outcome(*cuts)
        print(bytes(checker.top.console).decode("utf-8", "replace").replace("\r\n", "\n"))
    purpose = sweep.recording.operations[cuts[0].operation - 1].purpose
    print(f"cut {at} ({purpose}): {outcome.broken or f'version {outcome.version} runs, the next update succeeds'}")
    return 1 if outcome.broken else 0


def _all(story: Story, sweep: Sweep, args: argparse.Namespace) -> int:
    began = time.monotonic()
    tally = sweep.run(second=args.second, seed=args.seed, jobs=args.jobs, progress=_progress(story.name))
    _show(story, tally, time.monotonic() - began, args)
    return len(tally.broken) + len(story.ends_with - set(tally.versions))


def _progress(name: str) -> Callable[[int, int], None]:
    def told(done: int, of: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{name}: {done} of {of} cuts", end="", file=sys.stderr, flush=True)

    return told


def _show(story: Story, tally: Tally, seconds: float, args: argparse.Namespace) -> None:
    cuts = tally.cuts + tally.second_cuts
    seen = ", ".join(f"version {version} {count} times" for version, count in sorted(tally.versions.items()))
    print(
        f"\r{story.name}: {tally.operations} operations, {tally.cuts} cuts and {tally.second_cuts} pairs of cuts "
        f"(seed {args.seed}) in {seconds:.1f} s ({cuts / seconds:.0f}/s): {seen or 'nothing ran'}"
    )
    for version in sorted(story.ends_with - set(tally.versions)):
        print(f"  version {version} was never seen: the sweep did not reach what it is for")
    for finding in tally.findings:
        build = f" --build {args.build}" if args.build else f" --chip {args.chip}"
        emulated = "of the emulation of eFuses, which is not counted: " if finding.of_emulation else ""
        print(f"  {emulated}{finding}\n    replay: bench sweep {story.name}{build} --at {finding.at}")
