"""A short run of every fuzz target; the same inputs each time, so that it fails for a reason and not by chance."""

from __future__ import annotations

import pickle
from types import MappingProxyType

import pytest

from tests.fuzz import targets
from tests.fuzz.__main__ import Finding, fuzz
from tests.fuzz.mutate import Mutator
from tests.fuzz.targets import TARGETS, Target


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_is_too_much(target: str) -> None:
    fuzz(target, 1, range(40 if TARGETS[target].costly else 150))


@pytest.mark.parametrize("target", TARGETS)
def test_inputs_are_neither_all_taken_nor_all_refused(target: str) -> None:
    """Else the fuzzing would end at the first check of the format, or never reach a refusal."""
    mutator, found = TARGETS[target].mutator(), set[bool]()
    with TARGETS[target].open() as check:
        for number in range(400):
            found.add(check(mutator.input(1, number)))
            if len(found) == 2:
                return
    raise AssertionError(f"all of them: {found}")


def test_an_input_comes_back_by_its_number() -> None:
    mutator = Mutator([b"some bytes"], [b"token"])
    inputs = [mutator.input(7, number) for number in range(50)]
    assert inputs == [mutator.input(7, number) for number in range(50)]
    assert len(set(inputs)) > 40
    assert inputs != [mutator.input(8, number) for number in range(50)]


def test_a_finding_is_told_with_the_command_that_replays_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(data: bytes) -> bool:
        if b"7" in data:
            raise KeyError("seven")
        return True

    broken = Target("", lambda: Mutator([b"6"]), check)
    monkeypatch.setattr("tests.fuzz.__main__.TARGETS", MappingProxyType({**targets.TARGETS, "broken": broken}))
    with pytest.raises(Finding, match="KeyError: 'seven'") as caught:
        fuzz("broken", 3, range(400))
    number = caught.value.number
    assert str(caught.value).startswith(
        f"broken #{number}: replay by  python -m tests.fuzz --target broken --seed 3 --only {number}\n"
    )
    with pytest.raises(Finding):
        fuzz("broken", 3, range(number, number + 1))
    fuzz("broken", 3, range(number))
    assert pickle.loads(pickle.dumps(caught.value)).number == number
