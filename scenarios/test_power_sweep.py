"""Power cut anywhere: at every flash operation of a virtual board, at drawn moments of any whose supply switches."""

from __future__ import annotations

import time

import pytest

from bench.ota import Draft, Ota
from bench.sweep import STORIES, PowerSweep, Story

_STORIES = [pytest.param(story, id=story.name, marks=pytest.mark.firmware(**story.build)) for story in STORIES.values()]


@pytest.mark.needs("power_cut", "url_from_stdin")
@pytest.mark.parametrize("story", _STORIES)
def test_no_power_cut_leaves_the_board_dead(power_sweep: PowerSweep, story: Story) -> None:
    """After a cut before, in and after each operation an image runs that may, and the next update succeeds."""
    tally = power_sweep.run(story)
    assert tally.cuts
    assert set(tally.versions) == story.ends_with


@pytest.mark.needs("power_cycle", "rollback", "url_from_stdin")
def test_no_power_cut_in_time_leaves_the_board_dead(ota: Ota, release: Draft, power_sweep: PowerSweep) -> None:
    """Whenever the supply fails in an update, the board runs the old version or the new, and takes the next update."""
    running = "2"
    began = time.monotonic()
    ota.update(release.version(running), version=running)
    length = time.monotonic() - began
    for number, moment in enumerate(power_sweep.moments, start=1):
        ota.start(release.version(f"cut-{number}"))
        ota.expect_survives_a_cut(moment * length, versions=(running, f"cut-{number}"))
        running = f"after-{number}"
        ota.update(release.version(running), version=running)
