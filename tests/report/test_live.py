"""The live view: what entries make of a line, how it looks, and that nothing of it is left on a terminal."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from bench.report.live import Standing, advance, as_json, from_json, told
from bench.report.live_view import drawing
from bench.report.post import Inbox, Sender
from bench.report.screen import Screen
from bench.timeline import Entry, Timeline
from tests.report.terminal import Terminal

START = Standing("desk", "test_update", 1000.0)
PATH = "/2.bin"


def after(*entries: tuple[str, str, dict[str, Any]], start: Standing = START) -> Standing:
    """The standing after these entries: source, kind and data."""
    for index, (source, kind, data) in enumerate(entries):
        start = advance(start, Entry(index, float(index), source, kind, MappingProxyType(data)))
    return start


RELEASE = ("server", "release", {"path": PATH, "size": 4096})
GET = ("server", "request", {"method": "GET", "path": PATH, "range": None})


def test_a_download_is_followed_by_its_bytes() -> None:
    assert after(RELEASE).size == 0
    begun = after(RELEASE, GET)
    assert (begun.phase, begun.done, begun.size) == ("downloading", 0, 4096)
    midway = after(RELEASE, GET, ("server", "progress", {"sent": 1000}))
    assert (midway.phase, midway.done, midway.size) == ("downloading", 1000, 4096)
    whole = after(RELEASE, GET, ("server", "response", {"sent": 4096, "complete": True}))
    assert (whole.phase, whole.done) == ("downloaded", 4096)
    torn = after(RELEASE, GET, ("server", "response", {"sent": 1000, "complete": False}))
    assert (torn.phase, torn.done) == ("cut off", 1000)


def test_a_download_in_parts_goes_on_where_it_was() -> None:
    part = ("server", "request", {"method": "GET", "path": PATH, "range": "bytes=2048-3071"})
    done = after(RELEASE, part, ("server", "response", {"sent": 1024, "complete": True}))
    assert (done.phase, done.done) == ("downloading", 3072)
    last = ("server", "request", {"method": "GET", "path": PATH, "range": "bytes=3072-"})
    done = after(last, ("server", "response", {"sent": 1024, "complete": True}), start=done)
    assert (done.phase, done.done) == ("downloaded", 4096)


@pytest.mark.parametrize("asked", ["bytes=9999-", "bytes=-5", "chunks=1-2", "", None])
def test_a_range_that_is_none_begins_at_the_beginning(asked: str | None) -> None:
    assert after(RELEASE, ("server", "request", {"method": "GET", "path": PATH, "range": asked})).done == 0


def test_what_the_device_says_is_counted_and_named() -> None:
    events = [("console", "event", {"name": f"ESP_HTTPS_OTA_{name}"}) for name in ("START", "CONNECTED")]
    assert after(*events).events == 2
    assert after(*events).phase == START.phase
    assert after(("console", "event", {"name": "ESP_HTTPS_OTA_ABORT"})).phase == "aborted"
    booted = after(("console", "boot", {"slot": "ota_1", "app_version": "2"}))
    assert (booted.phase, booted.boots) == ("booted ota_1 2", 1)
    assert after(("console", "boot", {"slot": None, "app_version": None})).phase == "booted"
    assert after(("console", "panic", {})).phase == "panicked"


def test_what_the_bench_does_is_named() -> None:
    flashed = after(("bench", "flashed", {"written": 5}), start=START.flashing(5, 10))
    assert (flashed.phase, flashed.done, flashed.size) == ("flashed", 0, 0)
    assert after(("bench", "power", {"on": False})).phase == "power off"
    assert after(("bench", "power", {"on": True})).phase == "power on"
    assert after(("bench", "reset", {})).phase == "reset"
    assert after(("bench", "board_lost", {"cause": "gone"})).phase == "lost"


def test_what_says_nothing_changes_nothing() -> None:
    for source, kind in (("console", "record"), ("server", "tls"), ("bench", "slots"), ("moon", "rises")):
        assert after((source, kind, {})) is START
    assert after(("server", "progress", {"sent": 5})) is START, "nothing was asked for"


def test_it_is_told_on_a_plain_line() -> None:
    standing = replace(START, phase="downloading", done=2048, size=4096, events=1, boots=2)
    assert told(standing, 1012.4) == "desk: test_update: downloading, 2/4 KiB, 1 event, 2 boots, 12 s"
    assert told(START, 1000.0) == "desk: test_update: getting ready, 0 s"
    assert "\x1b" not in told(replace(START, phase="booted ota_1 \x1b[2J"), 1000.0)


standings = st.builds(
    Standing,
    board=st.text(max_size=40),
    scenario=st.text(max_size=80),
    began=st.floats(0, 2e9),
    phase=st.text(max_size=40),
    done=st.integers(0, 1 << 32),
    size=st.integers(0, 1 << 32),
    events=st.integers(0, 10_000),
    boots=st.integers(0, 10_000),
    sizes=st.dictionaries(st.text(max_size=8), st.integers(0, 1 << 32), max_size=3),
    first=st.integers(0, 1 << 32),
)


@settings(deadline=None)
@given(standings)
def test_it_comes_through_to_another_process(standing: Standing) -> None:
    assert from_json(as_json(standing)) == standing
    assert "\n" not in as_json(standing)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"x"', as_json(START).replace("1000.0", '"x"'), "1" * 5000])
def test_what_is_no_standing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a standing"):
        from_json(text)


_CODES = re.compile(r"\x1b\[[0-9;]*m")


@settings(deadline=None, max_examples=40)  # drawing takes a moment on a busy machine
@given(st.lists(standings, min_size=1, max_size=40), st.integers(1, 200), st.integers(1, 60), st.booleans())
def test_a_line_is_never_wider_than_the_terminal(
    many: Sequence[Standing], columns: int, rows: int, color: bool
) -> None:
    lines = drawing(color=color)(many, 2e9, os.terminal_size((columns, rows)))
    assert 1 <= len(lines) <= max(2, rows - 2)
    for line in lines:
        assert cell_len(_CODES.sub("", line)) < max(columns, 21)
        assert not set(_CODES.sub("", line)) & set(map(chr, range(32)))


def test_more_boards_than_lines_are_counted() -> None:
    many = [replace(START, board=f"desk-{number}") for number in range(20)]
    lines = drawing(color=False)(many, 1000.0, os.terminal_size((100, 10)))
    assert len(lines) == 8
    assert lines[-1] == "and 13 more boards"


def test_a_bar_shows_how_far_it_is() -> None:
    def bar(done: int) -> int:
        (line,) = drawing(color=False)([START.flashing(done, 1000)], 1000.0, os.terminal_size((120, 24)))
        return line.count("━")

    assert bar(0) < bar(500) < bar(1000)


# -- on a terminal


def view(all_of_them: Sequence[Standing], now: float, size: os.terminal_size) -> list[str]:
    return [f"<{one.board} {one.phase} in {size.columns}x{size.lines}, {now > 0}>" for one in all_of_them]


def test_the_view_comes_and_goes_and_leaves_the_cursor_where_it_was() -> None:
    with Terminal(60, 10) as terminal:
        column = 0
        with Screen(terminal.slave, draw=view, column=lambda: column) as screen:
            os.write(terminal.slave, b"head\r\ntest_a ..")
            column = len("test_a ..")
            screen.show("0", START)
            screen.show("1", replace(START, board="shelf"))
            terminal.until(lambda: any("shelf" in line for line in terminal.lines))
            assert terminal.lines[:4] == [
                "head",
                "test_a ..",
                "<desk getting ready in 60x10, True>",
                "<shelf getting ready in 60x10, True>",
            ]
            assert not terminal.cursor[2]
            with screen.aside():
                os.write(terminal.slave, b".")
                column += 1
            terminal.until(lambda: "test_a ..." in terminal.lines)
            screen.show("1", None)
            terminal.until(lambda: terminal.lines[2].startswith("<desk") and terminal.lines[3] == "")
        while terminal.read():
            pass
        assert terminal.lines == ["head", "test_a ...", *[""] * 8]
        assert terminal.cursor == (1, 10, True)
    assert not [thread for thread in threading.enumerate() if thread.name == "screen"]


def test_the_view_at_the_bottom_of_the_terminal_scrolls_and_leaves_nothing() -> None:
    with Terminal(40, 5) as terminal:
        with Screen(terminal.slave, draw=view, column=lambda: 3) as screen:
            os.write(terminal.slave, b"".join(b"line %d\r\n" % number for number in range(9)) + b"...")
            for number in range(3):
                screen.show(str(number), replace(START, board=f"b{number}"))
            terminal.until(lambda: any("b2" in line for line in terminal.lines))
            screen.line("said between")
            terminal.until(lambda: terminal.lines[-1].startswith("<b2") and "said between" in terminal.all_lines)
        while terminal.read():
            pass
        shown = [line for line in terminal.all_lines if line]
        assert shown == [*(f"line {number}" for number in range(9)), "...", "said between"]
        assert terminal.cursor[2]


def test_a_line_ends_that_of_the_others_who_go_on_in_the_next(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+b", buffering=0) as file:
        column = 0
        with Screen(file.fileno(), draw=None, column=lambda: column) as screen:
            screen.line("first")
            file.write(b"..")
            column = 2
            screen.line("second")
            screen.line("third")
            file.write(b".")
            column = 3
            screen.line("fourth")
            file.write(b"\nx")
            column = 1
            screen.line("fifth")
        assert (tmp_path / "out").read_text() == "first\n..\nsecond\nthird\n.\nfourth\n\nx\nfifth\n"


def test_a_terminal_that_is_gone_ends_nothing() -> None:
    with Terminal() as terminal:
        with Screen(terminal.slave, draw=view) as screen:
            os.close(terminal.master)
            screen.line("said to nobody")
            screen.show("0", START)
        terminal.master = os.open(os.devnull, os.O_RDONLY)


def test_a_terminal_that_was_stopped_holds_nobody_up_who_tells_how_it_stands() -> None:
    """Ctrl-S: what is written waits as long as a person likes; the timeline, whose lock the teller has, must not."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(1 << 16))
    os.set_blocking(writing, True)
    drawn = threading.Event()

    def draw(*_: object) -> list[str]:
        drawn.set()  # and what comes of it is written, by who holds the terminal meanwhile
        return ["x"]

    def tell() -> None:
        for _ in range(100):
            screen.show("0", START)

    screen = Screen(writing, draw=draw).open()
    try:
        screen.show("0", START)
        assert drawn.wait(30)
        telling = threading.Thread(target=tell, daemon=True)
        telling.start()
        telling.join(30)
        assert not telling.is_alive()
    finally:
        os.close(reading)
        screen.close()
        os.close(writing)


def test_without_a_view_a_long_scenario_is_told_now_and_then(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+b", buffering=0) as file:
        with Screen(file.fileno(), draw=None) as screen:
            screen.show("0", replace(START, board="quick", began=time.time()))
            screen.show("1", replace(START, began=time.time() - 31))
            ends = time.monotonic() + 30
            while not (tmp_path / "out").read_text():
                assert time.monotonic() < ends
                time.sleep(0.02)
        assert re.fullmatch(r"desk: test_update: getting ready, 3\d s\n", (tmp_path / "out").read_text())


# -- from other processes


def test_what_others_tell_is_shown_and_their_folder_goes_away(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / ".live").open()
    with Terminal(60, 10) as terminal:
        with Screen(terminal.slave, draw=view, inbox=inbox) as screen:
            assert screen is not None
            with Sender(inbox.sender("gw0"), standings=True) as sender:
                sender.line("waiting for desk")
                sender.show("", START)
                terminal.until(lambda: any("<desk getting" in line for line in terminal.lines))
            terminal.until(lambda: not any("<desk" in line for line in terminal.lines))
        while terminal.read():
            pass
        assert [line for line in terminal.lines if line] == ["waiting for desk"]
    inbox.close()
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_was_killed_has_no_line_any_more(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / ".live").open()
    with Terminal(60, 10) as terminal, Screen(terminal.slave, draw=view, inbox=inbox) as screen:
        inbox.sender("gw0").write_text(as_json(START) + "\n")
        terminal.until(lambda: any("<desk" in line for line in terminal.lines))
        with inbox.sender("gw0").open("a") as file:
            file.write(as_json(replace(START, phase="its last word")) + "\n")
        screen.gone("gw0")
        terminal.until(lambda: not any("<desk" in line for line in terminal.lines))
        terminal.read(0.5)
        assert not any("<desk" in line for line in terminal.lines)


def test_half_a_message_waits_for_its_other_half_and_a_damaged_one_is_left_out(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "x").open()
    path = inbox.sender("gw1")
    path.write_text('"one"\n{"a"\n\xff\n"tw')
    assert list(inbox.read()) == [("gw1", "one")]
    with path.open("a") as file:
        file.write('o"\nnull\n' + as_json(START) + "\n")
    assert list(inbox.read()) == [("gw1", "two"), ("gw1", None), ("gw1", START)]
    assert list(inbox.read()) == []


def test_a_sender_nobody_looks_at_tells_lines_only(tmp_path: Path) -> None:
    with Sender(tmp_path / "gw0.jsonl", standings=False) as sender:
        sender.show("", START)
        sender.line("busy")
    assert (tmp_path / "gw0.jsonl").read_text() == '"busy"\n'


def test_it_follows_a_timeline() -> None:
    timeline, standing = Timeline(), START

    def entry(entry: Entry) -> None:
        nonlocal standing
        standing = advance(standing, entry)

    timeline.append("server", "release", path=PATH, size=100)
    timeline.listen(entry)
    timeline.append("server", "request", method="GET", path=PATH, range=None)
    timeline.append("server", "response", sent=100, complete=True)
    assert (standing.phase, standing.done, standing.size) == ("downloaded", 100, 100)
