"""An expectation that was not met, as the data that a report is drawn from."""

from __future__ import annotations

import json

import pytest

from bench.timeline import START, Deadline, Diverged, Sequence, TimedOut, Timeline, booted, expect_absent, maybe, said
from bench.timeline.events import ABORT, CONNECTED, FINISH, WRITE_FLASH
from bench.timeline.sequences import forbid


def event(timeline: Timeline, name: str, payload: int | None = None) -> int:
    return timeline.append("console", "event", name=f"ESP_HTTPS_OTA_{name}", payload=payload).index


def test_a_divergence_tells_what_became_of_each_step() -> None:
    timeline = Timeline()
    event(timeline, "START")
    last = [event(timeline, "WRITE_FLASH", 10 * number) for number in range(3)][-1]
    culprit = event(timeline, "ABORT")
    steps = (START, maybe(CONNECTED), maybe(WRITE_FLASH), FINISH, said(text="x"), forbid(said(text="bad")))
    with pytest.raises(Diverged) as caught:
        Sequence(*steps).follow(timeline, Deadline(0))
    told = caught.value.unmet.as_data()
    assert json.loads(json.dumps(told)) == told
    assert told["index"] == culprit
    assert "instead came: #4" in str(told["instead"])
    assert told["wanted"] == [
        {"text": "START", "fate": "came", "index": 0},
        {"text": "maybe CONNECTED", "fate": "left out", "index": None},
        {"text": "maybe WRITE_FLASH", "fate": "came", "index": last, "times": 3},
        {"text": "FINISH", "fate": "here", "index": None},
        {"text": "said(text='x')", "fate": "awaited", "index": None},
        {"text": "never said(text='bad')", "fate": "never", "index": None},
    ]


def test_what_did_not_come_has_no_place_on_the_timeline() -> None:
    timeline = Timeline()
    event(timeline, "START")
    for wait in (Sequence(START, ABORT).follow, lambda t, d: t.wait(booted(slot="ota_1"), d)):
        with pytest.raises(TimedOut) as caught:
            wait(timeline, Deadline(0))
        assert caught.value.unmet.index is None
        assert caught.value.unmet.wanted[-1].fate == "here"
        assert "did not come within 0 s" in caught.value.unmet.instead


def test_what_must_not_come_points_at_it() -> None:
    timeline = Timeline()
    event(timeline, "START")
    culprit = event(timeline, "ABORT")
    with pytest.raises(Diverged) as caught:
        expect_absent(timeline, ABORT)
    assert caught.value.unmet.index == culprit
    assert caught.value.unmet.wanted[0].fate == "never"
