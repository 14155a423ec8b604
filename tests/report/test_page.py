"""The page of a run, as it is written: what stands in it, what is packed in it, and what cannot harm it."""

from __future__ import annotations

import base64
import json
import re
import tempfile
import zlib
from html import unescape
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.console.causes import explain
from bench.errors import BenchError
from bench.report.html import listing as listing_of
from bench.report.html import reading, write_report
from bench.report.html.listing import HEAD, MOST, listing
from bench.report.html.parting import part
from bench.report.html.telling import clean
from bench.timeline import Timeline
from tests.report.making import FAILED, PANIC, REFUSED, UPDATE, damaged, scenario


def page(run: Path) -> str:
    return write_report(run, decode=explain).read_text("utf-8")


def unpacked(text: str) -> dict[str, dict[str, Any]]:
    """The data of every scenario, by name."""
    names = [unescape(name) for name in re.findall(r'class="open" aria-expanded="false">([^<]*)<', text)]
    packed = re.findall(r'<script type="text/plain" id="data-(\d+)">([A-Za-z0-9+/=]*)</script>', text)
    assert [int(number) for number, _ in packed] == list(range(len(names)))
    return {
        name: json.loads(zlib.decompress(base64.b64decode(data)), parse_constant=no_constant)
        for name, (_, data) in zip(names, packed, strict=True)
    }


def no_constant(name: str) -> None:
    pytest.fail(f"{name} is in the data, and no browser reads that")


def verdict(text: str) -> str:
    found = re.search(r'<h1 class="verdict (\w+)">.*?</span> (.*?)</h1>', text)
    assert found is not None
    return f"{found[1]}: {unescape(found[2])}"


def ended(run: Path, name: str, outcome: str, cause: str | None = None, board: str = "model", **facts: object) -> None:
    with scenario(run, name, board) as told:
        told.boots("1", "10000")
        told.ends(outcome, cause, **facts)


def test_what_is_too_long_for_a_page_is_left_out_and_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended(tmp_path, "one", "passed")
    monkeypatch.setattr(reading, "_MOST_BYTES", 1 << 10)
    (case,) = reading.cases(tmp_path)
    assert case.damage == ()
    assert [sentence.split(" ")[0] for sentence in case.left_out] == ["timeline.jsonl"]
    assert len(case.timeline.said) >= 3
    assert case.left_out[0] in unpacked(page(tmp_path))["one"]["damage"]
    monkeypatch.setattr(reading, "_MOST_BYTES", 16)
    (case,) = reading.cases(tmp_path)
    assert [sentence.split(" ")[0] for sentence in case.damage] == ["outcome.json", "images.json"]


def test_the_verdict_says_how_the_run_went(tmp_path: Path) -> None:
    ended(tmp_path, "one", "passed")
    assert verdict(page(tmp_path)) == "passed: 1 scenario passed"
    ended(tmp_path, "two", "skipped", "needs a moon")
    assert verdict(page(tmp_path)) == "passed: 1 scenario passed; 1 skipped, which proves nothing"
    ended(tmp_path, "three", "error", "the lab burnt down")
    assert verdict(page(tmp_path)).startswith("error: Not passed: 1 in error")
    ended(tmp_path, "four", "failed", "it never came")
    assert verdict(page(tmp_path)).startswith("failed: Not passed: 1 failed, 1 in error")


def test_nothing_but_skips_is_no_pass(tmp_path: Path) -> None:
    assert verdict(page(tmp_path)) == "unknown: Nothing was tested"
    ended(tmp_path, "two", "skipped", "needs a moon")
    assert verdict(page(tmp_path)) == "unknown: Nothing was tested: 1 scenario, all skipped"


def test_a_run_without_an_end_says_so(tmp_path: Path) -> None:
    ended(tmp_path, "one", "passed")
    (tmp_path / "run.json").write_text(json.dumps({"started": "2026-01-01T00:00:00+00:00"}))
    assert verdict(page(tmp_path)) == "unfinished: The run was interrupted. 1 scenario passed"
    with scenario(tmp_path, "killed") as told:
        told.boots("1", "10000")
    text = page(tmp_path)
    assert verdict(text) == "unfinished: The run was interrupted. Not passed: 1 unfinished, of 2 scenarios"
    assert "did not come to its end" in text


def test_failures_come_first_and_are_grouped_by_cause(tmp_path: Path) -> None:
    ended(tmp_path, "a", "passed")
    for number in range(3):
        ended(tmp_path, f"b{number}", "error", "the port <gone>", board=f"desk{number % 2}", virtual=False)
    ended(tmp_path, "c", "failed", "it never came")
    text = page(tmp_path)
    assert re.findall(r'aria-expanded="false">(\w+)<', text) == ["c", "b0", "b2", "b1", "a"]
    assert "<b>3 times:</b> the port &lt;gone&gt;</button>" in text
    assert "desk0 (2), desk1 (1)" in text


def test_models_are_marked_everywhere_and_hardware_nowhere(tmp_path: Path) -> None:
    ended(tmp_path, "a", "passed")
    ended(tmp_path, "b", "passed", board="desk", virtual=False)
    ended(tmp_path, "c", "passed", board="qemu", virtual=False, emulated=True)
    text = page(tmp_path)
    assert "<strong>Models, not hardware:</strong> model of this run" in text
    assert "<strong>Emulators, not hardware:</strong> qemu of this run" in text
    marked = re.findall(r'data-board="(\w+)".*?</tr>', text)
    rows = {board: row for board, row in zip(marked, re.findall(r"<tr class=\"scenario\".*?</tr>", text), strict=True)}
    assert 'class="badge model"' in rows["model"]
    assert 'class="badge emulator"' in rows["qemu"]
    assert "badge" not in rows["desk"]


def test_what_failed_is_data(tmp_path: Path) -> None:
    with scenario(tmp_path, "torn") as told:
        told.boots("1", "10000")
        told.timeline.append("bench", "start", url="https://h/release-1.bin", bytes=4096)
        told.says(UPDATE)
        told.serves(fault="cut", sent=1000)
        told.says(REFUSED)
        culprit = told.timeline.last_index
        expectation = {**FAILED["expectation"], "index": culprit}  # type: ignore[dict-item]  # a dict, see FAILED
        told.ends("failed", "FINISH should have come next", **{**FAILED, "expectation": expectation})
    data = unpacked(page(tmp_path))["torn"]
    failure = data["failure"]
    assert [step[:2] for step in failure["wanted"]][2] == ["here", "FINISH"]
    assert [step[2] for step in failure["wanted"]] == [0, None, None, None], "the row of what came"
    assert failure["at"] == culprit / 100
    assert "Failed to open HTTP connection" in data["rows"][failure["row"]]
    assert data["device"] == (
        "esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x2700 (-0x2700 is MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)"
    )
    assert list(data["causes"].values()) == ["-0x2700 is MBEDTLS_ERR_X509_CERT_VERIFY_FAILED"]


def test_server_and_bench_stand_between_the_lines_where_they_acted(tmp_path: Path) -> None:
    with scenario(tmp_path, "told") as told:
        told.boots("1", "10000")
        told.timeline.append("bench", "start", url="https://h/release-1.bin", bytes=4096)
        told.says(UPDATE)
        told.serves()
        told.ends("passed")
    data = unpacked(page(tmp_path))["told"]
    kinds = "".join(row[0] for row in data["rows"])
    assert kinds == "--" + "I" * 11 + "b" + "II" + "ss"
    assert "update started: https://h/release-1.bin" in data["rows"][13]
    marks = {mark[3]: mark for mark in data["picture"]["marks"]}
    assert data["rows"][marks["update started"][4]].startswith("b")
    assert marks["GET 200"][5] > marks["GET 200"][0]
    assert data["picture"]["bytes"]["sent"] == [[[marks["GET 200"][0], 0], [marks["GET 200"][5], 4096]]]


def test_bytes_come_as_the_server_told_them(tmp_path: Path) -> None:
    with scenario(tmp_path, "slow") as told:
        told.timeline.append("server", "release", path="/release-1.bin", size=4096, sha256="ab", faults=[])
        numbers = {"connection": 1, "request": 1}
        told.timeline.append("server", "request", **numbers, method="GET", path="/r", range="bytes=1000-")
        for sent in (100, 2000):
            told.timeline.append("server", "progress", **numbers, sent=sent)
        told.timeline.append("server", "response", **numbers, status=206, announced=3096, sent=3096, complete=True)
        told.ends("passed")
    picture = unpacked(page(tmp_path))["slow"]["picture"]
    assert [count for _, count in picture["bytes"]["sent"][0]] == [1000, 1100, 3000, 4096]
    assert picture["bytes"]["size"] == 4096
    assert [mark[3] for mark in picture["marks"]] == ["published /release-1.bin", "GET 206"]


def test_the_bands_of_the_slots_follow_the_update(tmp_path: Path) -> None:
    with scenario(tmp_path, "rolled_back") as told:
        told.boots("1", "10000")
        told.timeline.append(
            "bench", "slots", ota_0={"state": 2, "version": "1"}, ota_1={"state": None, "version": None}
        )
        told.event("UPDATE_BOOT_PARTITION", 0x11)
        told.boots("2", "110000")
        told.says(b"abort() was called at PC 0x42000010 on core 0\nRebooting...\n")
        told.timeline.append("board", "power", on=False)
        told.timeline.append("bench", "power", on=True)
        told.boots("1", "10000")
        told.says(b"I (400) app_init: the next line ends the boot\n")
        told.timeline.append("bench", "slots", ota_0={"state": 2, "version": "1"}, ota_1={"state": 4, "version": "2"})
        told.timeline.append("bench", "finding", text="the end")
        told.ends("passed")
    picture = unpacked(page(tmp_path))["rolled_back"]["picture"]
    assert [band[2:] for band in picture["slots"]["ota_1"]] == [
        ["", "", 0, 1],  # empty, as read from flash
        ["new", "", 0, 0],  # as the switch of the boot partition says
        ["pending verify", "2", 1, 0],  # booted for the first time
        ["pending verify", "2", 0, 0],  # dead
        ["aborted", "2", 0, 0],  # the other slot runs again
        ["aborted", "2", 0, 1],  # and flash agrees
    ]
    assert [band[2:] for band in picture["slots"]["ota_0"]][-1] == ["valid", "1", 1, 1]
    assert len(picture["off"]) == 1
    boots = [mark for mark in picture["marks"] if mark[2] == "boot"]
    assert len(boots) == 3
    assert all(mark[5] - mark[0] > 0.05 for mark in boots), "a boot begins with its first line"
    for bands in picture["slots"].values():
        assert all(left[1] == right[0] for left, right in pairwise(bands))


def test_a_panic_shows_its_backtrace_or_why_there_is_none(tmp_path: Path) -> None:
    for name, panics in (("decoded", [{"line_no": 14, "decoded": ["#0 0x42000014 in f ()"]}]), ("plain", [])):
        with scenario(tmp_path, name) as told:
            told.boots("1", "10000")
            told.says(PANIC, sha="abc1")
            told.ends("failed", "it died", panics=panics)
    data = unpacked(page(tmp_path))
    (decoded,), (plain,) = data["decoded"]["panics"], data["plain"]["panics"]
    assert decoded["lines"] == ["#0 0x42000014 in f ()"]
    assert plain["lines"] == []
    assert "not decoded" in plain["why_not"]
    assert "Guru Meditation" in data["plain"]["rows"][plain["row"]]
    assert data["plain"]["rows"][plain["last"]] == "-Rebooting..."


def test_damaged_evidence_is_told_and_never_stops_the_page(tmp_path: Path) -> None:
    damaged(tmp_path)
    (tmp_path / "run.json").write_text("{")
    text = page(tmp_path)
    told = {name: " ".join(data["damage"]) for name, data in unpacked(text).items()}
    assert "1 lines are damaged" in told["half_a_line"]
    assert told["no_timeline"] == "timeline.jsonl is missing"
    assert told["no_console"] == "console.raw is missing"
    assert "outcome.json is damaged" in told["bad_outcome"]
    assert told["no_outcome"] == ""
    assert "images.json is not a list" in told["bad_images"]
    assert "lines are damaged" in told["binary"]
    assert verdict(text) == "unfinished: Not passed: 1 unfinished, 1 unreadable, of 7 scenarios"
    assert "run.json is damaged" in text
    assert any("Loaded app" in row for row in unpacked(text)["no_console"]["rows"]), "the timeline has the lines too"


def nested(deep: int) -> str:
    """A JSON object with as many within it."""
    return '{"a": ' * deep + "1" + "}" * deep


@pytest.mark.parametrize(
    ("source", "kind", "data", "lost"),
    [
        ("console", "record", '{"line_no": 1, "level": [], "message": {}, "tag": 7}', False),
        ("console", "noise", '{"line_no": 1, "level": {}}', False),
        ("server", "odd", '{"a": []}', False),
        ("server", "odd", nested(40), False),
        ("server", "odd", nested(900), True),
        ("server", "fault", '{"fault": ' + "[" * 900 + "]" * 900 + "}", True),
        ("bench", "finding", '{"text": ' + nested(400) + "}", True),
    ],
)
def test_an_entry_of_odd_data_never_stops_the_page(
    tmp_path: Path, source: str, kind: str, data: str, lost: bool
) -> None:
    with scenario(tmp_path, "odd") as told:
        told.boots("1", "10000")
        told.ends("passed")
    with (told.folder / "timeline.jsonl").open("a") as file:
        file.write(f'{{"index": 99, "at": 1.0, "source": "{source}", "kind": "{kind}", "data": {data}}}\n')
    shown = unpacked(page(tmp_path))["odd"]
    assert any("1 lines are damaged" in one for one in shown["damage"]) is lost
    assert any("odd a={a: {" in row for row in shown["rows"]) is (data == nested(40))
    assert any("Loaded app" in row for row in shown["rows"])


@pytest.mark.parametrize("file", ["outcome.json", "images.json", "run.json"])
def test_what_is_nested_without_sense_is_told(tmp_path: Path, file: str) -> None:
    with scenario(tmp_path, "deep") as told:
        told.ends("passed")
    place = tmp_path if file == "run.json" else told.folder
    (place / file).write_text('{"outcome": "passed", "expectation": ' + nested(400) + "}")
    assert f"{file} is damaged: it is nested more than 50 deep" in page(tmp_path) + str(unpacked(page(tmp_path)))


@pytest.mark.parametrize("at", ["NaN", "1e999", "-1", "true", '"soon"', "1e10"])
def test_an_entry_without_a_time_is_none(tmp_path: Path, at: str) -> None:
    with scenario(tmp_path, "timeless") as told:
        told.boots("1", "10000")
        told.ends("passed")
    with (told.folder / "timeline.jsonl").open("a") as file:
        file.write(f'{{"index": 99, "at": {at}, "source": "bench", "kind": "finding", "data": {{}}}}\n')
    data = unpacked(page(tmp_path))["timeless"]
    assert "1 lines are damaged" in data["damage"][0]
    assert len(data["rows"]) == 13
    assert data["picture"]["end"] < 1


def test_no_run_and_no_room_are_errors_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="name the folder of a run"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(BenchError, match="cannot write the report"):
        write_report(tmp_path, tmp_path / "missing" / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_links_to_the_evidence_hold_where_the_page_lies(tmp_path: Path) -> None:
    run = tmp_path / "run"
    ended(run, "a b#c", "passed")
    (files,) = [data["files"] for data in unpacked(page(run)).values()]
    assert ["console.raw", "model/a%20b%23c/console.raw"] in files
    elsewhere = write_report(run, tmp_path / "page.html").read_text("utf-8")
    assert unpacked(elsewhere)["a b#c"]["files"][0] == ["console.raw", "run/model/a%20b%23c/console.raw"]
    (tmp_path / "out").mkdir()
    away = write_report(run, tmp_path / "out" / "page.html").read_text("utf-8")
    assert unpacked(away)["a b#c"]["files"][0] == ["console.raw", ""]


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{script}}{{rows}}\"'&<!--"


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    with scenario(tmp_path, "hostile") as told:
        told.says(HOSTILE.encode() + b"\0\x1b[31m\xff\xfe\n")
        told.ends("failed", HOSTILE, message=HOSTILE, promise=HOSTILE, app=HOSTILE)
    text = page(tmp_path)
    assert text.count("<script") == 2  # one scenario's data, and the page's own
    assert text.count("</script>") == 2
    assert "<img" not in text
    assert "onerror=alert(2)&gt;{{script}}" in text
    data = unpacked(text)["hostile"]
    assert data["rows"] == ["-" + HOSTILE + "␀\\xff\\xfe"]
    assert data["promise"] == HOSTILE


def test_an_outcome_that_names_bytes_which_are_no_text_is_sound(tmp_path: Path) -> None:
    with scenario(tmp_path, "bytes") as told:
        told.ends("failed", "no such file: \udcff.bin", seconds=2**70)
    data = unpacked(page(tmp_path))["bytes"]
    assert (data["cause"], data["damage"]) == ("no such file: \ufffd.bin", [])


def test_a_line_of_a_megabyte_and_a_console_without_end_are_cut(tmp_path: Path) -> None:
    with scenario(tmp_path, "long") as told:
        told.says(b"x" * 1_000_000 + b"\n")
        told.ends("passed")
    with scenario(tmp_path, "endless") as told:
        told.says(b"".join(b"line %d\n" % number for number in range(3 * MOST)))
        told.ends("passed")
    data = unpacked(page(tmp_path))
    assert len(data["long"]["rows"][0]) < 3000
    assert "(1,000,000 bytes)" in data["long"]["rows"][0]
    rows = data["endless"]["rows"]
    assert len(rows) <= MOST + 1
    assert rows[0] == "-line 0"
    assert rows[-1] == f"-line {3 * MOST - 1}"
    assert [row for row in rows if row[0] == "!"] == [f"!{2 * MOST:,} lines are left out here: console.raw has them"]


def test_what_others_did_is_left_out_with_the_lines_around_it(tmp_path: Path) -> None:
    with scenario(tmp_path, "endless") as told:
        for number in range(MOST // 50):
            told.says(b"".join(b"line %d\n" % line for line in range(100)))
            told.serves(number)
        told.ends("passed")
    data = unpacked(page(tmp_path))["endless"]
    rows, steps = data["rows"], data["steps"]
    (gap,) = [place for place, row in enumerate(rows) if row[0] == "!"]
    assert rows[gap - 1] == "-line 98"
    assert rows[gap - 100][0] == "s", "before the gap it stands where it happened"
    assert (rows[-3], rows[-2][0], rows[-1][0]) == ("-line 99", "s", "s")
    assert gap == HEAD - 1 + 2 * (HEAD // 100 - 1), "all before the gap is there, and what came in it is left out"
    assert len(rows) <= MOST + 1
    assert sum(steps) == MOST // 50 * 100, "steps from one number to the next, up to the last one"
    told_of = [mark[4] for mark in data["picture"]["marks"]]
    assert None in told_of
    assert all(row is None or rows[row][0] == "s" for row in told_of)


@pytest.mark.parametrize("lines", [0, 1, HEAD - 1, HEAD, HEAD + 1])
def test_what_others_did_is_all_there_where_there_is_little_to_leave_out(lines: int, tmp_path: Path) -> None:
    with scenario(tmp_path, "busy") as told:
        told.says(b"".join(b"line %d\n" % line for line in range(lines)))
        for number in range(MOST):
            told.timeline.append("server", "closed", connection=number)
        told.ends("passed")
    rows = unpacked(page(tmp_path))["busy"]["rows"]
    assert [row[0] for row in rows].count("s") == MOST
    assert [row for row in rows if row[0] == "!"] == (
        [] if lines < HEAD + 1 else ["!1 lines are left out here: console.raw has them"]
    )
    assert [row for row in rows if row[0] == "-"][-1:] == ([f"-line {lines - 1}"] if lines else [])


def test_the_end_of_a_line_is_no_part_of_it(tmp_path: Path) -> None:
    with scenario(tmp_path, "ends") as told:
        told.says(b"one\r\ntwo\ntwo\rthree\r\r\n\r\nlast\r")
        told.ends("passed")
    assert unpacked(page(tmp_path))["ends"]["rows"] == ["-one", "-two", "-two␍three␍", "-", "-last"]


@given(st.text())
def test_shown_text_has_no_controls_and_no_direction_of_its_own(text: str) -> None:
    shown = clean(text)
    assert not re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    if text.isascii() and text.isprintable():
        assert shown == text


@given(st.binary(max_size=300), st.lists(st.integers(-2, 20), max_size=5))
def test_every_line_has_its_row_whatever_the_console_holds(console: bytes, line_numbers: list[int]) -> None:
    timeline = Timeline()
    for number in line_numbers:
        timeline.append("console", "noise", text="x", line_no=number)
        timeline.append("server", "closed", connection=number)
    parted, broken = part(timeline.to_jsonl().encode())
    assert not broken
    found = listing(console, parted, explain)
    lines = console.split(b"\n")[: None if console and not console.endswith(b"\n") else -1]
    assert len(found.rows) == len(lines) + len(line_numbers)
    assert all(found.row(entry.index) is not None for entry in timeline.entries if entry.source == "server")
    assert [step for step in found.steps if step] == [1] * len(lines)


@given(
    st.integers(0, 12),
    st.lists(st.tuples(st.integers(0, 14), st.booleans()), max_size=12),
    st.integers(0, 12),
    st.integers(1, 6),
)
def test_rows_are_in_the_order_in_which_things_came(
    lines: int, told: list[tuple[int, bool]], most: int, head: int
) -> None:
    timeline = Timeline()
    for number, of_device in told:
        timeline.append(*(("console", "noise") if of_device else ("server", "closed")), line_no=number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing_of, "MOST", most)
        patch.setattr(listing_of, "HEAD", head)
        found = listing(b"x\n" * lines, part(timeline.to_jsonl().encode())[0], explain)
    others = [entry for entry in timeline.entries if entry.source == "server"]
    gap = range(head, min(head + max(0, lines + len(others) - most), lines))
    wanted: list[str] = []
    for number in range(lines + 1):
        if number in gap:
            wanted += ["!"] if number == gap.start else []
            continue
        wanted += [f"line {number}"] if number else []
        for entry in others:
            before = [no for no, of_device in told[: entry.index] if of_device]
            wanted += [f"entry {entry.index}"] if min(max(before, default=0), lines) == number else []
    rows = {found.row(entry.index): f"entry {entry.index}" for entry in others}
    rows |= {found.line(number): f"line {number}" for number in range(1, lines + 1)}
    assert [rows.get(row, "!") for row in range(len(found.rows))] == wanted
    assert [row[0] for row in found.rows] == ["-" if row[0] == "l" else "s" if row[0] == "e" else "!" for row in wanted]
    reached = accumulate(found.steps)
    assert [number if step else 0 for number, step in zip(reached, found.steps, strict=True)] == [
        int(row.removeprefix("line ")) if row[0] == "l" else 0 for row in wanted
    ]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(
    ["record", "noise", "event", "boot", "panic", "request", "response", "fault", "tls", "release", "power", "slots"]
)
_NAMES = """
line_no last_line_no level message tag name payload slot app_version request sent status faults size on ota_0 range
announced reason text connection
"""
NAMES = st.sampled_from(_NAMES.split())
ENTRIES = st.fixed_dictionaries(
    {
        "index": st.integers(0, 5) | VALUES,
        "at": st.floats(0, 5) | VALUES,
        "source": st.sampled_from(["console", "server", "bench", "board"]) | VALUES,
        "kind": KINDS | VALUES,
        "data": st.dictionaries(NAMES, VALUES | st.integers(0, 5), max_size=4) | VALUES,
    }
)
FACTS = st.dictionaries(
    st.sampled_from(
        ["outcome", "cause", "seconds", "virtual", "promise", "panics", "rollback", "confirmed_by", "chip"]
    ),
    VALUES,
)
STEP = st.dictionaries(st.sampled_from(["text", "fate", "index", "times"]), VALUES)
EXPECTATION = st.fixed_dictionaries({"wanted": st.lists(STEP, max_size=3) | VALUES, "index": VALUES, "instead": VALUES})


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(ENTRIES, max_size=6), FACTS, EXPECTATION | VALUES, st.lists(VALUES, max_size=2) | VALUES)
def test_nothing_that_evidence_can_hold_stops_the_page(
    entries: list[object], facts: dict[str, object], expectation: object, images: object
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "board" / "scenario"
        folder.mkdir(parents=True)
        lines = [json.dumps(entry) + "\n" for entry in entries]
        (folder / "timeline.jsonl").write_text("".join(lines))
        (folder / "outcome.json").write_text(json.dumps({"outcome": "failed", **facts, "expectation": expectation}))
        (folder / "images.json").write_text(json.dumps(images))
        (folder / "console.raw").write_bytes(b"a\nb\n")
        told = unpacked(page(Path(name)))
    assert list(told) == ["scenario"]
