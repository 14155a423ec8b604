"""Power cuts at every operation: exact states, sound firmware that survives them, and defects that do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.builds import Build, write_build
from bench.cli import main
from bench.errors import BenchError, ExpectationFailed
from bench.images import Defect
from bench.server import Authority
from bench.sweep import Cut, Sweep, cuts_of, parse_cuts, story_named
from bench.sweep.bench_top import BenchTop
from bench.sweep.record import State
from bench.virtual.door import CutPlan, Phase

Built = Callable[..., Build]

CUTS = st.builds(Cut, st.integers(1, 10**8), st.sampled_from(Phase))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.throwaway()


@pytest.fixture
def built(authority: Authority, tmp_path: Path) -> Built:
    """The build of a story, sound or with a defect."""

    def build(story: str, defect: Defect | None = None) -> Build:
        spec = story_named(story).spec("esp32c3", authority.ca_pem)
        write_build(replace(spec, defect=defect), tmp_path / "build")
        return Build.load(tmp_path / "build")

    return build


def some(sweep: Sweep) -> list[Cut]:
    """Every cut at what decides, and a sample of the long download."""
    decides = [cut for cut in cuts_of(sweep.recording) if not _is_download(sweep, cut)]
    return sorted([*decides, *list(cuts_of(sweep.recording))[:: len(sweep.recording.operations) // 9]], key=_order)


def _is_download(sweep: Sweep, cut: Cut) -> bool:
    return sweep.recording.operations[cut.operation - 1].purpose in ("ota:write", "ota:erase", "nvs")


def _order(cut: Cut) -> tuple[int, int]:
    return cut.operation, list(Phase).index(cut.phase)


def test_sound_firmware_survives_every_cut_that_decides(authority: Authority, built: Built) -> None:
    """In two processes; every story is swept in scenarios/test_power_sweep.py."""
    with Sweep(story_named("update"), built("update"), authority) as sweep:
        tally = sweep.run(cuts=some(sweep), second=12, seed=5, jobs=2)
    assert not tally.findings, "\n".join(map(str, tally.findings))
    assert set(tally.versions) >= story_named("update").ends_with
    assert tally.cuts >= 20
    assert tally.second_cuts == 12


@pytest.mark.parametrize(
    ("story", "defect", "says"),
    [
        ("update", Defect.SWITCH_BEFORE_DOWNLOAD, "after the cut version 'flashed' runs from ota_0"),
        ("update", Defect.SPOIL_OTADATA, "after the cut version 'flashed' runs from ota_0"),
        ("update", Defect.SEQUENCE_NOT_RAISED, "after the update to sweep-3 version 'sweep-1' runs"),
        ("anti_rollback", Defect.BURN_EARLY, "after the cut ota_0 runs, but otadata names ota_1"),
    ],
)
def test_firmware_that_breaks_its_promise_is_found(
    story: str, defect: Defect, says: str, authority: Authority, built: Built
) -> None:
    with Sweep(story_named(story), built(story, defect), authority) as sweep:
        findings = sweep.run(cuts=some(sweep), jobs=1).findings
        assert any(says in str(finding) for finding in findings), list(map(str, findings))
        with sweep.checker() as checker:
            assert checker.outcome(*findings[0].cuts).broken == findings[0].outcome.broken


def test_firmware_that_dies_without_any_cut_is_told_so(authority: Authority, built: Built) -> None:
    dies = Sweep(story_named("rollback"), built("rollback", Defect.BOTH_ENTRIES_ERASED), authority)
    with pytest.raises(ExpectationFailed, match="without any power cut the board resets for ever"), dies:
        pass


def test_what_a_cut_leaves_is_what_a_real_cut_leaves(authority: Authority, built: Built) -> None:
    """The states that are put together from the recording, against lives that really end there."""
    build = built("anti_rollback")
    with Sweep(story_named("anti_rollback"), build, authority) as sweep, sweep.checker() as checker:
        operations = sweep.recording.operations
        decisive = [one.number for one in operations if one.purpose not in ("ota:write", "ota:erase")]
        for number in (1, 2, 100, *decisive):
            for phase in Phase:
                with BenchTop("esp32c3") as top:
                    sweep.recording.start.put_into(top)
                    top.machine.flash.door.plan(CutPlan("*", phase, number))
                    top.live(sweep.release_url)
                    assert top.machine.flash.door.fired
                    real = State.of(top)
                with checker.cut_at(Cut(number, phase)) as put_together:
                    assert State.of(put_together) == real, f"{number}:{phase.value}"


def test_a_checker_goes_back_and_forth(authority: Authority, built: Built) -> None:
    with Sweep(story_named("update"), built("update"), authority) as sweep, sweep.checker() as checker:
        states: dict[int, State] = {}
        for number in (5, 9, 3, 9, 5):
            with checker.cut_at(Cut(number, Phase.MIDDLE)) as top:
                state = State.of(top)
            assert states.setdefault(number, state) == state
        assert len({state.flash for state in states.values()}) == 3


def test_the_same_seed_draws_the_same_pairs(authority: Authority, built: Built) -> None:
    with Sweep(story_named("update"), built("update"), authority) as sweep:
        told: list[tuple[int, int]] = []
        cuts = [Cut(3, Phase.MIDDLE), Cut(4, Phase.AFTER)]
        first = sweep.run(cuts=cuts, second=4, seed=9, jobs=1, progress=lambda done, of: told.append((done, of)))
        assert told[-1] == (6, 6)
        assert first.second_cuts == 4
        assert sweep.run(cuts=cuts, second=4, seed=9, jobs=2).versions == first.versions


@given(st.lists(CUTS, min_size=1, max_size=2))
def test_cuts_are_read_as_they_are_written(cuts: list[Cut]) -> None:
    assert parse_cuts("+".join(map(str, cuts))) == tuple(cuts)


@pytest.mark.parametrize("text", ["", "3", "0:middle", "3:centre", "3:middle+", "1:after+2:after+3:after", "-1:after"])
def test_what_is_no_cut_is_refused(text: str) -> None:
    with pytest.raises(BenchError, match="is no cut"):
        parse_cuts(text)


def test_one_cut_is_replayed_with_its_console(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTA_BENCH_HOME", str(tmp_path))
    assert main(["sweep", "update", "--chip", "esp32c3", "--at", "1:before"]) == 0
    told = capsys.readouterr().out
    assert "ESP-ROM:esp32c3" in told
    assert told.rstrip().endswith("cut 1:before (ota:erase): version sweep-1 runs, the next update succeeds")
    assert main(["sweep", "updat"]) == 2
    assert "known are update, rollback" in capsys.readouterr().err
    assert main(["sweep", "--at", "1:before"]) == 2
    assert "--at and --build go with one story" in capsys.readouterr().err


def test_after_a_second_cut_the_second_release_may_run_too(authority: Authority, built: Built) -> None:
    with Sweep(story_named("update"), built("update"), authority) as sweep, sweep.checker() as checker:
        first = Cut(3, Phase.MIDDLE)
        last = checker.outcome(first).operations
        outcomes = [checker.outcome(first, Cut(number, Phase.AFTER)) for number in range(last - 6, last + 1)]
    assert not [outcome.broken for outcome in outcomes if outcome.broken]
    assert {outcome.version for outcome in outcomes} == {"sweep-1", "sweep-3"}


def test_a_second_cut_falls_in_each_of_the_updates_that_follow(authority: Authority, built: Built) -> None:
    """This story offers the release that was cut once more, and then a later one."""
    story = story_named("resumption")
    with Sweep(story, built("resumption"), authority) as sweep, sweep.checker() as checker:
        first = Cut(len(sweep.recording.operations) // 2, Phase.MIDDLE)
        last = checker.outcome(first).operations
        outcomes = [checker.outcome(first, Cut(number, Phase.AFTER)) for number in (1, last // 3, last - 6, last)]
        after_the_end = Cut(len(sweep.recording.operations), Phase.AFTER)
        outcomes.append(checker.outcome(after_the_end, Cut(checker.outcome(after_the_end).operations, Phase.AFTER)))
    assert not [outcome.broken for outcome in outcomes if outcome.broken]
    assert [outcome.version for outcome in outcomes] == ["sweep-1", "sweep-1", "sweep-2", "sweep-3", "sweep-3"]


@pytest.mark.parametrize("story", ["update", "resumption"])
def test_a_second_cut_that_never_falls_is_the_bench_s_error(story: str, authority: Authority, built: Built) -> None:
    with Sweep(story_named(story), built(story), authority) as sweep, sweep.checker() as checker:
        first = Cut(3, Phase.MIDDLE)
        last = checker.outcome(first).operations
        with pytest.raises(BenchError, match=f"{last + 1}:after, never fell: all that follows has {last} operations"):
            checker.outcome(first, Cut(last + 1, Phase.AFTER))
        assert not checker.outcome(first, Cut(last, Phase.AFTER)).broken


def test_a_download_goes_on_from_the_place_that_was_kept(authority: Authority, built: Built) -> None:
    """At the first write nothing is kept yet, and behind the last one nothing any more."""
    with Sweep(story_named("resumption"), built("resumption"), authority) as sweep, sweep.checker() as checker:
        writes = [one.number for one in sweep.recording.operations if one.purpose == "ota:write"]
        cuts = [Cut(number, phase) for number in (writes[0], *writes[9::40], writes[-1]) for phase in Phase]
        outcomes = {str(cut): checker.outcome(cut) for cut in cuts}
        switch = next(one.number for one in sweep.recording.operations if one.purpose == "otadata")
        at_the_end = checker.outcome(Cut(switch, Phase.BEFORE))
    assert {cut: outcome.broken for cut, outcome in outcomes.items() if outcome.broken} == {}
    assert [cut for cut, outcome in outcomes.items() if not outcome.went_on] == [str(cut) for cut in cuts[:3]]
    assert (at_the_end.version, at_the_end.broken, at_the_end.went_on) == ("sweep-1", "", False)


def test_a_download_that_begins_again_is_found(authority: Authority, built: Built) -> None:
    with Sweep(story_named("resumption"), built("resumption", Defect.RESUME_FROM_START), authority) as sweep:
        half = len(sweep.recording.operations) // 2
        tally = sweep.run(cuts=[Cut(1, Phase.BEFORE), Cut(half, Phase.AFTER)], second=2, jobs=1)
    assert tally.findings[0].at == f"{half}:after"
    assert "the update to sweep-2 writes the image from 0x0 on" in tally.findings[0].outcome.broken
    assert not tally.went_on


def test_firmware_that_keeps_no_place_is_told_so(authority: Authority, built: Built) -> None:
    with (
        pytest.raises(ExpectationFailed, match="resumption: the download keeps no place in NVS to go on from"),
        Sweep(story_named("resumption"), built("update"), authority),
    ):
        pass


def test_emulated_efuses_that_a_cut_leaves_half_written_are_a_finding(authority: Authority, tmp_path: Path) -> None:
    """ESP-IDF writes them in one piece; the missing half reads as burnt, and no image is new enough."""
    write_build(story_named("anti_rollback").spec("esp32", authority.ca_pem), tmp_path / "build")
    with Sweep(story_named("anti_rollback"), Build.load(tmp_path / "build"), authority) as sweep:
        burns = [one.number for one in sweep.recording.operations if one.purpose.startswith("efuse:")]
        tally = sweep.run(cuts=[Cut(number, Phase.MIDDLE) for number in burns], jobs=1)
    assert [str(finding.outcome.broken) for finding in tally.findings] == ["after the cut no application boots"]
    assert tally.findings[0].of_emulation
    assert not tally.broken
