"""release.yaml: what it says is read, and every mistake in it is told with line, field and mend."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import SettingsError
from bench.report.gate import load_policy, parse_policy

WHOLE = """\
name: two
least: 7
require:
  - family: [rollback, test_tls]
    chip: esp32
  - scenario: test_x_*
    tag: [lab, mains]
    counts: virtual
    least: 3
waive:
  - scenario: test_x_1
    board: [a, b]
    reason: because
    by: me
    until: 2026-02-28
others: tell
"""


def test_a_policy_is_what_it_says() -> None:
    policy = parse_policy(WHOLE.encode(), path="r.yaml")
    assert (policy.path, policy.name, policy.least, policy.least_line, policy.strict) == ("r.yaml", "two", 7, 2, False)
    first, second = policy.rules
    assert (first.line, first.by, first.patterns, first.where, first.targets) == (
        4,
        "family",
        ("rollback", "tls"),
        "chip",
        ("esp32",),
    )
    assert first.kinds == {"hardware"}
    assert first.least == 1
    assert (second.line, second.by, second.where, second.targets, second.least) == (
        6,
        "scenario",
        "tag",
        ("lab", "mains"),
        3,
    )
    assert second.kinds == {"hardware", "emulator", "model"}
    (waiver,) = policy.waivers
    assert (waiver.line, waiver.chips, waiver.boards, waiver.reason, waiver.by) == (11, (), ("a", "b"), "because", "me")
    assert waiver.until == date(2026, 2, 28)


def test_what_is_not_said_is_strict() -> None:
    policy = parse_policy(b"require:\n- {family: update, chip: esp32}\n", path="some/release.yaml")
    assert (policy.name, policy.least, policy.strict, policy.waivers) == ("release.yaml", 1, True, ())
    assert policy.rules[0].kinds == {"hardware"}


RULE = "require:\n  - {family: update, chip: esp32}\n"
WAIVER = RULE + "waive:\n  - scenario: test_x\n    reason: r\n    by: me\n    until: 2026-02-28\n"

MISTAKES = {
    "": "r.yaml:1: file: the file is empty; a release policy is expected",
    "least: 3\n": "r.yaml:1: file: has no `require:`: What must have passed, and where.",
    "require: []\n": "r.yaml:1: require: must hold at least 1",
    "require:\n  - {chip: esp32}\n": "r.yaml:1: require: needs one of `family:`, `scenario:`, `mark:`",
    "require:\n  - {family: x}\n": "r.yaml:1: require: needs one of `chip:`, `tag:`, `board:`",
    RULE.replace("}", ", mark: x}"): "r.yaml:2: require.mark: cannot stand beside `family:`; keep one",
    RULE.replace("}", ", tag: x}"): "r.yaml:2: require.tag: cannot stand beside `chip:`; keep one",
    RULE.replace("esp32", "esp32s4"): "r.yaml:2: require.chip: is 'esp32s4' (did you mean 'esp32s3'?); known are",
    RULE.replace("}", ", counts: virtuell}"): "r.yaml:2: require.counts: is 'virtuell' (did you mean 'virtual'?)",
    RULE.replace("update", "'a[1]'"): "r.yaml:2: require.family: must be a name, or a pattern with * and ?, not 'a[1]'",
    RULE.replace("}", ", least: 0}"): "r.yaml:2: require.least: must be a whole number from 1 to 100000, not 0",
    RULE + "waiver: []\n": "r.yaml:3: waiver: is no field of this place (did you mean 'waive'?)",
    RULE + "others: ignore\n": "r.yaml:3: others: is 'ignore'; known are judge, tell",
    WAIVER.replace("    reason: r\n", ""): "r.yaml:3: waive: has no `reason:`: Why the release may do without.",
    WAIVER.replace("    by: me\n", ""): "r.yaml:3: waive: has no `by:`: Who answers for it.",
    WAIVER.replace("    until: 2026-02-28\n", ""): "r.yaml:3: waive: has no `until:`: The last day on which it holds.",
    WAIVER.replace("02-28", "02-30"): "r.yaml:7: waive.1.until: '2026-02-30' is no day of the calendar",
    WAIVER.replace("2026-02-28", "soon"): "r.yaml:7: waive.until: must be a day, like 2027-01-31, not 'soon'",
    WAIVER + "    chip: esp32\n    board: x\n": "r.yaml:9: waive.board: cannot stand beside `chip:`; keep one",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_told_with_line_field_and_mend(text: str) -> None:
    with pytest.raises(SettingsError) as told:
        parse_policy(text.encode(), path="r.yaml")
    assert str(told.value).startswith(MISTAKES[text])


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml:1: file: cannot be read"):
        load_policy(tmp_path / "nowhere.yaml")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_nothing_but_a_complaint_comes_of_anything(data: bytes) -> None:
    with pytest.raises(SettingsError):
        parse_policy(data)


@given(st.sampled_from(range(len(WHOLE))), st.sampled_from(list("x:-[]{}'\n *?#0é")))
def test_a_changed_character_gives_a_policy_or_a_complaint(place: int, character: str) -> None:
    line = 1
    try:
        assert parse_policy((WHOLE[:place] + character + WHOLE[place + 1 :]).encode()).rules
    except SettingsError as error:
        line = error.line
    assert 1 <= line <= WHOLE.count("\n") + 2
