"""The gate: for each thing that a policy can want there is a run that lacks it, and is caught."""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.report.gate import read_run
from tests.report.gate_making import DAY, Did, made, verdict

UPDATE = """\
require:
  - family: update
    chip: esp32s3
"""
LENIENT = UPDATE + "others: tell\n"

SOUND = [Did("test_one"), Did("test_two"), Did("test_three")]


@dataclass(frozen=True)
class Lack:
    """A run that lacks one thing, and the one line that says so."""

    policy: str
    did: list[Did]
    told: str
    run: dict[str, Any] = field(default_factory=dict)


WAIVED = """\
waive:
  - scenario: test_one
    reason: known
    by: me
    until: {until}
"""

LACKS = {
    "failed": Lack(
        UPDATE,
        [*SOUND, Did("test_bad", attempts=["failed"], cause="no boot")],
        "2: update.test_bad on desk: failed: no boot; mend the firmware, or waive it",
    ),
    "error": Lack(
        UPDATE,
        [*SOUND, Did("test_bad", attempts=["error"], cause="no port")],
        "2: update.test_bad on desk: error, so the firmware was not judged: no port; mend the bench or the "
        "lab and run it "
        "again, or waive it",
    ),
    "skipped": Lack(
        UPDATE,
        [*SOUND, Did("test_bad", attempts=["skipped"], cause="needs a_moon")],
        "2: update.test_bad on desk: skipped: needs a_moon; a skip is no pass: enable it, or waive it",
    ),
    "passed on retry": Lack(
        UPDATE,
        [*SOUND, Did("test_bad", attempts=["failed", "passed"])],
        "2: update.test_bad on desk: unstable: its attempts: failed, passed; a pass on retry is no pass: "
        "find out why it "
        "failed, or waive it",
    ),
    "never ran": Lack(
        UPDATE,
        [*SOUND, Did("test_bad", attempts=[])],
        "2: update.test_bad on desk: it was selected and never ran; run it again, without -x or --maxfail, or waive it",
    ),
    "deselected": Lack(
        UPDATE,
        [*SOUND, Did("test_bad", attempts=[], selected=False)],
        "2: update.test_bad on desk: deselected, so it did not run; run without -k, -m or --deselect, or waive it",
    ),
    "a model where hardware is wanted": Lack(
        UPDATE,
        [Did("test_one", "model-s3")],
        "2: update.test_one on esp32s3: it ran on a virtual board only, where hardware is wanted; run "
        "test_update.py with "
        "--board esp32s3 on hardware, or waive it",
    ),
    "an emulator where hardware is wanted": Lack(
        UPDATE.replace("s3", "c3"),
        [Did("test_one", "emulated")],
        "2: update.test_one on esp32c3: it ran on an emulator only, where hardware is wanted; run test_update.py with "
        "--board esp32c3 on hardware, or waive it",
    ),
    "a model where an emulator would do": Lack(
        UPDATE.replace("s3", "c3") + "    counts: emulator\n",
        [Did("test_one", "model-c3")],
        "2: update.test_one on esp32c3: it ran on a virtual board only, where hardware or an emulator is wanted; run "
        "test_update.py with --board esp32c3 on hardware or an emulator, or waive it",
    ),
    "nothing of a chip": Lack(
        UPDATE.replace("esp32s3", "[esp32s3, esp32]"),
        SOUND,
        "2: esp32: none of the 3 scenarios of this rule: it never ran there; run them with --board esp32, or waive "
        "them",
    ),
    "one scenario on one of two chips": Lack(
        UPDATE.replace("esp32s3", "[esp32s3, esp32c3]"),
        [*SOUND, *(Did(one.name, "bench-c3") for one in SOUND[1:])],
        "2: update.test_one on esp32c3: it never ran there; run test_update.py with --board esp32c3 on "
        "hardware, or waive it",
    ),
    "a board": Lack(
        UPDATE.replace("chip: esp32s3", "board: [desk, second-s3]"),
        [*SOUND, *(Did(one.name, "second-s3") for one in SOUND[1:])],
        "2: update.test_one on second-s3: it never ran there; run test_update.py with --board second-s3 on "
        "hardware, or waive "
        "it",
    ),
    "a tag": Lack(
        UPDATE.replace("chip: esp32s3", "tag: mains"),
        [Did("test_one", "second-s3"), Did("test_one", "model-s3")],
        "2: update.test_one on tag:mains: it ran on a virtual board only, where hardware is wanted; run "
        "test_update.py with "
        "--board tag:mains on hardware, or waive it",
    ),
    "a mark": Lack(
        UPDATE.replace("family: update", "mark: needs(power_cut)"),
        [*SOUND, Did("test_bad", attempts=["skipped"], marks=("needs(power_cut)",)), Did("test_ok", marks=("soak",))],
        "2: update.test_bad on desk: skipped; a skip is no pass: enable it, or waive it",
        {"families": ["update"]},
    ),
    "a mark that nothing has": Lack(
        UPDATE.replace("family: update", "mark: needs(power_cat)"),
        [Did("test_one", marks=("needs(power_cut)",))],
        "2: no mark fits 'needs(power_cat)' (did you mean 'needs(power_cut)'?); mend the rule, or collect what it is "
        "about",
        {"families": ["update"]},
    ),
    "a scenario": Lack(
        UPDATE.replace("family: update", "scenario: ['test_o?e', test_gone]"),
        SOUND,
        "2: no scenario fits 'test_gone' (did you mean 'update.test_one'?); mend the rule, or collect what it is about",
        {"families": ["update"]},
    ),
    "a family that there is not": Lack(
        UPDATE.replace("family: update", "family: [update, updat]"),
        SOUND,
        "2: no family fits 'updat' (did you mean 'update'?); mend the rule, or collect what it is about",
    ),
    "a family that was not collected": Lack(
        UPDATE.replace("family: update", "family: [update, tls]"),
        SOUND,
        "2: nothing of the family tls was collected; run test_tls.py too",
    ),
    "a part of a family": Lack(
        UPDATE,
        SOUND,
        "2: only a part of the family update was collected; run test_update.py as a whole",
        {"partial": ["update"]},
    ),
    "too few for the rule": Lack(
        UPDATE + "    least: 4\n",
        SOUND,
        "2: the rule is about 3 scenarios, and must be about at least 4; collect them all: name the folder of "
        "scenarios, and no part of it",
    ),
    "too few in the run": Lack(
        UPDATE + "least: 4\n",
        SOUND,
        "4: 3 scenarios ran to an end, and at least 4 must; run more of them, and see that fewer are skipped",
    ),
    "a failure that no rule is about": Lack(
        UPDATE,
        [*SOUND, Did("test_bad", attempts=["failed"], family="tls")],
        "1: tls.test_bad on desk: no rule is about it, but in a gate nothing may fail or be skipped: failed; mend the "
        "firmware, or waive it",
    ),
    "a skip that no rule is about": Lack(
        UPDATE,
        [*SOUND, Did("test_bad", "model-s3", attempts=["skipped"], family="tls")],
        "1: tls.test_bad on model-s3: no rule is about it, but in a gate nothing may fail or be skipped: "
        "skipped; a skip "
        "is no pass: enable it, or waive it",
    ),
    "a lost board": Lack(
        LENIENT,
        SOUND,
        "1: the board bench-c3 was lost: its port is gone; mend the board and run again",
        {"lost": [("bench-c3", "its port is gone"), ("bench-c3", "and again")]},
    ),
    "a module that could not be collected": Lack(
        LENIENT,
        SOUND,
        "1: scenarios/test_tls.py could not be collected: SyntaxError: invalid syntax; mend it and run again",
        {"uncollected": [("scenarios/test_tls.py", "SyntaxError: invalid syntax"), ("scenarios/test_tls.py", "again")]},
    ),
    "an interrupted run": Lack(
        UPDATE,
        SOUND,
        "1: the run did not come to its end: it was interrupted; run it again, to its end",
        {"interrupted": True},
    ),
    "a killed run": Lack(
        UPDATE,
        SOUND,
        "1: the run did not come to its end: it was killed, or goes on still; run it again, to its end",
        {"ended": False},
    ),
    "an expired waiver": Lack(
        UPDATE + WAIVED.format(until="2026-06-14"),
        SOUND,
        "5: the waiver of test_one by me expired on 2026-06-14; remove it and mend what it waived, or have it renewed",
    ),
}


def test_a_sound_run_meets_the_policy(tmp_path: Path) -> None:
    found = verdict(made(tmp_path / "run", SOUND), UPDATE)
    assert found.met
    assert found.lines() == ["gate release.yaml: MET (3 passed; judged as of 2026-06-15)"]


@pytest.mark.parametrize("name", LACKS)
def test_what_is_missing_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    lack = LACKS[name]
    found = verdict(made(tmp_path / "run", lack.did, **lack.run), lack.policy)
    assert [line.told(found.path) for line in found.unmet] == [f"release.yaml:{lack.told}"]
    assert not found.met


def test_a_family_is_every_scenario_of_its_module_and_patterns_are_many_families(tmp_path: Path) -> None:
    run = made(tmp_path / "run", [*SOUND, Did("test_x", family="tls"), Did("test_y", family="rollback")])
    assert verdict(run, UPDATE.replace("update", '"*"')).met
    assert verdict(run, UPDATE.replace("update", "test_tls")).met


def test_all_families_are_those_that_there_are_and_not_only_the_collected(tmp_path: Path) -> None:
    found = verdict(made(tmp_path / "run", SOUND), UPDATE.replace("update", '"*"'))
    assert [line.problem for line in found.unmet] == [
        "nothing of the family rollback was collected",
        "nothing of the family tls was collected",
    ]


CUT = [Did("test_cut_1", marks=("needs(power_cut)",))]
"""What was collected of a module in which there may be a test_cut_2."""


@pytest.mark.parametrize(
    ("rule", "missed"),
    [
        ('scenario: "test_cut_*"', ["rollback", "tls", "update"]),
        ('scenario: "*"', ["rollback", "tls", "update"]),
        ('scenario: "?est_cut_1"', ["rollback", "tls", "update"]),
        ('scenario: "*.test_cut_1"', ["rollback", "tls", "update"]),
        ('scenario: "up?a*.test_cut_1"', ["update"]),
        ('scenario: "update.*"', ["update"]),
        ("scenario: update.test_cut_1", []),
        ("scenario: test_cut_1", []),
        ("mark: needs(power_cut)", ["rollback", "tls", "update"]),
        ('mark: "needs(*)"', ["rollback", "tls", "update"]),
        ("family: update", ["update"]),
        ('family: "*"', ["rollback", "tls", "update"]),
    ],
)
def test_what_a_rule_may_be_about_and_nobody_has_seen_is_missed(rule: str, missed: list[str], tmp_path: Path) -> None:
    policy = UPDATE.replace("family: update", rule)
    alone = verdict(made(tmp_path / "alone", CUT), policy)
    expected = [f"nothing of the family {name} was collected" for name in missed if name != "update"]
    assert [line.problem for line in alone.unmet] == expected
    others = [Did("test_x", family=name) for name in ("rollback", "tls")]
    parts = verdict(made(tmp_path / "parts", [*CUT, *others], partial=["update", "tls", "rollback"]), policy)
    seen = [line.problem for line in parts.unmet if line.scenario == ""]
    assert seen == [f"only a part of the family {name} was collected" for name in missed]
    assert verdict(made(tmp_path / "whole", CUT, families=["update"]), policy).met


def test_a_failure_on_one_of_two_boards_of_a_chip_is_a_failure(tmp_path: Path) -> None:
    run = made(tmp_path / "run", [*SOUND, Did("test_one", "second-s3", attempts=["failed"])])
    found = verdict(run, LENIENT)
    assert [(line.scenario, line.board) for line in found.unmet] == [("update.test_one", "second-s3")]


def test_what_a_model_says_counts_neither_for_nor_against_hardware(tmp_path: Path) -> None:
    run = made(tmp_path / "run", [*SOUND, Did("test_one", "model-s3", attempts=["failed"])])
    found = verdict(run, LENIENT)
    assert found.met
    assert found.notes == ("models, not hardware: model-s3", "no rule is about update.test_one on model-s3: failed")
    assert verdict(run, LENIENT.replace("others", "    counts: virtual\nothers")).met is False


def test_hardware_is_what_plan_and_evidence_both_call_so(tmp_path: Path) -> None:
    run = made(tmp_path / "run", SOUND)
    path = run / "desk/update.test_one/outcome.json"
    for lie in ({"virtual": True}, {"emulated": True}, {"emulated": None}):
        path.write_text(json.dumps({**json.loads(path.read_text()), **lie}))
        assert [line.scenario for line in verdict(run, LENIENT).unmet] == ["update.test_one"]


def test_a_waiver_covers_its_scenarios_and_says_whose_it_is(tmp_path: Path) -> None:
    run = made(tmp_path / "run", [*SOUND[1:], Did("test_one", attempts=["skipped"])])
    found = verdict(run, UPDATE + WAIVED.format(until="2026-06-15"))
    assert found.met
    assert not found.notes
    assert [line.mend for line in found.waived] == ["known (me, until 2026-06-15, line 5)"]
    expired = verdict(run, UPDATE + WAIVED.format(until="2026-06-15"), date(2026, 6, 16))
    assert [line.scenario for line in expired.unmet] == ["update.test_one", ""]
    assert not expired.waived


@pytest.mark.parametrize(
    ("pattern", "covers"), [("test_one", True), ("update.test_one", True), ("update.*", True), ("tls.test_one", False)]
)
def test_a_scenario_is_named_with_or_without_its_family(pattern: str, covers: bool, tmp_path: Path) -> None:
    run = made(tmp_path / "run", [*SOUND[1:], Did("test_one", attempts=["failed"])])
    assert verdict(run, UPDATE + WAIVED.format(until="2027-01-01").replace("test_one", pattern)).met is covers
    run = made(tmp_path / "named", [*SOUND[1:], Did("test_one", attempts=["failed"])], families=["update"])
    named = verdict(run, LENIENT.replace("family: update", f'scenario: "{pattern}"'))
    assert [line.scenario for line in named.unmet] == (["update.test_one"] if covers else [""])


def test_a_waiver_for_another_chip_or_board_covers_nothing_and_is_told(tmp_path: Path) -> None:
    run = made(tmp_path / "run", [*SOUND[1:], Did("test_one", attempts=["failed"])])
    waiver = UPDATE + WAIVED.format(until="2027-01-01")
    for where, covers in (
        ("chip: esp32", False),
        ("board: second-s3", False),
        ("chip: esp32s3", True),
        ("board: desk", True),
    ):
        found = verdict(run, waiver + f"    {where}\n")
        assert found.met is covers
        assert found.notes == (() if covers else ("release.yaml:5: this waiver waives nothing; remove it",))


def test_a_waiver_covers_what_never_ran_on_a_chip_but_no_lost_board(tmp_path: Path) -> None:
    run = made(tmp_path / "run", SOUND, lost=[("bench-c3", "gone")])
    policy = UPDATE.replace("esp32s3", "[esp32s3, esp32c3]") + WAIVED.format(until="2027-01-01")
    found = verdict(run, policy.replace("scenario: test_one", 'scenario: "*"') + "    chip: esp32c3\n")
    assert [line.problem for line in found.unmet] == ["the board bench-c3 was lost: gone"]
    assert len(found.waived) == 3


def test_a_waived_scenario_is_not_counted_as_run(tmp_path: Path) -> None:
    run = made(tmp_path / "run", [*SOUND[1:], Did("test_one", attempts=["skipped"])])
    assert [line.line for line in verdict(run, UPDATE + "least: 3\n" + WAIVED.format(until="2027-01-01")).unmet] == [4]


@pytest.mark.parametrize(
    ("attempts", "outcome"),
    [
        (["passed"], "passed"),
        (["passed", "passed"], "passed"),
        (["failed", "passed"], "unstable"),
        (["error", "passed"], "unstable"),
        (["skipped", "passed"], "unstable"),
        (["passed", "failed", "passed"], "unstable"),
        (["passed", "failed"], "failed"),
        (["failed", "skipped"], "skipped"),
        ([], "not run"),
    ],
)
def test_what_became_of_a_scenario(attempts: list[str], outcome: str, tmp_path: Path) -> None:
    run = made(tmp_path / "run", [Did("test_one", attempts=attempts)])
    assert [trial.outcome for trial in read_run(run).trials] == [outcome]


def test_the_worse_of_outcome_and_report_counts(tmp_path: Path) -> None:
    """An error of a fixture's end comes when the outcome has been written."""
    run = made(tmp_path / "run", SOUND)
    (run / "attempts.jsonl").write_text((run / "attempts.jsonl").read_text().replace("passed", "error", 1))
    assert [trial.outcome for trial in read_run(run).trials if trial.name == "test_one"] == ["error"]


def test_a_pass_without_evidence_or_without_an_end_is_none(tmp_path: Path) -> None:
    run = made(tmp_path / "run", SOUND)
    (run / "desk/update.test_one/outcome.json").unlink()
    lines = (run / "attempts.jsonl").read_text().splitlines(keepends=True)
    (run / "attempts.jsonl").write_text("".join(line for line in lines if "test_two" not in line))
    became = {trial.name: trial.outcome for trial in read_run(run).trials}
    assert became == {"test_one": "unproven", "test_two": "unfinished", "test_three": "passed"}
    assert len(verdict(run, UPDATE).unmet) == 2


DAMAGE = {
    "timeline": ("desk/update.test_one/timeline.jsonl", '{"index": 0'),
    "no console": ("desk/update.test_one/console.raw", None),
    "images": ("desk/update.test_one/images.json", "{"),
    "outcome": ("desk/update.test_one/outcome.json", '{"outcome": "pas'),
    "no outcome that is known": ("desk/update.test_one/outcome.json", '{"outcome": "fine"}'),
    "an outcome of nobody": ("desk/update.test_one/outcome.json", '{"outcome": "skipped", "scenario": "x"}'),
    "attempts": ("attempts.jsonl", '{"id": "x"'),
    "attempts that are none": ("attempts.jsonl", "[1]\n"),
    "attempts without an outcome": ("attempts.jsonl", '{"id": "x", "outcome": "fine"}\n'),
    "attempts of no name": ("attempts.jsonl", '{"id": [], "outcome": "passed"}\n'),
    "an outcome that is a list": ("attempts.jsonl", '{"id": "x", "outcome": []}\n'),
    "a deep outcome": ("attempts.jsonl", '{"id": "x", "outcome": ' + "[" * 800 + "]" * 800 + "}\n"),
    "lost": ("lost.jsonl", "nonsense"),
    "no board was lost": ("lost.jsonl", '{"cause": "gone"}\n'),
    "lost for a deep cause": ("lost.jsonl", '{"board": "x", "cause": ' + "[" * 800 + "]" * 800 + "}\n"),
    "uncollected": ("uncollected.jsonl", "nonsense"),
    "run": ("run.json", "{"),
    "plan": ("plan.json", "{"),
    "deep plan": ("plan.json", "[" * 100_000),
    "an empty plan": ("plan.json", "{}"),
    "a plan of other things": (
        "plan.json",
        '{"boards": {}, "pools": {}, "families": 1, "partial": [], "scenarios": []}',
    ),
    "families that are none": (
        "plan.json",
        '{"boards": {}, "pools": {}, "families": [1, 2], "partial": [], "scenarios": []}',
    ),
    "parts that are none": (
        "plan.json",
        '{"boards": {}, "pools": {}, "families": [], "partial": [[1]], "scenarios": []}',
    ),
    "no plan": ("plan.json", None),
    "a deep run": ("run.json", '{"started": ' + "[" * 800 + "]" * 800 + "}"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_evidence_is_no_ground_for_a_verdict(name: str, tmp_path: Path) -> None:
    run, (file, content) = made(tmp_path / "run", SOUND), DAMAGE[name]
    (run / file).unlink(missing_ok=True)
    if content is not None:
        (run / file).write_text(content)
    with pytest.raises(BenchError, match=r"run") as told:
        read_run(run)
    assert Path(file).stem in str(told.value) or "desk/update.test_one is evidence of a scenario that" in str(
        told.value
    )


OUTCOMES = st.lists(st.sampled_from(["passed", "failed", "error", "skipped"]), max_size=3)
PLACES = st.sampled_from(["desk", "bench-c3", "second-s3", "emulated", "model-s3", "model-c3"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["test_a", "test_b", "test_c"]), PLACES),
        st.tuples(OUTCOMES, st.booleans()),
        min_size=1,
    ),
    st.randoms(use_true_random=False),
)
def test_the_verdict_does_not_depend_on_any_order(
    tmp_path_factory: pytest.TempPathFactory,
    did: dict[tuple[str, str], tuple[list[str], bool]],
    shuffler: random.Random,
) -> None:
    policy = """\
require:
  - {family: "*", chip: [esp32s3, esp32c3]}
  - {scenario: test_a, tag: [mains, lab], counts: emulator, least: 2}
  - {family: update, board: desk, counts: virtual}
waive:
  - {scenario: test_b, chip: esp32c3, reason: r, by: b, until: 2027-01-01}
  - {scenario: "test_?", board: emulated, reason: r, by: b, until: 2027-01-01}
"""
    runs = [Did(name, board, attempts if ran else [], selected=ran) for (name, board), (attempts, ran) in did.items()]
    lost = [("desk", "gone"), ("second-s3", "gone")]
    folder = tmp_path_factory.mktemp("order")
    first = verdict(made(folder / "first", runs, lost=lost), policy)
    shuffler.shuffle(runs)
    second = verdict(made(folder / "second", runs, lost=lost[::-1]), policy)
    assert first.as_data() == second.as_data()
    assert first.lines() == second.lines()
    assert sum(first.counts.values()) == len(runs)
    assert first.day == DAY


def test_a_long_console_is_no_damage(tmp_path: Path) -> None:
    """That of a soak is more than a page shows."""
    run = made(tmp_path / "run", [Did("test_one")])
    os.truncate(run / "desk/update.test_one/console.raw", (64 << 20) + 1)
    assert [trial.outcome for trial in read_run(run).trials] == ["passed"]


def test_what_was_said_and_seen_is_not_held_for_a_verdict(tmp_path: Path) -> None:
    run = made(tmp_path / "run", [Did(f"test_{number}") for number in range(24)])
    entry = '{"index": 0, "at": 1.0, "source": "console", "kind": "noise", "data": {"text": "' + "x" * 100 + '"}}\n'
    for number in range(24):
        (run / f"desk/update.test_{number}/timeline.jsonl").write_text(entry * 5000)
    tracemalloc.start()
    try:
        assert len(read_run(run).trials) == 24
        assert tracemalloc.get_traced_memory()[1] < 3 * len(entry) * 5000 * 24 // 2
    finally:
        tracemalloc.stop()
