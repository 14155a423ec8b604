"""How the boards of a run look on a terminal: one line each, with a bar for what is flashed or downloaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import StringIO

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.report.live import Standing, bytes_told, counted, shown
from bench.report.screen import Drawing

__all__ = ["drawing"]

_BAR = 16
"""Columns of a bar; a narrow terminal has none."""

_NARROW = 110

_STYLES = {"panicked": "red", "lost": "red", "aborted": "yellow", "cut off": "yellow", "power off": "yellow"}


def drawing(*, color: bool) -> Drawing:
    """The way to draw; without colour there is none but bars and words."""

    def draw(standings: Sequence[Standing], now: float, size: os.terminal_size) -> list[str]:
        # A line of full width would make some terminals go on to the next one.
        width = max(20, size.columns - 1)
        room = max(1, size.lines - 3)
        console = Console(file=StringIO(), width=width, force_terminal=True, no_color=not color, legacy_windows=False)
        with console.capture() as captured:
            console.print(_table(standings[:room], now, size.columns >= _NARROW))
        lines = [line.rstrip() for line in captured.get().splitlines()]
        left_out = len(standings) - room
        return [*lines, f"and {left_out} more boards"] if left_out > 0 else lines

    return draw


def _table(standings: Sequence[Standing], now: float, wide: bool) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    # All but two columns have their width by themselves: a view whose columns move is hard to read.
    table.add_column(no_wrap=True, max_width=20 if wide else 16, overflow="ellipsis", style="bold")
    table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
    table.add_column(no_wrap=True, width=24 if wide else 16, overflow="ellipsis")
    if wide:
        table.add_column(no_wrap=True, width=_BAR)
    table.add_column(no_wrap=True, width=13, justify="right")
    table.add_column(no_wrap=True, width=18 if wide else 9, justify="right")
    table.add_column(no_wrap=True, width=6, justify="right")
    for one in standings:
        table.add_row(*_row(one, now, wide))
    return table


def _row(one: Standing, now: float, wide: bool) -> list[Text | ProgressBar]:
    bar: list[Text | ProgressBar] = []
    if wide:
        bar = [ProgressBar(one.size, min(one.done, one.size), width=_BAR) if one.size else Text("")]
    seen = counted(one.events, "event") if not wide else _joined(counted(one.events, "event"), one.boots)
    return [
        Text(shown(one.board)),
        Text(shown(one.scenario)),
        Text(shown(one.phase), style=_STYLES.get(one.phase, "")),
        *bar,
        Text(bytes_told(one) if one.done or one.size else ""),
        Text(seen),
        Text(f"{max(0.0, now - one.began):.0f} s"),
    ]


def _joined(events: str, boots: int) -> str:
    return ", ".join(part for part in (events, counted(boots, "boot")) if part)
