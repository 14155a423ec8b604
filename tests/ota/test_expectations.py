"""What scenarios expect, expected in vain: each fails, at once, and says what was wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from bench.boards.drivers import Supply
from bench.builds import Build, VirtualBuild, write_build
from bench.errors import ExpectationFailed
from bench.ota import Draft, Ota
from bench.ota.words import DOWNLOADED
from bench.server import Authority, NotFound, Stall
from bench.timeline import (
    ABORT,
    CONNECTED,
    START,
    UPDATE_BOOT_PARTITION,
    Diverged,
    TimedOut,
    Timeline,
    forbid,
    happened,
    said,
)
from tests.ota.rig import rigged

GIVEN_UP = said(text="ESP HTTPS OTA Begin failed")
Ends = Callable[..., object]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[tuple[Ota, Timeline]]:
    authority = Authority.throwaway()
    spec = VirtualBuild(chip="esp32c3", app="advanced_https_ota", version="1", ca_pem=authority.ca_pem)
    write_build(spec, tmp_path / "build")
    with rigged(Build.load(tmp_path / "build"), authority) as (ota, _, timeline):
        yield ota, timeline


def draft(ota: Ota) -> Draft:
    return Draft(ota.firmware.build.image).version("2")


def test_an_attempt_that_is_given_up_is_not_waited_for_to_succeed(rig: tuple[Ota, Timeline]) -> None:
    ota, _ = rig
    ota.start(draft(ota).served(NotFound()))
    began = time.monotonic()
    with pytest.raises(ExpectationFailed, match="should have succeeded; it was given up"):
        ota.expect_boot_after_update(version="2")
    assert time.monotonic() - began < 25, "the patience is 30 s"


def test_a_slot_holds_what_was_published_or_the_first_other_byte_is_told(rig: tuple[Ota, Timeline]) -> None:
    ota, _ = rig
    new = draft(ota)
    ota.update(new, version="2")
    ota.expect_written("ota_1", new.data)
    with pytest.raises(ExpectationFailed, match=f"ota_1 does not hold .* byte 1000 of {len(new.data)}"):
        ota.expect_written("ota_1", new.with_flipped_byte(1000).data)


def test_a_secret_that_was_told_is_found_and_not_told_again(rig: tuple[Ota, Timeline]) -> None:
    ota, timeline = rig
    ota.start(draft(ota))
    ota.expect_boot_after_update(version="2")
    ota.expect_untold("let-me-in")
    for kind, key in (("record", "message"), ("noise", "text")):
        entry = timeline.append("console", kind, **{key: "the password is let-me-in"})
        with pytest.raises(ExpectationFailed) as caught:
            ota.expect_untold("let-me-in")
        assert "let-me-in" not in str(caught.value)
        assert str(entry.index) in str(caught.value) or kind == "noise"


def test_a_slot_that_the_bootloader_tried_in_vain_is_noticed(rig: tuple[Ota, Timeline]) -> None:
    ota, timeline = rig
    ota.start(draft(ota))
    ota.expect_boot_after_update(version="2")
    ota.expect_not_tried("ota_1")
    timeline.append("console", "record", level="E", tag="boot", message="OTA app partition slot 1 is not bootable")
    ota.expect_not_tried("ota_0")
    with pytest.raises(ExpectationFailed, match="slot 1 is not bootable"):
        ota.expect_not_tried("ota_1")


class TellsLate:
    """The supply of a board whose console tells the boot that a cut broke off only once it has power again."""

    def __init__(self, board: Supply, timeline: Timeline) -> None:
        self._board = board
        self._timeline = timeline
        self.board = board.board

    def power(self, on: bool) -> None:
        if on:
            self._timeline.append("console", "boot", reset_reason="SW_CPU")
        self._board.power(on)


def test_a_boot_that_the_cut_broke_off_is_not_taken_for_the_one_after_it(rig: tuple[Ota, Timeline]) -> None:
    ota, timeline = rig
    ota.wait_for_prompt()
    ota.supply = cast(Supply, TellsLate(ota.supply, timeline))  # all of it that a cut needs
    ota.expect_survives_a_cut(0, versions=("1",))
    assert ota.running_version == "1"
    with pytest.raises(ExpectationFailed, match="version 1 runs after the cut, none of"):
        ota.expect_survives_a_cut(0, versions=("2",))


def test_an_answer_is_waited_for_that_the_server_has_not_noted_yet(rig: tuple[Ota, Timeline]) -> None:
    ota, timeline = rig
    ota.start(draft(ota).served(NotFound()))
    ota.expect_refused("File not found(404)")
    timeline.append("server", "request", connection=9, request=9, method="GET", path="/", range=None)
    note = threading.Timer(0.2, timeline.append, ("server", "response"), {"request": 9, "status": 503})
    note.start()
    assert ota.answers() == [404, 503]
    note.join()


def test_what_the_server_notices_late_is_seen(rig: tuple[Ota, Timeline]) -> None:
    ota, timeline = rig
    ota.start(draft(ota).served(NotFound()))
    ota.expect_refused("File not found(404)")
    note = threading.Timer(0.2, timeline.append, ("server", "tls"), {"connection": 9, "ok": False})
    note.start()
    ota.expect_seen(happened("server", "tls", ok=False))
    note.join()
    with pytest.raises(TimedOut):
        ota.expect_seen(happened("server", "tls", ok=False, connection=10))


def test_what_is_forbidden_stays_so_behind_the_last_step(rig: tuple[Ota, Timeline]) -> None:
    """START is the only step, so CONNECTED can come behind it alone."""
    ota, timeline = rig
    ota.start(draft(ota).served(NotFound()))
    ota.expect(START, forbid(CONNECTED))
    ota.expect_happened(GIVEN_UP)
    told = timeline.append("console", "event", name=CONNECTED.event)
    with pytest.raises(Diverged, match="CONNECTED must not come, but there it is:") as caught:
        ota.expect_refused("File not found(404)")
    assert caught.value.culprit == told


def test_what_is_forbidden_of_one_attempt_is_not_of_the_next(rig: tuple[Ota, Timeline]) -> None:
    ota, _ = rig
    ota.start(draft(ota).served(NotFound()))
    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("File not found(404)")
    ota.start(draft(ota))
    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION)
    ota.expect_updated(version="2")


def test_what_is_forbidden_may_come_once_the_bench_has_reset_the_board(rig: tuple[Ota, Timeline]) -> None:
    ota, timeline = rig
    ota.start(draft(ota).served(NotFound()))
    ota.expect(START, forbid(CONNECTED))
    ota.expect_gives_up("File not found(404)")
    timeline.append("bench", "reset")
    timeline.append("console", "event", name=CONNECTED.event)
    ota.expect_unharmed()


@pytest.mark.parametrize("ends", [Ota.expect_updated, Ota.expect_boot_after_update])
def test_an_update_that_succeeded_is_looked_at_for_what_was_forbidden(rig: tuple[Ota, Timeline], ends: Ends) -> None:
    ota, timeline = rig
    ota.start(draft(ota).served(Stall(after=100_000, seconds=0.5)))
    ota.expect(*DOWNLOADED, forbid(ABORT))
    timeline.append("console", "event", name=ABORT.event)
    if ends is Ota.expect_updated:
        ota.expect_happened(UPDATE_BOOT_PARTITION)
    with pytest.raises(Diverged, match="ABORT must not come, but there it is:"):
        ends(ota, version="2")
