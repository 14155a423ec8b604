"""`bench report RUN [-o FILE]`: the page of a run, written anew from its evidence.

RUN is the folder of a run (``evidence/<start>``), or one with runs in it, of which the newest is taken. Exit code 0
when the page is written, whatever the scenarios said; 2 where there is no run or the page cannot be written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.outputs import check_page
from bench.errors import BenchError

if TYPE_CHECKING:
    import argparse

__all__ = ["register"]

_OF_A_RUN = ("run.json", "*/*/outcome.json", "*/*/timeline.jsonl", "*/*/console.raw")
"""A run that was killed has left one of them, or nothing that a page could show."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bench report`."""
    report = commands.add_parser("report", help="write the page of a run")
    report.add_argument(
        "folder", metavar="RUN", nargs="?", default="evidence", help="its folder (default: the newest in ./evidence)"
    )
    report.add_argument("-o", "--output", metavar="FILE", help="where to (default: report.html in RUN)")
    report.set_defaults(run=_report)


def _report(args: argparse.Namespace) -> int:
    from bench.console.causes import explain
    from bench.report.html import REPORT, write_report

    run = _run(Path(args.folder))
    output = Path(args.output) if args.output else run / REPORT
    check_page(output)
    print(write_report(run, output, decode=explain))
    return 0


def _run(folder: Path) -> Path:
    """The folder itself where it is a run, else the newest run in it. Runs are named by their start."""
    runs = [path for path in folder.glob("[0-9]*-[0-9]*") if path.is_dir()] if folder.is_dir() else []
    if runs:
        return max(runs, key=lambda path: [int(part) for part in path.name.split("-") if part.isdecimal()])
    if not any(any(folder.glob(name)) for name in _OF_A_RUN):
        raise BenchError(f"{folder} is no run: name the folder of a run, evidence/<start>")
    return folder
