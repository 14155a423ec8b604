"""Boot loops: what is one, and what only looks like one."""

from __future__ import annotations

from bench.ota.loops import boot_loop
from bench.timeline import Timeline


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


def test_what_came_before_another_slot_ran_does_not_count() -> None:
    assert boot_loop(told("1.!1.!1.!1.!0.").entries) is None


def test_nothing_is_none() -> None:
    assert boot_loop(()) is None
