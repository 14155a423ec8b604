"""Boot loops: what is one, and what only looks like one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.builds import Build, VirtualBuild, write_build
from bench.errors import ExpectationFailed
from bench.ota import Draft
from bench.ota.loops import boot_loop
from bench.server import Authority
from bench.timeline import Timeline
from tests.ota.by_hand import by_hand


def told(*steps: str) -> Timeline:
    """A timeline in short: ``0`` and ``1`` boot a slot, ``!`` is a panic, ``.`` a log line."""
    timeline = Timeline()
    for step in "".join(steps):
        if step == "!":
            timeline.append("console", "panic", reason="abort() was called at PC 0x42001234 on core 0")
        elif step == ".":
            timeline.append("console", "record", message="a line")
        else:
            timeline.append("console", "boot", slot=f"ota_{step}", app_version=f"v{step}")
    return timeline


def test_three_deaths_in_a_row_of_one_slot_are_a_loop() -> None:
    loop = boot_loop(told("0.1.!1.!1.!1.").entries)
    assert loop is not None
    assert (loop.slot, loop.version, loop.deaths) == ("ota_1", "v1", 3)
    assert str(loop) == (
        "boot loop: ota_1 (version v1) died 3 times in a row, last of: abort() was called at PC 0x42001234 on core 0"
    )


def test_a_rollback_is_none() -> None:
    assert boot_loop(told("0.1.!0.").entries) is None
    assert boot_loop(told("1.!1.!0.!").entries) is None


def test_restarts_without_a_panic_are_none() -> None:
    assert boot_loop(told("1.1.1.1.").entries) is None


def test_deaths_with_a_boot_in_between_that_came_back_by_itself_are_none() -> None:
    """They are not in a row."""
    assert boot_loop(told("1.!1.1.!1.1.!1.").entries) is None
    loop = boot_loop(told("1.1.!1.!1.!1.").entries)
    assert loop is not None
    assert loop.deaths == 3


def test_a_boot_dies_once() -> None:
    """A panic in the panic handler is told as another one."""
    assert boot_loop(told("1.!.!.!1.").entries) is None


def test_what_came_before_another_slot_ran_does_not_count() -> None:
    assert boot_loop(told("1.!1.!1.!1.!0.").entries) is None


def test_nothing_is_none() -> None:
    assert boot_loop(()) is None


@pytest.mark.parametrize(("between", "is_loop"), [("!", True), ("", False)])
def test_a_scenario_takes_no_restart_for_a_death(tmp_path: Path, between: str, is_loop: bool) -> None:
    """The second boot ends in a panic, or it just starts again."""
    authority = Authority.throwaway()
    write_build(VirtualBuild(chip="esp32c3", app="advanced_https_ota", version="1", ca_pem=authority.ca_pem), tmp_path)
    build = Build.load(tmp_path)
    with by_hand(build, authority) as (ota, board):
        board.boots("ota_0", "1")
        ota.start(Draft(build.image).version("2"))
        board.boots("ota_1", "2", waits=False)
        ota.expect_boot(slot="ota_1")
        for death in ("!", between, "!", "!"):
            if death:
                board.panics()
            board.boots("ota_1", "2", waits=False)
        if is_loop:
            ota.expect_boot_loop(slot="ota_1", version="2")
        else:
            with pytest.raises(ExpectationFailed, match="it should have died first; it was booted again"):
                ota.expect_boot_loop(slot="ota_1", version="2")
