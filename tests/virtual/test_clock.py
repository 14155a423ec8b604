"""The device's clock: waiting costs a number, or in real time a second that a reset ends."""

from __future__ import annotations

import threading
import time

import pytest

from bench.virtual.clock import Clock, crowding
from bench.virtual.machine import Halted, Machine
from bench.virtual.supply import Supply
from tests.virtual.benchtop import PATIENCE


def test_waiting_is_a_number() -> None:
    clock = Machine.assemble("esp32").clock
    began = time.monotonic()
    clock.sleep(3_600_000)
    assert clock.now_ms() >= 3_600_000
    assert time.monotonic() - began < 60
    clock.restart()
    assert clock.now_ms() < 60_000


def test_a_virtual_wait_for_a_real_event_is_bounded() -> None:
    clock = Clock(Supply(), crowded=lambda: 1.0)
    assert clock.wait_limit(500) == 0.5
    assert clock.wait_limit(60_000) == 1.0
    assert clock.wait_limit(60_000, again=True) == 0.25
    assert clock.wait_limit(100, again=True) == 0.1
    assert Machine.assemble("esp32", realtime=True).clock.wait_limit(60_000) == 60.0


def test_on_a_crowded_machine_silence_is_judged_later() -> None:
    clock = Clock(Supply(), crowded=lambda: 3.5)
    assert clock.wait_limit(60_000) == 3.5
    assert clock.wait_limit(2_000) == 2.0
    assert clock.wait_limit(60_000, again=True) == 0.25


def test_what_was_not_waited_passes_on_the_device() -> None:
    clock = Clock(Supply(), crowded=lambda: 2.0)
    clock.wait_limit(60_000)
    clock.wait_rest(60_000)
    assert 58_000 <= clock.now_ms() < 60_000
    clock.restart()
    clock.wait_limit(500)
    clock.wait_rest(500)
    assert clock.now_ms() < 500


def test_the_hosts_processors_are_asked_how_crowded_they_are() -> None:
    assert 1.0 <= crowding() <= 2.5


def test_a_real_wait_ends_with_the_life() -> None:
    machine = Machine.assemble("esp32", realtime=True)
    sleeper_ended = threading.Event()

    def sleep() -> None:
        with pytest.raises(Halted):
            machine.clock.sleep(3_600_000)
        sleeper_ended.set()

    threading.Thread(target=sleep, daemon=True).start()
    machine.supply.set_enable(False)
    assert sleeper_ended.wait(PATIENCE)
