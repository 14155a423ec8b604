"""The device's clock: waiting costs a number, or in real time a second that a reset ends."""

from __future__ import annotations

import threading
import time

import pytest

from bench.virtual.machine import Halted, Machine
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
    clock = Machine.assemble("esp32").clock
    assert clock.wait_limit(500) == 0.5
    assert clock.wait_limit(60_000) == 1.0
    assert clock.wait_limit(60_000, again=True) == 0.25
    assert clock.wait_limit(100, again=True) == 0.1
    assert Machine.assemble("esp32", realtime=True).clock.wait_limit(60_000) == 60.0


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
