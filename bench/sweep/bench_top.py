"""A virtual board without threads and ports: it lives until it has nothing left to do, and is then off.

The processor is the one of `bench/virtual`, run in the caller's thread. What it would wait for for ever (a line on its
console, a reset) ends its life, as if the supply were switched off then: nothing is written while it waits.
"""

from __future__ import annotations

from typing import NoReturn

from bench.virtual import boot
from bench.virtual.machine import Halted, Machine, ResetReason, Restart
from bench.virtual.resets import PowerLost
from bench.virtual.supply import Supply

__all__ = ["BenchTop"]

_MOST_RESETS = 12
"""Restarts in one life before it counts as a loop: update, crash and rollback together are four."""


class _UntilIdle(Supply):
    """A supply that is switched off when the processor begins to wait for something from outside."""

    def idling(self) -> NoReturn:
        self.rest()

    def wait_for_halt(self) -> NoReturn:
        self.rest()

    def rest(self) -> NoReturn:
        """The life is over."""
        self.set_power(False)
        raise PowerLost


class BenchTop:
    """One board; `console` is what it has said since `forget`."""

    def __init__(self, chip: str) -> None:
        self.console = bytearray()
        self._supply = _UntilIdle()
        self.machine = Machine.assemble(chip, console=self.console.extend, supply=self._supply)
        self.looped = False

    def __enter__(self) -> BenchTop:
        return self

    def __exit__(self, *_: object) -> None:
        self.machine.close()

    def forget(self) -> None:
        """Forget what was said."""
        self.console.clear()

    def live(self, *lines: str) -> None:
        """Switch the board on, with these lines typed, and let it live until it waits, is cut, or loops."""
        machine = self.machine
        machine.supply.set_power(True)
        machine.supply.wait_for_start()
        machine.rtc.clear()
        machine.uart.clear()
        reason, self.looped = ResetReason.POWERON, False
        for line in lines:
            machine.uart.feed(line.encode() + b"\n")
        for _ in range(_MOST_RESETS):
            again = self._one_life(reason)
            if again is None:
                return
            reason = again
        self.looped = True
        machine.supply.set_power(False)

    def _one_life(self, reason: ResetReason) -> ResetReason | None:
        """From a reset to the next; its reason, or None when the board is off."""
        machine = self.machine
        machine.reset_reason = reason
        machine.flash.cipher = None
        machine.clock.restart()
        try:
            boot.run(machine)
        except Restart as restart:
            machine.network.drop()
            return restart.reason
        except Halted:
            machine.network.drop()
            return None
