"""`bench report RUN [-o FILE]`: the page of a run, written anew from its evidence.

RUN is the folder of a run (``evidence/<start>``), or one with runs in it, of which the newest is taken. Exit code 0
when the page is written, whatever the scenarios said; 2 where there is no run or the page cannot be written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

__all__ = ["register"]


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
    from bench.report.html import write_report

    output = Path(args.output) if args.output else None
    print(write_report(_run(Path(args.folder)), output, decode=explain))
    return 0


def _run(folder: Path) -> Path:
    """The folder itself where it is a run, else the newest run in it. Runs are named by their start."""
    runs = [path for path in folder.glob("[0-9]*-[0-9]*") if path.is_dir()] if folder.is_dir() else []
    if not runs:
        return folder
    return max(runs, key=lambda path: [int(part) for part in path.name.split("-") if part.isdecimal()])
