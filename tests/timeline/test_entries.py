"""Entries: what they hold, and the same again after a round trip through JSON."""

from __future__ import annotations

import json
from enum import Enum, IntEnum
from types import MappingProxyType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.errors import FormatError
from bench.timeline import Entry, Timeline, from_json, read_jsonl, to_json, to_jsonl

names = st.text(max_size=8).filter(lambda name: not name.startswith("$"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


class Colour(Enum):
    RED = 1


class Number(IntEnum):
    SEVEN = 7


@given(st.dictionaries(names.filter(lambda name: name.isidentifier()), values, max_size=4))
def test_a_round_trip_through_json_gives_the_same_entry(data: dict[str, object]) -> None:
    entry = Timeline().append("console", "record", **data)
    line = to_json(entry)
    assert line.isascii()
    assert "\n" not in line
    assert from_json(line) == entry
    assert to_json(from_json(line)) == line


@given(st.lists(st.dictionaries(st.sampled_from(["a", "index"]), values, max_size=2), max_size=4))
@example([{"a": '},{"index":3'}, {"a": "}\n{"}])
@example([{"a": [{"index": 1}, {"index": 2}]}, {"index": [{}, {"index": 3}]}])
@example([{"a": "plain"}, {"a": "\u00e9"}, {"a": "\udc80"}, {"a": 1e16, "index": 1 << 70}])
def test_many_lines_at_once_are_each_of_them(many: list[dict[str, object]]) -> None:
    timeline = Timeline()
    entries = [timeline.append("bench", "x", inner=data) for data in many]
    assert to_jsonl(entries) == "".join(to_json(entry) + "\n" for entry in entries)
    assert timeline.to_jsonl() == to_jsonl(entries)


def test_the_line_is_stable_and_bytes_are_hex() -> None:
    entry = Entry(3, 1.25, "board", "flash", MappingProxyType({"offset": 0x1000, "data": b"\x00\xff"}))
    assert to_json(entry) == (
        '{"index":3,"at":1.25,"source":"board","kind":"flash","data":{"offset":4096,"data":{"$hex":"00ff"}}}'
    )


def test_enums_and_buffers_become_plain() -> None:
    entry = Timeline().append("bench", "x", colour=Colour.RED, number=Number.SEVEN, raw=bytearray(b"ab"), many=[1, 2])
    assert dict(entry.data) == {"colour": "RED", "number": 7, "raw": b"ab", "many": (1, 2)}


def test_an_entry_cannot_be_changed_by_who_made_it() -> None:
    inner = {"a": [1]}
    entry = Timeline().append("bench", "x", inner=inner)
    inner["a"].append(2)
    inner["b"] = []
    assert entry.data["inner"] == {"a": (1,)}
    with pytest.raises(TypeError):
        entry.data["more"] = 1  # type: ignore[index]
    assert hash(entry) == hash(entry)


@pytest.mark.parametrize("value", [object(), {1: 2}, {"$hex": "00"}, {1, 2}, Timeline])
def test_what_a_timeline_cannot_hold_is_refused(value: object) -> None:
    timeline = Timeline()
    with pytest.raises(TypeError):
        timeline.append("bench", "x", value=value)
    assert timeline.entries == ()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_has_not_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="holds no"):
        Timeline().append("bench", "x", value=value)


GOOD = {"index": 0, "at": 0.5, "source": "a", "kind": "b", "data": {}}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        "\x00",
        "[" * 100_000,
        "9" * 5000,
        json.dumps({**GOOD, "index": "0"}),
        json.dumps({**GOOD, "index": True}),
        json.dumps({**GOOD, "at": None}),
        json.dumps({**GOOD, "source": 1}),
        json.dumps({**GOOD, "data": []}),
        json.dumps({**GOOD, "data": {"a": {"$hex": "0"}}}),
        json.dumps({**GOOD, "data": {"a": {"$hex": 5}}}),
        json.dumps({**GOOD, "data": {"a": {"$other": 5}}}),
        '{"index": 0, "at": 0.5, "source": "a", "kind": "b", "data": {"x": NaN}}',
        '{"index": 0, "at": NaN, "source": "a", "kind": "b"}',
        '{"index": 0, "at": -Infinity, "source": "a", "kind": "b"}',
        '{"index": 0, "at": 1e999, "source": "a", "kind": "b"}',
        json.dumps({**GOOD, "data": {"x": "deep"}}).replace('"deep"', "[" * 500 + "]" * 500),
        json.dumps({**GOOD, "data": {"x": "deep"}}).replace('"deep"', '{"y":' * 500 + "1" + "}" * 500),
        '{"index": 0, "at": 1' + "0" * 400 + ', "source": "a", "kind": "b"}',
    ],
)
def test_a_line_that_is_no_entry_is_a_format_error_with_its_number(line: str) -> None:
    with pytest.raises(FormatError, match="timeline, line 4"):
        from_json(line, line_no=4)


@given(st.text())
def test_any_text_is_an_entry_or_a_format_error(line: str) -> None:
    with pytest.raises(FormatError):
        from_json(line)


def test_a_file_cut_off_by_a_kill_is_read_up_to_the_cut() -> None:
    timeline = Timeline()
    for number in range(3):
        timeline.append("bench", "step", number=number)
    text = timeline.to_jsonl()
    for cut in range(len(text)):
        entries = read_jsonl(text[:cut].splitlines(keepends=True))
        assert entries == timeline.entries[: len(entries)]
        assert len(entries) >= text[:cut].count("\n")
    assert read_jsonl(text.splitlines(keepends=True)) == timeline.entries


def test_damage_in_the_middle_is_an_error() -> None:
    timeline = Timeline()
    timeline.append("bench", "step")
    line = timeline.to_jsonl()
    with pytest.raises(FormatError, match="line 2"):
        read_jsonl([line, line[:10] + "\n", line])
