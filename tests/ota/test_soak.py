"""A soak chooses by its seed alone, and counts only what succeeded."""

from __future__ import annotations

import pytest

from bench.ota import Soak


def test_the_same_seed_makes_the_same_choices() -> None:
    first, again, other = (Soak(9, seed, "here") for seed in (4, 4, 5))
    chosen = [(first.choose("abcdef"), first.number(0, 1000)) for _ in range(20)]
    assert [(again.choose("abcdef"), again.number(0, 1000)) for _ in range(20)] == chosen
    assert [(other.choose("abcdef"), other.number(0, 1000)) for _ in range(20)] != chosen


def test_the_summary_names_cycles_seed_and_faults() -> None:
    soak = Soak(3, 17, "desk")
    for fault in ("reset", "reset", "power cut"):
        soak.survived(fault)
        with soak.timed():
            pass
    head, times, faults = soak.summary()
    assert head == "soak on desk: 3 of 3 updates (--cycles 3 --seed 17)"
    assert "in the median" in times
    assert faults.endswith("power cut (1), reset (2)")


def test_an_update_that_fails_does_not_count() -> None:
    soak = Soak(3, 17, "desk")
    with pytest.raises(AssertionError), soak.timed():
        raise AssertionError
    assert soak.summary() == [
        "soak on desk: 0 of 3 updates (--cycles 3 --seed 17)",
        "  faults survived between them: none",
    ]
