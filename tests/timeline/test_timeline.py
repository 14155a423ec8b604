"""The timeline: order under threads, waiting, listening, closing."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.errors import BoardLost, ExpectationFailed
from bench.timeline import Clock, Deadline, Entry, Sequence, TimedOut, Timeline, TimelineClosed, booted, happened, said


def test_entries_are_in_order_of_index_and_time_whoever_appends() -> None:
    timeline = Timeline()

    def work(worker: int) -> None:
        for n in range(200):
            timeline.append("bench", "n", worker=worker, n=n)

    with ThreadPoolExecutor(8) as pool:
        for worker in range(8):
            pool.submit(work, worker)
    entries = timeline.entries
    assert [entry.index for entry in entries] == list(range(1600))
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    for worker in range(8):
        assert [entry.data["n"] for entry in entries if entry.data["worker"] == worker] == list(range(200))


def test_waiting_finds_what_is_there_already_even_past_the_deadline() -> None:
    timeline = Timeline()
    first = timeline.append("bench", "a")
    second = timeline.append("bench", "a")
    assert timeline.wait(happened("bench", "a"), Deadline(0)) is first
    assert timeline.wait(happened("bench", "a"), Deadline(0), after=first.index) is second
    assert timeline.since(first.index) == (second,)
    assert timeline.last_index == 1


def test_waiting_wakes_for_the_entry_that_another_thread_appends() -> None:
    timeline = Timeline()
    waiting = threading.Event()

    def is_b(entry: Entry) -> bool:
        waiting.set()
        return entry.kind == "b"

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(timeline.wait, is_b, Deadline(10))
        timeline.append("bench", "a")
        assert waiting.wait(10)
        timeline.append("bench", "b", number=1)
        timeline.append("bench", "b", number=2)
        assert found.result().data["number"] == 1


def test_every_entry_is_judged_once() -> None:
    timeline = Timeline()
    judged: list[int] = []

    def never(entry: Entry) -> bool:
        judged.append(entry.index)
        return False

    with ThreadPoolExecutor(1) as pool:
        waiter = pool.submit(timeline.wait, never, Deadline(10))
        for _ in range(500):
            timeline.append("bench", "a")
        timeline.close()
        with pytest.raises(TimedOut):
            waiter.result()
    assert judged == list(range(500))


def test_a_wait_that_times_out_tells_what_came_instead() -> None:
    timeline = Timeline()
    timeline.append("console", "record", level="I", ms=5, tag="boot", message="early")
    after = timeline.last_index
    timeline.append("console", "record", level="E", ms=12, tag="esp-tls", message="returned -0x2700\x1b[0m")
    began = time.monotonic()
    with pytest.raises(TimedOut) as caught:
        timeline.wait(booted(slot="ota_1", version="2"), Deadline(0.05), after=after)
    assert 0.05 <= time.monotonic() - began < 5
    assert [entry.index for entry in caught.value.seen] == [1]
    assert isinstance(caught.value, ExpectationFailed)
    text = str(caught.value)
    assert "booted(slot='ota_1', app_version='2')" in text
    assert "within 0.05 s" in text
    assert "E (12) esp-tls: returned -0x2700\\x1b[0m" in text
    assert "early" not in text


def test_a_wait_in_which_nothing_came_shows_what_was_before() -> None:
    timeline = Timeline()
    timeline.append("console", "record", level="I", ms=5, tag="boot", message="early")
    with pytest.raises(TimedOut, match=r"nothing came at all since then(.|\n)*early"):
        timeline.wait(said(text="late"), Deadline(0), after=0)
    with pytest.raises(TimedOut, match="the timeline is empty"):
        Timeline().wait(said(text="late"), Deadline(0))


@pytest.mark.parametrize("after", [-5, -1, 0, 1, 5])
def test_a_wait_after_any_index_ends_at_its_deadline(after: int) -> None:
    timeline = Timeline()
    timeline.append("bench", "a")
    began = time.monotonic()
    with pytest.raises(TimedOut, match=r"within 0\.05 s"):
        timeline.wait(happened("bench", "b"), Deadline(0.05), after=after)
    with pytest.raises(TimedOut, match=r"within 0\.05 s"):
        Sequence(happened("bench", "b")).follow(timeline, Deadline(0.05), after=after)
    with pytest.raises(TimedOut):
        Timeline().wait(happened("bench", "b"), Deadline(0), after=after)
    with pytest.raises(TimedOut):
        Sequence(happened("bench", "b")).follow(Timeline(), Deadline(0), after=after)
    assert 0.1 <= time.monotonic() - began < 5


def test_a_wait_after_an_index_that_is_still_to_come_looks_beyond_it() -> None:
    timeline = Timeline()
    for number in range(3):
        timeline.append("bench", "a", number=number)
    timeline.close()
    assert timeline.wait(happened("bench", "a"), Deadline(0), after=1).index == 2
    with pytest.raises(TimedOut, match="before the timeline was closed") as caught:
        timeline.wait(happened("bench", "a"), Deadline(60), after=3)
    assert caught.value.seen == ()


def test_failures_name_causes_where_they_can_be_decoded() -> None:
    timeline = Timeline(decode=lambda message: "X509_CERT_VERIFY_FAILED" if "-0x2700" in message else None)
    timeline.append("console", "record", level="E", ms=12, tag="esp-tls", message="returned -0x2700")
    with pytest.raises(TimedOut, match="cause: X509_CERT_VERIFY_FAILED"):
        timeline.wait(said(text="late"), Deadline(0))


def test_closing_wakes_who_waits() -> None:
    timeline = Timeline()
    looked = threading.Event()

    def never(_: Entry) -> bool:
        looked.set()
        return False

    with ThreadPoolExecutor(1) as pool:
        waiter = pool.submit(timeline.wait, never, Deadline(600))
        timeline.append("bench", "a")
        assert looked.wait(10)
        timeline.close()
        with pytest.raises(TimedOut, match="before the timeline was closed"):
            waiter.result(timeout=10)


def test_a_failure_is_raised_where_somebody_waits_for_more() -> None:
    timeline = Timeline()
    timeline.append("bench", "a")
    failing = threading.Timer(0.05, lambda: timeline.fail(BoardLost("unplugged")))
    failing.start()
    with pytest.raises(BoardLost, match="unplugged"):
        timeline.wait(lambda entry: entry.kind == "b", Deadline(60))
    failing.join()
    timeline.fail(BoardLost("another"))
    assert timeline.wait(lambda entry: entry.kind == "a", Deadline(0)).index == 0
    with pytest.raises(BoardLost, match="unplugged"):
        Sequence(happened("bench", "a"), happened("bench", "b")).follow(timeline, Deadline(60))
    timeline.append("bench", "b")
    assert timeline.wait(lambda entry: entry.kind == "b", Deadline(0)).index == 1


def test_nothing_can_be_appended_after_closing() -> None:
    with Timeline() as timeline:
        timeline.append("bench", "a")
    timeline.close()
    assert timeline.closed
    with pytest.raises(TimelineClosed, match="server has one more request"):
        timeline.append("server", "request")
    assert len(timeline) == 1


def test_a_predicate_that_raises_is_not_swallowed() -> None:
    timeline = Timeline()
    timeline.append("bench", "a")
    with pytest.raises(KeyError):
        timeline.wait(lambda entry: bool(entry.data["absent"]), Deadline(1))


def test_listeners_hear_everything_once_in_order() -> None:
    timeline = Timeline()
    heard: list[int] = []

    def listener(entry: Entry) -> None:
        heard.append(entry.index)

    timeline.append("bench", "a")
    timeline.listen(listener)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(100):
            pool.submit(timeline.append, "bench", "a")
    assert heard == list(range(101))


def test_data_may_be_called_source_and_kind() -> None:
    entry = Timeline().append("bench", "a", source=1, kind=2)
    assert (entry.source, entry.kind, dict(entry.data)) == ("bench", "a", {"source": 1, "kind": 2})


def test_the_clock_runs_from_its_start() -> None:
    clock = Clock()
    first, second = clock.now(), clock.now()
    assert 0 <= first <= second < 60
    assert clock.started.tzinfo is not None


def test_a_deadline_runs_from_when_it_was_made() -> None:
    assert Deadline(0).expired
    deadline = Deadline(100)
    assert 99 < deadline.remaining() <= 100
    assert not deadline.expired
    assert str(deadline) == "100 s"
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="future"):
            Deadline(wrong)
