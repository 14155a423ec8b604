"""The page of a history: plots that need no script and no network, and the tables behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from bench.report.history.questions import Rate, news, rates, sick_boards
from bench.report.history.store import Result

__all__ = ["write_page"]

_WIDTH, _HEIGHT, _BAR = 720, 120, 12
_COLOURS = {"passed": "--good", "failed": "--bad", "error": "--broken", "skipped": "--none"}

_STYLE = """
:root{--good:#1a7f37;--bad:#cf222e;--broken:#9a6700;--none:#8c959f;--text:#1f2328;--page:#fff;--line:#d0d7de}
@media (prefers-color-scheme:dark){:root{--good:#3fb950;--bad:#f85149;--broken:#d29922;--none:#6e7681;
--text:#e6edf3;--page:#0d1117;--line:#30363d}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--page);margin:2rem auto;max-width:70rem;
padding:0 1rem}table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}svg{max-width:100%;height:auto}svg text{fill:var(--text);
font-size:11px}h2{margin-top:2.5rem}.bad{color:var(--bad)}
"""


def write_page(results: Sequence[Result], file: Path, *, title: str = "History") -> None:
    """Write the page of these results; one file, no script, nothing loaded."""
    parts = [
        _head(title),
        f"<h1>{escape(title)}</h1>",
        f"<p>{len(results)} results of {len({result.run for result in results})} runs on "
        f"{len({result.board for result in results})} boards"
        + (", models among them" if any(result.virtual for result in results) else "")
        + ".</p>",
        "<h2>Runs</h2>",
        _runs(results),
        "<h2>Newly failing</h2>",
        _news(results),
        "<h2>Boards</h2>",
        _sick(results),
        _table(rates(results, lambda result: result.board), "Board"),
        "<h2>Firmware versions</h2>",
        _table(rates(results, lambda result: f"{result.firmware} {result.version} ({result.idf_version})"), "Firmware"),
        "<h2>Scenarios, the worst first</h2>",
        _table(rates(results, lambda result: result.scenario), "Scenario"),
        "</body></html>",
    ]
    file.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _head(title: str) -> str:
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    return (
        f'<!doctype html><html lang="en"><head>{meta}<title>{escape(title)}</title><style>{_STYLE}</style></head><body>'
    )


def _runs(results: Sequence[Result]) -> str:
    """A bar for each run, the last sixty: how many of its scenarios passed, failed, broke, were skipped."""
    names = list(dict.fromkeys(result.run for result in results))[-60:]
    most = max((sum(result.run == name for result in results) for name in names), default=0)
    if not most:
        return "<p>No run yet.</p>"
    bars = []
    for number, name in enumerate(names):
        kinds = [result.outcome for result in results if result.run == name]
        told = ", ".join(f"{kinds.count(kind)} {kind}" for kind in _COLOURS if kind in kinds)
        top = float(_HEIGHT)
        rects = []
        for kind, colour in _COLOURS.items():
            height = kinds.count(kind) * _HEIGHT / most
            top -= height
            place = f'x="{number * _BAR}" y="{top:.1f}" width="{_BAR - 2}" height="{height:.1f}"'
            rects.append(f'<rect {place} fill="var({colour})"/>')
        bars.append(f"<g><title>{escape(name)}: {told}</title>{''.join(rects)}</g>")
    label = f"Outcomes of the last {len(names)} runs, the newest on the right"
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}">{"".join(bars)}</svg>'
    )


def _news(results: Sequence[Result]) -> str:
    found = news(results)
    if not found:
        return "<p>Nothing fails that passed before.</p>"
    rows = [
        (one.scenario, one.board, one.since_run, one.since_version, one.last_good_version, one.cause) for one in found
    ]
    return _rows(("Scenario", "Board", "Since run", "Since version", "Last good version", "Cause"), rows)


def _sick(results: Sequence[Result]) -> str:
    told = [
        f'<p class="bad">{escape(one.board)} is sick rather than the firmware: {one.failed_here} of {one.judged} '
        f"results are bad here ({one.errors} of them errors), and {one.passed_elsewhere} of these pass elsewhere.</p>"
        for one in sick_boards(results)
    ]
    return "\n".join(told)


def _table(found: Iterable[Rate], name: str) -> str:
    head = (name, "Runs", "Pass rate", "Flakes", "Failed", "Errors", "Skipped", "Seconds", "Trend")
    return _rows(
        head,
        [
            (
                rate.name,
                str(rate.runs),
                f"{rate.pass_rate:.1%}" if rate.judged else "—",
                f"{rate.flake_rate:.1%}" if rate.judged else "—",
                str(rate.failed),
                str(rate.errors),
                str(rate.skipped),
                f"{rate.seconds:.2f}",
                "—" if rate.trend is None else f"x {rate.trend:.2f}",
            )
            for rate in found
        ],
    )


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{cells}</tbody></table>"
