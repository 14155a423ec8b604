"""``bench doctor``: is this machine fit for the bench, and if not, what mends it?

Exit code 1: something is broken.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import bench

if TYPE_CHECKING:
    from bench.boards.check import Finding

__all__ = ["register"]

_NEEDED = ("pytest", "pytest-embedded", "pytest-embedded-idf", "pytest-embedded-serial-esp", "esptool", "pyserial")
_ROOM = 1 << 30
"""Bytes that a folder of evidence should find: a night's run leaves some hundred MB."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("doctor", description="Look whether this machine is fit for the bench.")
    parser.add_argument("--boards-file", type=Path, default=Path("boards.yaml"), metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object a finding")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    broken = 0
    for finding in _findings(args.boards_file):
        broken += finding.verdict == "broken"
        if args.json:
            print(json.dumps(asdict(finding)), flush=True)
            continue
        mend = f"\n{'':10}mend: {finding.mend}" if finding.mend else ""
        print(f"{finding.verdict:8}  {finding.step}: {finding.told}{mend}", flush=True)
    if not args.json:
        print("what is broken keeps the bench from working" if broken else "the bench can work here")
    return 1 if broken else 0


def _findings(boards_file: Path) -> Iterator[Finding]:
    from bench.boards.check import check_machine
    from bench.boards.machine import Machine

    yield from _python()
    yield from _folders()
    yield from check_machine(Machine())
    yield from _boards(boards_file)
    yield from _optional()


def _python() -> Iterator[Finding]:
    from bench.boards.check import Finding

    yield Finding("Python", "ok", ".".join(map(str, sys.version_info[:3])))
    for package in _NEEDED:
        try:
            yield Finding(package, "ok", version(package))
        except PackageNotFoundError:
            yield Finding(package, "broken", "is not installed", f"pip install {package}")
    yield _fixtures()


def _fixtures() -> Finding:
    """What a conftest.py of another repository asks for is in an installed bench, and not in its source tree."""
    from bench.boards.check import Finding

    if find_spec("bench.fixtures") is not None:
        return Finding("bench.fixtures", "ok", "can be imported")
    source = Path(bench.__file__).resolve().parents[1]
    told = f"cannot be imported: this bench runs from its source tree, {source}"
    if Path.cwd().resolve().is_relative_to(source):
        return Finding("bench.fixtures", "ok", f"{told}; only needed for scenarios of other repositories")
    return Finding("bench.fixtures", "warning", told, f"pip install {source} (without -e) where these scenarios run")


def _folders() -> Iterator[Finding]:
    from bench.boards.check import Finding
    from bench.boards.lease import lease_folder
    from bench.errors import BenchError
    from bench.server import Authority, default_folder

    def authority() -> Path | None:
        return Authority.load_or_create(default_folder()).ca_path

    for what, make in (("CA", authority), ("leases", lease_folder)):
        try:
            yield Finding(what, "ok", str(make()))
        except (BenchError, OSError) as error:
            yield Finding(what, "broken", str(error), "make the folder writable, or name another (see docs/labs.md)")
    free = shutil.disk_usage(".").free
    verdict, mend = ("ok", "") if free > _ROOM else ("warning", "make room, or say --evidence with a folder elsewhere")
    yield Finding("disk", verdict, f"{free // (1 << 20)} MiB free here", mend)


def _boards(path: Path) -> Iterator[Finding]:
    from bench.boards.boards_file import BoardsFile
    from bench.boards.check import Finding
    from bench.boards.whereabouts import is_attached
    from bench.errors import BenchError

    if not path.exists():
        yield Finding(
            "boards.yaml", "warning", f"there is none at {path}: virtual boards only", "bench init, or write one"
        )
        return
    try:
        file = BoardsFile.load(path)
    except BenchError as error:
        yield Finding("boards.yaml", "broken", str(error), "mend that line")
        return
    yield Finding("boards.yaml", "ok", f"{len(file.boards)} boards")
    for board in file.boards.values():
        if not is_attached(board):
            yield Finding(
                board.name, "warning", f"is not there ({board.port or board.driver})", "attach it, or go on without"
            )


def _optional() -> Iterator[Finding]:
    from bench.boards.check import Finding

    wanted = {
        "labgrid-client": "boards of a labgrid coordinator: pip install 'ota-bench[labgrid]' in a venv of its own",
        "uhubctl": "USB hubs that switch power: apt-get install uhubctl",
        "qemu-system-xtensa": "boards in Espressif's QEMU: docs/labs.md says how ESP-IDF installs it",
        "idf.py": "bench build: source ESP-IDF's export.sh",
    }
    for tool, use in wanted.items():
        found = shutil.which(tool)
        yield Finding(tool, "ok", found) if found else Finding(tool, "ok", f"not here; only needed for {use}")
