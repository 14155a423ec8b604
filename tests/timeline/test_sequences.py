"""Sequences of events: what they accept, what they report at once, and how they tell it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import ExpectationFailed
from bench.timeline import (
    ABORT,
    CONNECTED,
    DECRYPT_CB,
    FINISH,
    GET_IMG_DESC,
    START,
    UPDATE_BOOT_PARTITION,
    VERIFY_CHIP_ID,
    WRITE_FLASH,
    Deadline,
    Diverged,
    Sequence,
    TimedOut,
    Timeline,
    any_of,
    booted,
    expect_absent,
    forbid,
    maybe,
    panicked,
    said,
    slot_of_subtype,
    subtype_of_slot,
)

NOW = Deadline(0)
UPDATE = Sequence(
    START,
    CONNECTED,
    GET_IMG_DESC,
    VERIFY_CHIP_ID(9),
    maybe(WRITE_FLASH),
    UPDATE_BOOT_PARTITION(slot="ota_1"),
    FINISH,
)
STORY: list[tuple[str, int | None]] = [
    ("START", None),
    ("CONNECTED", None),
    ("GET_IMG_DESC", None),
    ("VERIFY_CHIP_ID", 9),
    ("UPDATE_BOOT_PARTITION", 0x11),
    ("FINISH", None),
]


def event(timeline: Timeline, name: str, payload: int | None = None) -> int:
    return timeline.append("console", "event", name=f"ESP_HTTPS_OTA_{name}", payload=payload).index


def record(timeline: Timeline, message: str, tag: str = "app", level: str = "I") -> int:
    return timeline.append("console", "record", level=level, ms=1, tag=tag, message=message).index


def story(*events: tuple[str, int | None] | str) -> Timeline:
    timeline = Timeline()
    for each in events:
        event(timeline, *((each,) if isinstance(each, str) else each))
    return timeline


def test_a_whole_update_with_records_and_requests_between() -> None:
    timeline = Timeline()
    for name, payload in STORY:
        record(timeline, f"before {name}")
        timeline.append("server", "request", path="/a")
        event(timeline, name, payload)
    followed = UPDATE.follow(timeline, NOW)
    assert [entry.data["name"] for entry in followed] == [f"ESP_HTTPS_OTA_{name}" for name, _ in STORY]


@given(st.integers(0, 40))
def test_writes_may_come_any_number_of_times(writes: int) -> None:
    events = [*STORY[:4], *(("WRITE_FLASH", 1024 * n) for n in range(1, writes + 1)), *STORY[4:]]
    assert len(UPDATE.follow(story(*events), NOW)) == len(STORY) + writes


@given(st.integers(0, 5))
def test_every_event_left_out_is_noticed(missing: int) -> None:
    events = [*STORY[:missing], *STORY[missing + 1 :]]
    with pytest.raises(ExpectationFailed):
        UPDATE.follow(story(*events), NOW)


@given(st.integers(0, 5), st.sampled_from(["START", "CONNECTED", "GET_IMG_DESC", "ABORT", "DECRYPT_CB", "FINISH"]))
def test_every_event_too_many_is_noticed(at: int, extra: str) -> None:
    events = [*STORY[:at], (extra, None), *STORY[at:]]
    if events[: len(STORY)] == STORY:
        return
    with pytest.raises(Diverged) as caught:
        UPDATE.follow(story(*events), NOW)
    assert caught.value.culprit.index <= at + 1


@given(st.permutations(STORY))
def test_any_other_order_is_noticed(events: list[tuple[str, int | None]]) -> None:
    if events == STORY:
        assert UPDATE.follow(story(*events), NOW)
    else:
        with pytest.raises(Diverged):
            UPDATE.follow(story(*events), NOW)


def test_a_wrong_payload_is_a_divergence() -> None:
    timeline = story(*STORY[:3], ("VERIFY_CHIP_ID", 5))
    with pytest.raises(Diverged, match=r"VERIFY_CHIP_ID\(9\) should have come next"):
        UPDATE.follow(timeline, NOW)
    with pytest.raises(Diverged, match="slot=ota_1"):
        UPDATE.follow(story(*STORY[:4], ("UPDATE_BOOT_PARTITION", 0x10)), NOW)


def test_a_divergence_is_reported_at_once_and_not_at_the_deadline() -> None:
    timeline = Timeline()
    with ThreadPoolExecutor(1) as pool:
        follower = pool.submit(UPDATE.follow, timeline, Deadline(600))
        event(timeline, "START")
        event(timeline, "ABORT")
        with pytest.raises(Diverged):
            follower.result(timeout=10)


def test_it_follows_as_the_timeline_grows() -> None:
    timeline = Timeline()
    with ThreadPoolExecutor(1) as pool:
        follower = pool.submit(UPDATE.follow, timeline, Deadline(600))
        for name, payload in STORY:
            event(timeline, name, payload)
        assert len(follower.result(timeout=10)) == len(STORY)


def test_it_is_over_with_its_last_step_and_leaves_the_rest_alone() -> None:
    timeline = story("START", "CONNECTED", "ABORT", "START")
    first = Sequence(START, CONNECTED).follow(timeline, NOW)
    assert Sequence(ABORT, START).follow(timeline, NOW, after=first[-1].index)
    assert len(Sequence(START, maybe(CONNECTED)).follow(timeline, NOW)) == 1


def test_the_text_shows_the_sequence_the_place_and_what_came() -> None:
    timeline = Timeline(decode=lambda message: "no memory" if "ESP_ERR_NO_MEM" in message else None)
    for number in range(30):
        record(timeline, f"line {number}")
    for name, payload in STORY[:4]:
        event(timeline, name, payload)
    event(timeline, "WRITE_FLASH", 1024)
    event(timeline, "WRITE_FLASH", 2048)
    record(timeline, "failed: ESP_ERR_NO_MEM", level="E")
    event(timeline, "ABORT")
    record(timeline, "just after")
    with pytest.raises(Diverged) as caught:
        Sequence(*UPDATE.steps, forbid(said(text="panic"))).follow(timeline, NOW)
    text = str(caught.value)
    assert "   ok START   #30" in text
    assert "   ok maybe WRITE_FLASH   #35" in text
    assert ", 2 times" in text
    assert ">> .. UPDATE_BOOT_PARTITION(slot=ota_1)   <- here" in text
    assert "   .. FINISH" in text
    assert "   !! never said(text='panic')" in text
    assert "WRITE_FLASH or UPDATE_BOOT_PARTITION(slot=ota_1) should have come next; instead came:" in text
    assert ">> #37" in text
    assert "cause: no memory" in text
    assert "just after" in text
    assert "line 3\n" not in text
    assert sum(line.lstrip("> ").startswith("#") for line in text.splitlines()) <= 16 + 1
    assert caught.value.culprit.index == 37


def test_a_sequence_that_stops_short_says_for_what_it_waited() -> None:
    timeline = story(*STORY[:4])
    record(timeline, "the last thing said")
    with pytest.raises(TimedOut) as caught:
        UPDATE.follow(timeline, Deadline(0.01))
    text = str(caught.value)
    assert "UPDATE_BOOT_PARTITION(slot=ota_1) did not come within 0.01 s" in text
    assert "-- maybe WRITE_FLASH" in text
    assert "the last thing said" in text
    timeline.close()
    with pytest.raises(TimedOut, match="before the timeline was closed"):
        UPDATE.follow(timeline, Deadline(600))


def test_what_is_forbidden_must_not_come_anywhere_in_the_span() -> None:
    timeline = Timeline()
    record(timeline, "bad luck, but before")
    after = timeline.last_index
    event(timeline, "START")
    event(timeline, "CONNECTED")
    record(timeline, "bad luck, but after")
    steps = (START, CONNECTED, forbid(said(text="bad luck"), panicked()))
    assert Sequence(*steps).follow(timeline, NOW, after=after)
    with pytest.raises(Diverged, match=r"said\(text='bad luck'\) must not come, but it did"):
        Sequence(*steps).follow(timeline, NOW)
    with pytest.raises(Diverged):
        Sequence(*steps, ABORT).follow(timeline, NOW, after=after)


@pytest.mark.parametrize("kind", ["boot", "panic"])
def test_a_boot_or_panic_ends_an_update_that_was_begun(kind: str) -> None:
    timeline = Timeline()
    timeline.append("console", kind, slot="ota_0")
    event(timeline, "START")
    timeline.append("console", kind, slot="ota_0")
    with pytest.raises(Diverged) as caught:
        UPDATE.follow(timeline, Deadline(600))
    assert caught.value.culprit.index == 2


def test_steps_may_be_records_and_boots_too() -> None:
    timeline = story("START")
    record(timeline, "Connection refused", tag="esp-tls", level="E")
    timeline.append("console", "boot", slot="ota_1", app_version="2", secure_version=None)
    steps = (START, said(tag="esp-tls", text="refused", level="E"), booted(slot="ota_1", version="2"))
    assert [entry.index for entry in Sequence(*steps).follow(timeline, NOW)] == [0, 1, 2]
    with pytest.raises(ExpectationFailed):
        Sequence(START, booted(slot="ota_1", secure_version=1)).follow(timeline, NOW)


def test_maybe_and_the_same_step_after_it_are_both_followed() -> None:
    sequence = Sequence(START, maybe(WRITE_FLASH), WRITE_FLASH(4096), FINISH)
    writes = [("WRITE_FLASH", size) for size in (1024, 4096, 2048, 4096)]
    followed = sequence.follow(story("START", *writes, "FINISH"), NOW)
    assert len(followed) == 6
    with pytest.raises(Diverged):
        sequence.follow(story("START", *writes[:3], "FINISH"), NOW)
    twice = Sequence(START, maybe(WRITE_FLASH), maybe(DECRYPT_CB), WRITE_FLASH, DECRYPT_CB, FINISH)
    assert twice.follow(story("START", ("WRITE_FLASH", 1), "DECRYPT_CB", "FINISH"), NOW)
    assert twice.follow(story("START", "DECRYPT_CB", "DECRYPT_CB", ("WRITE_FLASH", 1), "DECRYPT_CB", "FINISH"), NOW)


def test_thousands_of_writes_are_followed_in_no_time() -> None:
    timeline = story(*STORY[:4])
    for number in range(20_000):
        event(timeline, "WRITE_FLASH", 1024 * number)
    for name, payload in STORY[4:]:
        event(timeline, name, payload)
    assert len(UPDATE.follow(timeline, NOW)) == 20_006


def test_steps_name_themselves_and_their_payloads() -> None:
    assert str(UPDATE) == (
        "START, CONNECTED, GET_IMG_DESC, VERIFY_CHIP_ID(9), maybe WRITE_FLASH, "
        "UPDATE_BOOT_PARTITION(slot=ota_1), FINISH"
    )
    assert str(UPDATE_BOOT_PARTITION(subtype=0x45)) == "UPDATE_BOOT_PARTITION(slot=0x45)"
    assert str(WRITE_FLASH(written=8)) == "WRITE_FLASH(8)"
    assert str(any_of(ABORT, panicked())) == "ABORT or console panic()"


@pytest.mark.parametrize(
    ("slot", "subtype"), [("factory", 0), ("test", 0x20), ("ota_0", 0x10), ("ota_1", 0x11), ("ota_15", 0x1F)]
)
def test_slots_and_subtypes_are_those_of_esp_partition_h(slot: str, subtype: int) -> None:
    assert subtype_of_slot(slot) == subtype
    assert slot_of_subtype(subtype) == slot


def test_what_makes_no_sense_is_refused_when_it_is_written() -> None:
    for slot in ("ota_16", "ota_", "ota_-1", "ota_x", "1", "", "nvs"):
        with pytest.raises(ValueError, match="no application slot"):
            UPDATE_BOOT_PARTITION(slot=slot)
    with pytest.raises(TypeError):
        UPDATE_BOOT_PARTITION()
    with pytest.raises(TypeError):
        UPDATE_BOOT_PARTITION(slot="ota_0", subtype=0x10)
    for steps in ((), (maybe(START),), (forbid(START),)):
        with pytest.raises(ValueError, match="must come"):
            Sequence(*steps)
    for nothing in (said, forbid, any_of):
        with pytest.raises(ValueError, match="needs"):
            nothing()
    assert slot_of_subtype(0x02) is None


def test_expect_absent_looks_at_its_span_only() -> None:
    timeline = Timeline()
    first = record(timeline, "bad")
    between = record(timeline, "good")
    last = record(timeline, "bad")
    expect_absent(timeline, said(text="bad"), after=first, until=between)
    expect_absent(timeline, said(text="worse"))
    with pytest.raises(Diverged, match="must not come, but there it is") as caught:
        expect_absent(timeline, said(text="bad"), after=first)
    assert caught.value.culprit.index == last


def test_a_follower_is_woken_by_close() -> None:
    timeline = Timeline()
    with ThreadPoolExecutor(1) as pool:
        follower = pool.submit(UPDATE.follow, timeline, Deadline(600))
        timeline.close()
        with pytest.raises(TimedOut):
            follower.result(timeout=10)
