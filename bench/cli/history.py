"""``bench history``: pass rates, flakes and trends over many runs; what newly fails; which board is sick.

Exit code 1: something fails that passed before (`news`).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.arguments import day
from bench.cli.outputs import check_page
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.report.history import History, Result

__all__ = ["register"]

DEFAULT = "evidence/history.sqlite"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("history", description="What became of every scenario in every run.")
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    show = actions.add_parser("show", help="pass rate, flake rate and duration by scenario, board or version")
    show.add_argument("--by", choices=("scenario", "board", "version"), default="scenario")
    news = actions.add_parser("news", help="what fails now and passed before, since which version; sick boards")
    page = actions.add_parser("page", help="write it all as one HTML page with plots")
    page.add_argument("-o", "--out", type=Path, default=Path("history.html"), metavar="FILE")
    add = actions.add_parser("add", help="read runs into it that were made elsewhere")
    add.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's folder of evidence")
    forget = actions.add_parser("forget", help="drop old runs")
    forget.add_argument("before", type=day, metavar="YYYY-MM-DD", help="runs that began before that day")

    for action, run in ((show, _show), (news, _news), (page, _page), (add, _add), (forget, _forget)):
        action.add_argument("--file", type=Path, default=Path(DEFAULT), metavar="FILE", help=f"default: {DEFAULT}")
        action.set_defaults(run=run)
    for action in (show, news, page):
        action.add_argument("--since", type=day, metavar="YYYY-MM-DD", help="only what was run since")
        action.add_argument("--scenario", default="", metavar="GLOB", help="only these: 'test_tls::*'")
        action.add_argument("--board", default="", metavar="GLOB", help="only these")
    for action in (show, news):
        action.add_argument("--json", action="store_true", help="one JSON object a line")


def _results(args: argparse.Namespace) -> list[Result]:
    from bench.report.history import History

    _is_there(args.file)
    since = "" if args.since is None else args.since.isoformat()
    with History(args.file, read_only=True) as history:
        return list(history.results(since=since, scenario=args.scenario, board=args.board))


def _is_there(file: Path) -> None:
    if not file.exists():
        raise BenchError(f"there is no history at {file}: every run of scenarios adds to it; or name one by --file")


def _show(args: argparse.Namespace) -> int:
    from bench.report.history import rates

    by: dict[str, Callable[[Result], str]] = {
        "scenario": lambda result: result.scenario,
        "board": lambda result: result.board,
        "version": lambda result: f"{result.firmware} {result.version}",
    }
    found = rates(_results(args), by[args.by])
    if not args.json:
        print(f"{'passes':>7} {'flakes':>7} {'runs':>5} {'skips':>5} {'seconds':>8} {'trend':>6}  {args.by}")
    for rate in found:
        if args.json:
            told = {**dataclasses.asdict(rate), "pass_rate": rate.pass_rate, "flake_rate": rate.flake_rate}
            print(json.dumps(told))
            continue
        passes, flakes = (f"{rate.pass_rate:.1%}", f"{rate.flake_rate:.1%}") if rate.judged else ("-", "-")
        trend = "" if rate.trend is None else f"x{rate.trend:.2f}"
        print(f"{passes:>7} {flakes:>7} {rate.runs:>5} {rate.skipped:>5} {rate.seconds:>8.2f} {trend:>6}  {rate.name}")
    return 0


def _news(args: argparse.Namespace) -> int:
    from bench.report.history import news, sick_boards

    results = _results(args)
    found, sick = news(results), sick_boards(results)
    for one in found:
        if args.json:
            print(json.dumps({"kind": "news", **dataclasses.asdict(one)}))
            continue
        since = f"version {one.since_version!r} (last good: {one.last_good_version!r})"
        print(f"{one.scenario} on {one.board} fails since run {one.since_run}, {since}: {one.cause}")
    for board in sick:
        if args.json:
            print(json.dumps({"kind": "sick", **dataclasses.asdict(board)}))
            continue
        print(
            f"{board.board} is sick rather than the firmware: {board.failed_here} of {board.judged} results are bad, "
            f"{board.passed_elsewhere} of them pass on other boards"
        )
    if not found and not sick and not args.json:
        print("nothing fails that passed before, and no board is sick")
    return 1 if found else 0


def _page(args: argparse.Namespace) -> int:
    from bench.report.history import write_page

    check_page(args.out, args.file)
    write_page(_results(args), args.out, title=f"History of {args.file}")
    print(args.out)
    return 0


def _add(args: argparse.Namespace) -> int:
    from bench.report.history import History

    for run in args.runs:
        if not (run / "run.json").is_file() and not any(run.glob("*/*/outcome.json")):
            raise BenchError(f"{run} is no run: there is neither run.json nor an outcome; give a folder of evidence")
    with History(args.file) as history:
        _tell_where_it_went(history)
        for run in args.runs:
            # A run is known by the name of its folder, which `.` does not tell.
            print(f"{run}: {history.add_run(run.resolve())} results")
    return 0


def _forget(args: argparse.Namespace) -> int:
    from bench.report.history import History

    _is_there(args.file)
    with History(args.file) as history:
        _tell_where_it_went(history)
        print(f"{history.forget(args.before.isoformat())} runs dropped")
    return 0


def _tell_where_it_went(history: History) -> None:
    if history.moved_aside is not None:
        print(f"bench: {history.path} was damaged; it lies now in {history.moved_aside}", file=sys.stderr)
