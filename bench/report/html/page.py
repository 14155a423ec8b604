"""The page of a run: what stands in it before anything is opened, and the data of each scenario behind it.

The table is written out, so that it can be read where scripts are not allowed to run (Jenkins serves artefacts so).
The data of a scenario is packed and lies in the page until somebody opens the scenario: a thousand of them cost the
browser nothing but their bytes. A Content-Security-Policy with the digests of the page's own script and style lets
nothing else run and nothing be fetched, whatever a board prints on its console.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from urllib.parse import quote

from bench.errors import BenchError
from bench.report.html.failure import Failure, failure, failure_data, panics_data
from bench.report.html.listing import listing
from bench.report.html.packing import pack
from bench.report.html.picture import picture
from bench.report.html.reading import OUTCOMES, Case, RunFacts, cases, run_facts
from bench.report.html.telling import clean
from bench.timeline import Decode

__all__ = ["REPORT", "write_report"]

REPORT = "report.html"

_SCRIPTS = ("dom.js", "axis.js", "picture.js", "listing.js", "scenario.js", "page.js")
_SIGNS = {"failed": "✕", "error": "!", "unfinished": "…", "unknown": "?", "passed": "✓", "skipped": "∅"}
_MOST_CAUSES = 12


@dataclass(frozen=True)
class _Row:
    """One scenario in the table, without the evidence behind it."""

    board: str
    name: str
    kind: str
    chip: str
    outcome: str
    seconds: float | None
    failure: Failure
    data: str

    @property
    def order(self) -> tuple[int, str, str]:
        return OUTCOMES.index(self.outcome), self.board, self.name


def write_report(run: Path, file: Path | None = None, *, decode: Decode | None = None) -> Path:
    """Write the page of the run in that folder; the file it was written to.

    Args:
        run: folder of the evidence, see `bench.report.evidence`
        file: where the page goes; `report.html` in the run's folder where None is named
        decode: turns a log message into the cause it names, as `Timeline` takes it

    Raises `BenchError` where there is no run, or the page cannot be written. Evidence that is damaged is no error.
    """
    if not run.is_dir():
        raise BenchError(f"{run} is no run: name the folder of a run, evidence/<start>")
    target = file if file is not None else run / REPORT
    with _collecting_nothing():
        url = _url_of_run(run, target)
        rows = sorted((_row(case, url, decode) for case in cases(run)), key=lambda row: row.order)
        text = _page(run, run_facts(run), rows)
    whole = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        whole.write_text(text, encoding="utf-8", errors="replace")
        whole.replace(target)
    except OSError as error:
        whole.unlink(missing_ok=True)
        raise BenchError(f"cannot write the report {target}: {error.strerror or error}") from error
    return target


@contextlib.contextmanager
def _collecting_nothing() -> Iterator[None]:
    """Without the search for cycles: there are none in what is read, but very many objects, in whose midst the whole
    heap of the tests would be searched again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _url_of_run(run: Path, page: Path) -> str | None:
    """What links from the page into the run's folder begin with; None where it does not lie below the page."""
    there = os.path.relpath(run.resolve(), page.parent.resolve()).replace(os.sep, "/")
    if there.startswith(".."):
        return None
    return "" if there == "." else quote(there) + "/"


def _row(case: Case, run_url: str | None, decode: Decode | None) -> _Row:
    why = failure(case, decode)
    rows = listing(case.console, case.timeline, decode)
    data = {
        "promise": clean(case.text("promise")),
        "cause": why.cause,
        "device": why.device,
        "scenario": clean(case.text("scenario")),
        "damage": list(map(clean, (*case.damage, *case.left_out))),
        "facts": _facts(case),
        "files": _files(case, run_url),
        "images": [
            [clean(str(image.get(name, ""))) for name in ("role", "name", "size", "sha256")] for image in case.images
        ],
        "failure": failure_data(case, rows),
        "panics": panics_data(case, rows),
        "picture": picture(case, rows),
        "rows": rows.rows,
        "steps": rows.steps,
        "causes": rows.causes,
    }
    seconds, chip = case.number("seconds"), clean(case.text("chip"))
    return _Row(clean(case.board), clean(case.name), case.kind, chip, case.outcome, seconds, why, pack(data))


def _facts(case: Case) -> list[list[str]]:
    named = (
        ("application", "app"),
        ("version", "app_version"),
        ("ESP-IDF", "idf_version"),
        ("build", "firmware"),
        ("began", "started"),
        ("failure class", "failure_class"),
    )
    return [[label, clean(case.text(name))] for label, name in named if case.text(name)]


def _files(case: Case, run_url: str | None) -> list[list[str]]:
    """Names of the files of evidence, with links to them from where the page lies."""
    link = "" if run_url is None else f"{run_url}{quote(case.board)}/{quote(case.name)}/"
    names = ("console.raw", "timeline.jsonl", "requests.jsonl", "images.json", "outcome.json")
    return [[name, link and link + name] for name in names if name in case.files]


def _page(run: Path, facts: RunFacts, rows: Sequence[_Row]) -> str:
    script, style = "\n".join(map(_asset, _SCRIPTS)), _asset("page.css")
    parts = {
        "csp": f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; base-uri 'none'",
        "style": style,
        "script": script,
        "title": escape(f"{_verdict(facts, rows)[1]} · {run.name}"),
        "head": _head(run, facts, rows),
        "causes": _causes(rows),
        "filters": _filters(rows),
        "rows": "\n".join(_table_row(number, row) for number, row in enumerate(rows)),
        "data": "\n".join(
            f'<script type="text/plain" id="data-{number}">{row.data}</script>' for number, row in enumerate(rows)
        ),
    }
    # In one pass: what is put in may hold anything, braces too.
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], _asset("page.html"))


def _asset(name: str) -> str:
    return resources.files("bench.report.html").joinpath("assets", name).read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _verdict(facts: RunFacts, rows: Sequence[_Row]) -> tuple[str, str]:
    """Which outcome colours the page, and the sentence that says how the run went."""
    count = Counter(row.outcome for row in rows)
    ran = len(rows) - count["skipped"]
    wrong = [f"{count[outcome]} {words}" for outcome, words in _WRONG if count[outcome]]
    broken_off = "The run was interrupted. " if facts.interrupted else ""
    if wrong:
        worst = next(outcome for outcome, _ in _WRONG if count[outcome])
        return worst, f"{broken_off}Not passed: {', '.join(wrong)}, of {_scenarios(ran)}"
    if not ran:
        all_skipped = f": {_scenarios(len(rows))}, all skipped" if rows else ""
        return "unknown", f"{broken_off}Nothing was tested{all_skipped}"
    skipped = f"; {count['skipped']} skipped, which proves nothing" if count["skipped"] else ""
    passed = f"{'All ' if ran > 1 and not broken_off else ''}{_scenarios(ran)} passed{skipped}"
    return ("unfinished" if broken_off else "passed"), f"{broken_off}{passed}"


_WRONG = (
    ("failed", "failed"),
    ("error", "in error (the bench, not the firmware)"),
    ("unfinished", "unfinished"),
    ("unknown", "unreadable"),
)


def _scenarios(number: int) -> str:
    return f"{number} scenario" + ("" if number == 1 else "s")


def _head(run: Path, facts: RunFacts, rows: Sequence[_Row]) -> str:
    outcome, sentence = _verdict(facts, rows)
    lines = [f'<h1 class="verdict {outcome}"><span aria-hidden="true">{_SIGNS[outcome]}</span> {escape(sentence)}</h1>']
    boards = {row.board: row for row in rows}
    told = [f"<li>{_board(row.board, row.kind, row.chip)}</li>" for _, row in sorted(boards.items())]
    if told:
        lines.append(f'<ul class="boards" aria-label="Boards">{"".join(told)}</ul>')
    lines += [_no_hardware(boards, kind, words) for kind, words in _NO_HARDWARE if kind in {r.kind for r in rows}]
    lines += [f'<p class="damage" role="note">{escape(clean(text))}</p>' for text in facts.damage]
    particulars = [("Run", run.name), *_particulars(facts)]
    lines.append(
        '<dl class="facts">'
        + "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(clean(v))}</dd></div>" for n, v in particulars)
        + "</dl>"
    )
    return "\n".join(lines)


_NO_HARDWARE = (
    (
        "model",
        "was a virtual board. A pass on it says that the bench and the formats are right, not that your hardware is.",
    ),
    ("emulator", "was emulated. A pass on it says that the firmware is right as far as the emulator is."),
)


def _no_hardware(boards: Mapping[str, _Row], kind: str, words: str) -> str:
    named = sorted(name for name, row in boards.items() if row.kind == kind)
    which = "Every board" if len(named) == len(boards) else ", ".join(named)
    title = f"<strong>{kind.capitalize()}s, not hardware:</strong>"
    return f'<p class="model-note">{title} {escape(which)} of this run {words}</p>'


def _particulars(facts: RunFacts) -> Iterable[tuple[str, str]]:
    for label, name in (("Began", "started"), ("Ended", "ended"), ("Command", "command")):
        value = facts.told.get(name)
        if isinstance(value, str):
            yield label, value
    versions = facts.told.get("versions")
    if isinstance(versions, dict):
        yield "Versions", ", ".join(f"{name} {version}" for name, version in versions.items())


def _board(name: str, kind: str, chip: str) -> str:
    badge = f' <span class="badge {kind}">{kind}</span>' if kind in ("model", "emulator") else ""
    return f"{escape(name)}{badge}" + (f' <span class="chip">{escape(chip)}</span>' if chip else "")


def _causes(rows: Sequence[_Row]) -> str:
    """The first causes, the most frequent first: forty red dots with one cause are one problem."""
    wrong = [row for row in rows if row.outcome not in ("passed", "skipped")]
    grouped = Counter(row.failure.cause for row in wrong)
    if len(wrong) < 2:
        return ""
    items = []
    for cause, times in grouped.most_common(_MOST_CAUSES):
        boards = Counter(row.board for row in wrong if row.failure.cause == cause)
        where = ", ".join(f"{board} ({count})" for board, count in sorted(boards.items()))
        often = "once" if times == 1 else f"{times} times"
        told = escape(cause) or "(no cause is told)"
        items.append(
            f'<li><button type="button" class="cause" data-cause="{escape(cause)}"><b>{often}:</b> {told}</button> '
            f'<span class="where">{escape(where)}</span></li>'
        )
    rest = len(grouped) - len(items)
    more = f"<li>and {rest} other causes</li>" if rest > 0 else ""
    title, told = '<h2 id="causes">First causes</h2>', "".join(items)
    return f'<section aria-labelledby="causes">{title}<ul class="causes">{told}{more}</ul></section>'


def _filters(rows: Sequence[_Row]) -> str:
    count = Counter(row.outcome for row in rows)
    buttons = "".join(
        f'<button type="button" class="outcome {outcome}" data-outcome="{outcome}" aria-pressed="true">'
        f'<span aria-hidden="true">{_SIGNS[outcome]}</span> {count[outcome]} {outcome}</button>'
        for outcome in OUTCOMES
        if count[outcome]
    )
    boards = sorted({row.board for row in rows})
    options = "".join(f"<option>{escape(board)}</option>" for board in boards)
    choice = (
        f'<label>Board <select id="board"><option value="">all</option>{options}</select></label>'
        if len(boards) > 1
        else ""
    )
    return f'<div role="group" aria-label="Outcomes shown" class="outcomes">{buttons}</div>{choice}'


def _table_row(number: int, row: _Row) -> str:
    anchor = quote(f"{row.board}/{row.name}")
    seconds = f"{row.seconds:.1f} s" if row.seconds is not None else ""
    device = f'<br><span class="device">{escape(row.failure.device)}</span>' if row.failure.device else ""
    return (
        f'<tr class="scenario" id="row-{number}" data-outcome="{row.outcome}" data-board="{escape(row.board)}" '
        f'data-anchor="{anchor}"><td><span class="outcome {row.outcome}">'
        f'<span aria-hidden="true">{_SIGNS[row.outcome]}</span> {row.outcome}</span></td>'
        f'<th scope="row"><button type="button" class="open" aria-expanded="false">{escape(row.name)}</button></th>'
        f'<td>{_board(row.board, row.kind, "")}</td><td class="seconds">{seconds}</td>'
        f'<td class="why"><span class="first">{escape(row.failure.cause)}</span>{device}</td></tr>'
    )
