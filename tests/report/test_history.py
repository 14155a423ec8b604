"""The history of runs: what it answers, who writes it at once, and what becomes of a damaged or an older file."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cli import main
from bench.errors import BenchError
from bench.report.history import History, Result, news, rates, sick_boards, write_page

ONE = Result(
    run="20260101-000000",
    scenario="test_tls::test_x[404]",
    board="desk",
    chip="esp32s3",
    virtual=False,
    firmware="advanced_https_ota",
    version="1.0",
    idf_version="v5.3.1",
    outcome="passed",
    failure_class="",
    cause="",
    seconds=1.0,
    started="2026-01-01T00:00:00+00:00",
)


def series(outcomes: str, **fields: object) -> list[Result]:
    """One result a run and letter: p, f, e or s; a digit changes the version from there on."""
    kinds = {"p": "passed", "f": "failed", "e": "error", "s": "skipped"}
    found, version = [], "1"
    for number, letter in enumerate(outcomes):
        if letter.isdigit():
            version = letter
            continue
        when = f"2026-01-{number + 1:02d}"
        one = replace(ONE, run=when, started=f"{when}T00:00:00+00:00", version=version, outcome=kinds[letter])
        found.append(replace(one, **fields))  # type: ignore[arg-type]  # the fields of a result by name
    return found


def made(folder: Path, name: str, results: Sequence[Result]) -> Path:
    """A run's folder with these outcomes."""
    run = folder / name
    for number, one in enumerate(results):
        place = run / one.board / f"scenario-{number}"
        place.mkdir(parents=True)
        node, bracket, case = one.scenario.partition("[")
        module, _, function = node.partition("::")
        told = {
            "scenario": f"scenarios/{module}.py::{function}{bracket}{one.board}-{case}",
            "board": one.board,
            "pool": one.board,
            "chip": one.chip,
            "virtual": one.virtual,
            "app": one.firmware,
            "app_version": one.version,
            "idf_version": one.idf_version,
            "outcome": one.outcome,
            "failure_class": one.failure_class,
            "cause": one.cause,
            "seconds": one.seconds,
            "started": one.started,
        }
        (place / "outcome.json").write_text(json.dumps(told))
    (run / "run.json").write_text(json.dumps({"started": ONE.started, "exit_code": 0}))
    return run


def test_a_run_comes_out_as_it_went_in(tmp_path: Path) -> None:
    results = [ONE, replace(ONE, board="other", outcome="failed", failure_class="ExpectationFailed", cause="why")]
    run = made(tmp_path, ONE.run, results)
    with History(tmp_path / "h.sqlite") as history:
        assert history.add_run(run) == 2
        assert list(history.results()) == results
        assert history.add_run(run) == 2
        assert list(history.results()) == results, "a run that is read again replaces itself"
        assert list(history.results(board="oth*")) == results[1:]
        assert list(history.results(since="2026-02")) == []
    with History(tmp_path / "h.sqlite") as history:
        assert list(history.results()) == results
        assert history.forget("2026-02-01") == 1
        assert list(history.results()) == []


def test_damaged_evidence_is_left_out(tmp_path: Path) -> None:
    run = made(tmp_path, "run", [ONE])
    for name, text in (("cut", '{"outcome": "pas'), ("list", "[]"), ("empty", "{}"), ("odd", '{"outcome": 7}')):
        (run / "desk" / name).mkdir()
        (run / "desk" / name / "outcome.json").write_text(text)
    with History(tmp_path / "h.sqlite") as history:
        assert history.add_run(run) == 1


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    runs = [made(tmp_path, f"run-{number}", [ONE] * 5) for number in range(12)]
    failures: list[BaseException] = []

    def write(run: Path) -> None:
        try:
            with History(tmp_path / "h.sqlite") as history:
                history.add_run(run)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=write, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with History(tmp_path / "h.sqlite") as history:
        assert len(history.results()) == 60


def test_an_older_file_is_migrated_and_a_newer_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    db = sqlite3.connect(path)
    db.executescript(
        """
        CREATE TABLE run (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, started TEXT NOT NULL, exit_code INTEGER);
        CREATE TABLE result (run INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, scenario TEXT NOT NULL,
            board TEXT NOT NULL, chip TEXT NOT NULL, virtual INTEGER NOT NULL, firmware TEXT NOT NULL,
            version TEXT NOT NULL, idf_version TEXT NOT NULL, outcome TEXT NOT NULL, failure_class TEXT NOT NULL,
            cause TEXT NOT NULL, seconds REAL, started TEXT NOT NULL);
        INSERT INTO run VALUES (1, 'old', '2025-01-01', 0);
        INSERT INTO result VALUES (1, 's', 'b', 'esp32', 1, 'a', '1', 'v5', 'passed', '', '', 1.5, '2025-01-01');
        PRAGMA user_version = 1;
        """
    )
    db.close()
    with History(path) as history:
        (old,) = history.results()
    assert (old.scenario, old.virtual, old.seconds, old.attempt) == ("s", True, 1.5, 1)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(BenchError, match="written by a newer bench"), History(path):
        pass


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_file_is_moved_aside_and_said_so(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "h.sqlite"
    with History(path) as history:
        for number in range(30):
            history.add_run(made(tmp_path, f"run-{number}", [ONE] * 8))
    whole = path.read_bytes()
    broken = {
        "cut": whole[: len(whole) // 2],
        "flipped": b"x" * 100 + whole[100:],
    }
    path.write_bytes(broken[damage])
    with pytest.raises(BenchError, match="is damaged"), History(path, read_only=True):
        pass
    assert path.read_bytes() == broken[damage], "who only reads moves nothing"
    with History(path) as history:
        assert history.moved_aside is not None
        assert history.moved_aside.read_bytes() == broken[damage]
        assert list(history.results()) == []
        assert history.add_run(tmp_path / "run-0") == 8


def _of_another_program(path: Path) -> None:
    db = sqlite3.connect(path)
    db.executescript("CREATE TABLE note (text TEXT); PRAGMA user_version = 1;")
    db.close()


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("make", [_of_another_program, lambda path: path.write_bytes(b"\xe9firmware" * 99)])
def test_a_file_of_others_is_refused_and_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], None], read_only: bool
) -> None:
    path = tmp_path / "fw.bin"
    make(path)
    before = path.read_bytes()
    with pytest.raises(BenchError, match=r"fw\.bin is no history of the bench"), History(path, read_only=read_only):
        pass
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_older_file_is_read_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    with History(path) as history:
        history.add_run(made(tmp_path, "run", [ONE]))
    db = sqlite3.connect(path)
    db.executescript("ALTER TABLE result DROP COLUMN attempt; PRAGMA user_version = 1;")
    db.close()
    before = path.read_bytes()
    with History(path, read_only=True) as history:
        assert list(history.results()) == [replace(ONE, run="run")]
    path.with_name("empty").touch()
    with History(path.with_name("empty"), read_only=True) as history:
        assert list(history.results()) == []
    assert (path.read_bytes(), path.with_name("empty").read_bytes()) == (before, b"")


def test_a_file_that_cannot_be_is_a_bench_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match="cannot be opened"), History(tmp_path / "file" / "h.sqlite"):
        pass


def test_rates_count_what_was_judged() -> None:
    (rate,) = rates(series("ppfseps"), lambda result: result.scenario)
    assert (rate.runs, rate.passed, rate.failed, rate.errors, rate.skipped) == (7, 3, 1, 1, 2)
    assert rate.pass_rate == 3 / 5
    assert rate.flaked == 3, "passed to failed to error to passed"


@pytest.mark.parametrize(("outcomes", "flaked"), [("pppp", 0), ("pfpf", 3), ("pp2ff", 0), ("pp2fp", 1), ("psfsp", 2)])
def test_a_flake_is_another_outcome_of_the_same(outcomes: str, flaked: int) -> None:
    (rate,) = rates(series(outcomes), lambda result: result.scenario)
    assert rate.flaked == flaked


def test_the_trend_compares_the_last_five_with_those_before() -> None:
    slower = [replace(one, seconds=1.0 if number < 6 else 2.0) for number, one in enumerate(series("p" * 11))]
    (rate,) = rates(slower, lambda result: result.scenario)
    assert rate.trend == 2.0
    (rate,) = rates(slower[:9], lambda result: result.scenario)
    assert rate.trend is None


@pytest.mark.parametrize(
    ("outcomes", "since", "with_version"),
    [("pp2ff", "2026-01-04", True), ("ppff", "2026-01-03", False), ("pfpsf", "2026-01-05", False)],
)
def test_news_is_what_fails_since_it_passed(outcomes: str, since: str, with_version: bool) -> None:
    (found,) = news(series(outcomes))
    assert (found.since_run, found.with_the_version) == (since, with_version)


@pytest.mark.parametrize("outcomes", ["pppp", "ffff", "ffp", "s", "pfp"])
def test_no_news_where_nothing_is_worse(outcomes: str) -> None:
    assert not news(series(outcomes))


def test_a_board_is_sick_where_others_pass_the_same() -> None:
    good = [replace(one, scenario=f"s{n}") for n in range(4) for one in series("pp", board="well")]
    bad = [replace(one, scenario=f"s{n}") for n in range(4) for one in series("fe", board="ill")]
    (found,) = sick_boards(good + bad)
    assert (found.board, found.failed_here, found.passed_elsewhere, found.errors) == ("ill", 8, 8, 4)
    everywhere = [replace(one, board="well", outcome="failed") for one in bad]
    assert not sick_boards(bad + everywhere), "where it fails everywhere, it is the firmware"
    other = [replace(one, version="2") for one in good]
    assert not sick_boards(other + bad), "another firmware that passes elsewhere says nothing of the board"


@given(st.lists(st.sampled_from("pfes12"), max_size=30), st.lists(st.sampled_from("pfes"), max_size=10))
def test_rates_are_rates(first: list[str], second: list[str]) -> None:
    results = series("".join(first)) + series("".join(second), board="other")
    for rate in rates(results, lambda result: result.board):
        assert 0 <= rate.pass_rate <= 1
        assert 0 <= rate.flake_rate < 1
        assert rate.judged + rate.skipped <= len(results)


def test_the_page_is_whole_and_hostile_text_is_inert(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_page(series("pp2f", cause="<script>alert(1)</script>", board="<b>"), page)
    text = page.read_text()
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert "http" not in text.replace("advanced_https_ota", "")
    assert "3 results of 3 runs" in text
    write_page([], page)
    assert "No run yet." in page.read_text()


def test_the_command_line_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "h.sqlite")
    assert main(["history", "show", "--file", file]) == 2
    assert "there is no history at" in capsys.readouterr().err
    runs = [made(tmp_path, one.run, [one]) for one in series("pp2f", cause="a cause")]
    assert main(["history", "add", *map(str, runs), "--file", file]) == 0
    capsys.readouterr()
    assert main(["history", "news", "--file", file]) == 1
    assert "fails since run 2026-01-04, version '2' (last good: '1'): a cause" in capsys.readouterr().out
    assert main(["history", "show", "--by", "version", "--json", "--file", file]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["name"], one["pass_rate"]) for one in told] == [
        ("advanced_https_ota 2", 0.0),
        ("advanced_https_ota 1", 1.0),
    ]
    assert main(["history", "page", "-o", str(tmp_path / "p.html"), "--file", file]) == 0
    assert (tmp_path / "p.html").stat().st_size > 1000
    assert main(["history", "add", str(tmp_path / "none"), "--file", file]) == 2


def test_a_day_that_is_none_drops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "h.sqlite")
    runs = [str(made(tmp_path, one.run, [one])) for one in series("p")]
    assert main(["history", "add", *runs, "--file", file]) == 0
    for words in (["forget", "31-12-2020"], ["show", "--since", "yesterday"]):
        with pytest.raises(SystemExit) as ended:
            main(["history", *words, "--file", file])
        assert ended.value.code == 2
        assert f"'{words[-1]}': expected a day as YYYY-MM-DD" in capsys.readouterr().err
    assert main(["history", "forget", "2020-12-31", "--file", file]) == 0
    assert capsys.readouterr().out == "0 runs dropped\n"
    assert main(["history", "forget", "2026-01-02", "--file", str(tmp_path / "none")]) == 2
    assert main(["history", "forget", "2026-01-02", "--file", file]) == 0
    assert capsys.readouterr().out == "1 runs dropped\n"


def test_a_folder_that_is_no_run_takes_the_place_of_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "h.sqlite"
    run = made(tmp_path, "run", [ONE])
    monkeypatch.chdir(run)
    assert main(["history", "add", ".", "--file", str(file)]) == 0
    (tmp_path / "other" / "run").mkdir(parents=True)
    assert main(["history", "add", str(run), str(tmp_path / "other" / "run"), "--file", str(file)]) == 2
    assert "other/run is no run: there is neither run.json nor an outcome" in capsys.readouterr().err
    with History(file) as history:
        assert list(history.results()) == [replace(ONE, run="run")]


def test_a_question_about_a_file_of_others_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    firmware = tmp_path / "fw.bin"
    firmware.write_bytes(b"\xe9firmware" * 99)
    for action in ("show", "news", "page"):
        assert main(["history", action, "--file", str(firmware)]) == 2
        assert "fw.bin is no history of the bench" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [firmware]
    file = tmp_path / "h.sqlite"
    assert main(["history", "add", str(made(tmp_path, "run", [ONE])), "--file", str(file)]) == 0
    before = file.read_bytes()
    assert main(["history", "page", "--file", str(file), "-o", str(file)]) == 2
    assert "h.sqlite is read by this command, and would be written over" in capsys.readouterr().err
    assert main(["history", "page", "--file", str(file), "-o", str(firmware)]) == 2
    assert "fw.bin is there already, and is no HTML page" in capsys.readouterr().err
    assert (file.read_bytes(), firmware.read_bytes()[:9]) == (before, b"\xe9firmware")
