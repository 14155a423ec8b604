"""A timeline is parted into what happened and what the device just logs, and nothing that is no entry gets in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.html.parting import LONGEST_RUN, part, told_console
from bench.report.html.untrusted import DEEPEST
from bench.timeline import Timeline


def entry(index: int, source: str, kind: str, at: float = 1.0, **data: object) -> str:
    return json.dumps({"index": index, "at": at, "source": source, "kind": kind, "data": data})


def jsonl(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("ascii")


UPDATE = (
    entry(0, "bench", "start", 0.5, url="https://x"),
    entry(1, "console", "record", 1.0, line_no=1, level="I", ms=6, tag="boot", message="ESP-IDF"),
    entry(2, "console", "noise", 1.5, line_no=2, text="ets Jul 29"),
    entry(3, "server", "request", 1.6, request=1),
    entry(4, "console", "record", 2.0, line_no=3, level="E", ms=9, tag="ota", message="failed"),
    entry(5, "console", "record", 2.5, line_no=4, level="I", ms=12, tag="app", message="App is valid"),
    entry(6, "console", "event", 2.5, line_no=4, name="ESP_HTTPS_OTA_START"),
    entry(7, "console", "record", 3.5, line_no=5, level="?", ms=13, tag="app", message="bye"),
)


def test_what_happened_is_parted_from_what_the_device_just_logs() -> None:
    parted, broken = part(jsonl(*UPDATE))
    assert not broken
    assert [entry.index for entry in parted.entries] == [0, 3, 4, 6]
    assert parted.after == [0, 2, 3, 4]
    assert parted.said == {1: 1.0, 2: 1.5, 3: 2.0, 4: 2.5, 5: 3.5}
    assert parted.levels == {1: "I", 3: "E", 4: "I"}
    assert parted.line_of == {1: 1, 2: 2, 4: 3, 5: 4, 6: 4, 7: 5}
    assert (parted.newest, parted.end) == (5, 3.5)


def test_the_first_that_is_told_of_a_line_counts() -> None:
    again = entry(8, "console", "record", 9.0, line_no=3, level="W", message="failed")
    parted, _ = part(jsonl(*UPDATE, again))
    assert (parted.said[3], parted.levels[3], parted.end) == (2.0, "E", 9.0)


def test_the_words_of_confirmation_are_more_than_a_line() -> None:
    parted, _ = part(jsonl(*UPDATE), confirmed_by="is valid")
    assert [entry.index for entry in parted.entries] == [0, 3, 4, 5, 6]


@pytest.mark.parametrize(("index", "when"), [(0, 0.5), (1, 1.0), (4, 2.0), (7, 3.5), (8, None), (-1, None)])
def test_it_knows_when_an_entry_came(index: int, when: float | None) -> None:
    assert part(jsonl(*UPDATE))[0].when(index) == when


NO_ENTRIES = (
    "7",
    "[]",
    "{}",
    "{",
    "null",
    "[" * 2000,
    '{"index": 1, "at": 1, "source": "console", "kind": "record"}',
    entry(True, "console", "record"),
    entry(1, "console", "record", -0.1),
    entry(1, "console", "record", LONGEST_RUN),
    entry(1, "console", "record", float("nan")),
    entry(1, "console", "record", float("inf")),
    entry(1, "console", "record")[:-1],
    entry(1, "console", "record") + "," + entry(2, "console", "record"),
    entry(1, "console", "record").replace("{}", "[]"),
    entry(1, "console", "record").replace('"record"', "3"),
    entry(1, "console", "record").replace('"record"', '["record"]'),
    entry(1, "console", "record").replace('"console"', "null"),
    entry(1, "server", "closed").replace("{}", '{"x":' + "[" * DEEPEST + "]" * DEEPEST + "}"),
)


@given(lines=st.lists(st.sampled_from(UPDATE) | st.sampled_from(NO_ENTRIES), max_size=8))
def test_what_is_no_entry_is_left_out_and_counted(lines: list[str]) -> None:
    sound = [line for line in lines if line not in NO_ENTRIES]
    parted, broken = part(jsonl(*lines))
    assert broken == [number for number, line in enumerate(lines, start=1) if line in NO_ENTRIES]
    assert parted == part(jsonl(*sound))[0]


@pytest.mark.parametrize("line", NO_ENTRIES)
def test_each_of_these_is_no_entry(line: str) -> None:
    assert part(jsonl(line))[1] == [1]
    assert part(jsonl(*UPDATE, line))[1] == [len(UPDATE) + 1]


def test_what_is_nested_as_deep_as_may_be_is_kept() -> None:
    def nested(lists: int) -> str:
        return entry(1, "server", "closed").replace("{}", '{"x":' + "[" * lists + "]" * lists + "}")

    assert part(jsonl(*[*UPDATE, nested(DEEPEST - 2)] * 9))[1] == []
    assert part(jsonl(*UPDATE, nested(DEEPEST - 1)))[1] == [len(UPDATE) + 1]


@pytest.mark.parametrize(
    ("data", "entries", "broken"),
    [
        (b"", 0, []),
        (b"\n", 0, []),
        (b"\n \n%b\n\n{\n", 1, [5]),
        (b"%b", 1, []),
        (b"%b\n%b", 2, []),
        (b"%b\r\n%b\r\n", 2, []),
        (b'%b\n{"index":', 1, [2]),
        (b"%b\n\0\0\0", 1, [2]),
        (b"%b\n\xff\n", 1, [2]),
    ],
)
def test_lines_end_as_they_may(data: bytes, entries: int, broken: list[int]) -> None:
    whole = entry(0, "bench", "start").encode()
    parted, found = part(data.replace(b"%b", whole))
    assert (len(parted.entries), found) == (entries, broken)


def test_bytes_that_are_no_text_are_no_damage() -> None:
    parted, broken = part(jsonl(entry(0, "bench", "start", url="?")).replace(b"?", b"\xff"))
    assert ([entry.get("url") for entry in parted.entries], broken) == (["\ufffd"], [])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["console", "server", "bench"]),
            st.sampled_from(["record", "noise", "event", "boot"]),
            st.dictionaries(
                st.sampled_from(["line_no", "level", "message"]), st.integers(-1, 9) | st.sampled_from("EWIDV?")
            ),
        )
    )
)
def test_every_entry_of_a_timeline_is_an_entry_or_a_line(told: list[tuple[str, str, dict[str, object]]]) -> None:
    timeline = Timeline()
    for source, kind, data in told:
        timeline.append(source, kind, **data)
    parted, broken = part(timeline.to_jsonl().encode())
    assert not broken
    kept = {entry.index for entry in parted.entries}
    for whole in timeline.entries:
        line = whole.source == "console" and whole.kind in ("record", "noise")
        assert (whole.index in kept) is (not line or whole.get("level") in ("E", "W"))
        if whole.index in kept or type(whole.get("line_no")) is int:
            assert parted.when(whole.index) is not None
    assert len(parted.after) == len(parted.entries)
    assert parted.end == max((entry.at for entry in timeline.entries), default=0.0)


def test_a_console_that_is_missing_is_told_from_the_timeline() -> None:
    lines = [
        *UPDATE,
        "{",
        entry(8, "bench", "noise", line_no=8, text="no line"),
        entry(9, "console", "noise", line_no=7, text="two\nlines \ud800"),
    ]
    assert told_console(jsonl(*lines)).decode().split("\n") == [
        "I (6) boot: ESP-IDF",
        "ets Jul 29",
        "E (9) ota: failed",
        "I (12) app: App is valid",
        "? (13) app: bye",
        "",
        "two lines ?",
        "",
    ]
    assert told_console(b"") == b""
    assert told_console(jsonl(entry(1, "console", "noise", line_no=10**9, text="x"))) == b""
