"""Users' YAML: each kind of value reads what it promises and refuses the rest, with line, field and mend."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import SettingsError
from bench.settings import Document, Fields, Flag, ListOf, Named, Number, Record, Text, Whole, json_schema

INNER = Fields(
    "A thing.",
    {
        "on": Flag("Is it on?"),
        "level": Number("How much.", 0, 1.5),
        "left": Text("One way."),
        "right": Text("Another."),
    },
    at_most_one=(("left", "right"),),
)
KIND = Fields(
    "The file.",
    {
        "word": Text("A word.", choices=("red", "green")),
        "form": Text("A form.", form=r"[0-9]+-[0-9]+", told="N-M"),
        "count": Whole("How many.", 1, 16),
        "list": ListOf(Whole("One.", 0, 9), "Some.", least=1),
        "things": ListOf(INNER, "Things."),
        "named": Named(INNER, "Things by name.", "thing", least=1),
        "this": Text("One of two."),
        "that": Text("The other."),
    },
    required=("word",),
    either=(("this", "that"),),
)
FILE = Document("test file")


def read(text: str) -> Record:
    return FILE.parse(text.encode(), "my.yaml", KIND)


def test_values_come_out_typed_with_the_lines_they_stand_on() -> None:
    record = read(
        "word: red\nform: 1-22\ncount: 0x10\nlist: [1, 2]\nthis: 7\n"
        "things:\n  - on: yes\nnamed:\n  a: {level: 0.5}\n  b:\n    left: x\n"
    )
    assert (record.text("word"), record.text("form"), record.text("this")) == ("red", "1-22", "7")
    assert record.whole("count") == 16
    assert record.values["list"] == (1, 2)
    assert [thing.flag("on") for thing in record.records("things")] == [True]
    named = record.record("named")
    assert named is not None
    assert list(named) == ["a", "b"]
    assert (named.lines["a"], named.lines["b"]) == (9, 10)
    inner = named.record("a")
    assert inner is not None
    assert inner.number("level") == 0.5
    assert (inner.flag("on"), inner.text("left", "none"), inner.record("none"), inner.texts("none")) == (
        False,
        "none",
        None,
        (),
    )
    assert "that" not in record


@pytest.mark.parametrize(
    ("text", "line", "field", "says"),
    [
        ("word: blue\nthis: x", 1, "word", "known are red, green"),
        ("word: gren\nthis: x", 1, "word", "did you mean 'green'"),
        ("this: x", 1, "file", "no `word:`: A word."),
        ("word: red", 1, "file", "needs one of `this:`, `that:`"),
        ("word: red\nthis: x\nthat: y", 3, "that", "cannot stand beside `this:`"),
        ("word: red\nthis: x\nform: 1_2", 3, "form", "must be N-M, not '1_2'"),
        ("word: red\nthis: x\ncount: 17", 3, "count", "from 1 to 16, not 17"),
        ("word: red\nthis: x\ncount: 1.5", 3, "count", "not '1.5'"),
        ("word: red\nthis: x\ncount: 99999999999999999999", 3, "count", "whole number"),
        ("word: red\nthis: x\ncount: [1]", 3, "count", "not a list"),
        ("word: red\nthis: x\nlist: []", 3, "list", "at least 1"),
        ("word: red\nthis: x\nlist: 1", 3, "list", "must be a list"),
        ("word: red\nthis: x\nlist:\n  - 1\n  - ten", 5, "list", "'ten'"),
        ("word: red\nthis: {}", 2, "this", "not a mapping"),
        ("word: red\nthis: ''", 2, "this", "must not be empty"),
        ("word: red\nthis:", 2, "this", "not nothing"),
        ("word: red\nthis: x\nnamed: {}", 3, "named", "names no thing"),
        ("word: red\nthis: x\nnamed:\n  a b: {}", 4, "named", "is no name for a thing"),
        ("word: red\nthis: x\nnamed:\n  a:\n    level: 2", 5, "named.a.level", "from 0 to 1.5"),
        ("word: red\nthis: x\nnamed:\n  a:\n    on: 1", 5, "named.a.on", "true or false"),
        ("word: red\nthis: x\nnamed:\n  a: {left: 1, right: 2}", 4, "named.a.right", "cannot stand beside `left:`"),
        ("word: red\nthis: x\nword: red", 3, "word", "twice"),
        ("word: red\nthis: x\ncolor: red", 3, "color", "is no field of this place"),
        ("word: red\nthis: x\n<<: {count: 1}", 3, "file", "must be text"),
        ('word: red\nthis: "\\uD800"', 2, "this", r"holds '\ud800', which is no character"),
        ('word: red\nthis: "a\\0b"', 2, "this", r"holds '\x00', which is no character"),
        ('word: red\nthis: x\nnamed:\n  "a\\uDFFF": {}', 4, "named", r"holds '\udfff'"),
        ('word: red\nthis: x\n"\\uD83D\\uDE00": 1', 3, "file", r"holds '\ud83d'"),
        ('word: red\nthis: "\\UFFFFFFFF"', 2, "file", "is not YAML: an escape or a version"),
        ('word: red\nthis: "\\U00110000"', 2, "file", "is not YAML: an escape or a version"),
        ("%YAML 1." + "1" * 5000 + "\n---\nword: red\nthis: x", 1, "file", "is not YAML: an escape or a version"),
    ],
)
def test_a_mistake_is_named_with_its_line_field_and_mend(text: str, line: int, field: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(text)
    assert (caught.value.line, caught.value.field) == (line, field), str(caught.value)
    assert says in str(caught.value)


def test_aliases_stand_for_what_they_name() -> None:
    record = read("word: red\nthis: &this x\nlist: [&one 1, *one]\nthings: [&thing {left: *this}, *thing]\n")
    assert record.values["list"] == (1, 1)
    assert [thing.text("left") for thing in record.records("things")] == ["x", "x"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("things: [&many {left: " + "x" * 100_000 + "}" + ", *many" * 20 + "]", 3),
        ("list: &some [" + "1, " * 2000 + "1]\nnamed: [" + "*some, " * 600 + "]", 4),
        ("things:\n- &k0 [x, x]\n" + "".join(f"- &k{n} [*k{n - 1}, *k{n - 1}]\n" for n in range(1, 40)), 23),
        ("list: &a [1, *a]", 3),
    ],
)
def test_aliases_that_stand_for_more_than_a_file_may_hold_are_refused_before_they_are_read(
    text: str, line: int
) -> None:
    with pytest.raises(SettingsError, match=r"once its aliases .* are written out; use fewer") as caught:
        read(f"word: red\nthis: x\n{text}")
    assert (caught.value.line, caught.value.field) == (line, "file")


@pytest.mark.parametrize("text", ["word: %s\nthis: x", "word: red\nthis: x\n? %s\n: 1", "word: red\nthis: x\nform: %s"])
def test_a_mistake_of_any_length_is_told_shortly(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(text % ("x" * 5000))
    assert len(str(caught.value)) < 300


_SCALARS = st.one_of(
    st.sampled_from(["red", "green", "blue", "1-2", "", "x", "a b"]),
    st.booleans(),
    st.integers(-2, 20),
    st.floats(-1, 3).map(lambda number: round(number, 3)),
    st.none(),
)
_INNER = st.dictionaries(st.sampled_from(["on", "level", "left", "right", "up"]), _SCALARS, max_size=3)
_VALUES = st.one_of(
    _SCALARS,
    st.lists(st.one_of(_SCALARS, _INNER), max_size=3),
    _INNER,
    st.dictionaries(st.sampled_from(["a", "b", "c d"]), _INNER, max_size=2),
)
_FILES = st.dictionaries(
    st.sampled_from(["word", "form", "count", "list", "things", "named", "this", "that", "other"]), _VALUES, max_size=6
)


def _plausible(values: dict[str, Any]) -> dict[str, Any]:
    """Mostly whole: a random file alone would nearly always lack what is required."""
    return {"word": "red", "this": "x", **values}


@given(st.one_of(_FILES, _FILES.map(_plausible)))
def test_reader_and_schema_agree(values: dict[str, Any]) -> None:
    """What an editor underlines is what the bench refuses, apart from what JSON Schema takes more loosely."""
    valid = jsonschema.Draft202012Validator(json_schema(KIND, title="test")).is_valid(values)
    try:
        read(yaml.safe_dump(values, sort_keys=False))
    except SettingsError as error:
        told = str(error)
    else:
        told = ""
    loose = any(problem in told for problem in ("must not be empty", "whole number", "must be N-M"))
    assert valid == (not told) or loose, told
