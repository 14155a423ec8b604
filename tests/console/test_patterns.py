"""Patterns of a user's lines: what fits, what does not, what is no pattern, and that none can be slow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.console.patterns import LONGEST, Pattern

FITTING = [
    ("update: begin", "update: begin", {}),
    ("update: begin", "update: begin  ", {}),
    ("next start from {slot}", "next start from ota_1", {"slot": "ota_1"}),
    ("next start from {slot}", "next start from ota_15", {"slot": "ota_15"}),
    ("next start from {slot}", "next start from 17", {"slot": "17"}),
    ("next start from {slot}, then", "next start from 0x11, then", {"slot": "0x11"}),
    ("{bytes} of {total} done", "4096 of 200000 done", {"bytes": "4096", "total": "200000"}),
    ("wrote{bytes}B", "wrote12B", {"bytes": "12"}),
    ("no luck{any}", "no luck", {}),
    ("no luck{any}", "no luck 0x1503", {}),
    ("a{any}b-b{any}c", "a b b-b b-b c", {}),
    ("{any}ready{any}", "now ready again", {}),
    ("app {version} runs", "app 1.2-rc3 runs", {"version": "1.2-rc3"}),
    ("{{braces}}", "{braces}", {}),
    ("dots... (and) [more]", "dots... (and) [more]", {}),
]

OTHER = [
    ("update: begin", "update: beginning"),
    ("update: begin", "an update: begin"),
    ("next start from {slot}", "next start from ota_16"),
    ("next start from {slot}", "next start from ota_1x"),
    ("{bytes} of {total} done", "many of 200000 done"),
    ("no luck {any}", "no luck"),
    ("dots...", "dotsabc"),
    ("a{any}bcd", "a bcd e"),
]

NO_PATTERN = [
    ("{any}", "letters of its own"),
    ("{slot}{any}", "letters of its own"),
    ("slot {slt}", "no placeholder"),
    ("slot {", "no placeholder"),
    ("slot }", "no placeholder"),
    ("from {slot} to {slot}", "twice"),
    ("x" * (LONGEST + 1), "longer than"),
]


@pytest.mark.parametrize(("pattern", "line", "values"), FITTING)
def test_a_line_that_fits_gives_the_values_of_its_placeholders(pattern: str, line: str, values: dict[str, str]) -> None:
    assert Pattern.parse(pattern).match(line) == values


@pytest.mark.parametrize(("pattern", "line"), OTHER)
def test_another_line_does_not_fit(pattern: str, line: str) -> None:
    assert Pattern.parse(pattern).match(line) is None


@pytest.mark.parametrize(("pattern", "complaint"), NO_PATTERN)
def test_what_is_no_pattern_is_complained_about(pattern: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Pattern.parse(pattern)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=5, max_size=LONGEST // 2))
def test_any_text_with_its_braces_doubled_is_a_pattern_of_itself(text: str) -> None:
    text = "abc" + text.rstrip()
    pattern = Pattern.parse(text.replace("{", "{{").replace("}", "}}"))
    assert pattern.match(text) == {}
    assert pattern.match(text + "!") is None


def test_no_pattern_takes_long_on_the_longest_line() -> None:
    """A backtracking matcher would need 4096 to the power of the number of gaps."""
    slow = Pattern.parse("a{any}" * 30 + "{bytes} {version}end")
    begun = time.process_time()
    for line in ("a" * 4096, "a1 " * 1365, "a" * 4090 + "12 en"):
        assert slow.match(line) is None
    assert time.process_time() - begun < 2
