"""The board: a machine, its processor's thread, and the two transistors that let a serial port's lines reset it.

    DTR  RTS   EN    IO0
    off  off   high  high
    on   on    high  high      neither transistor conducts
    off  on    low   high      in reset
    on   off   high  low       the chip that comes out of reset now enters download mode

EN has a capacitor: from reset to "both on" it has not risen yet when the host's next change comes, which is how tools
that can only set one line at a time reach download mode.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn

from bench.virtual.machine import Halted, Machine, ResetReason, Restart
from bench.virtual.supply import Start

__all__ = ["Board"]

_EN_RISES_LATEST = 1.0
"""Seconds after which EN has risen although DTR and RTS stay on; longer than any host takes between two changes."""

_STANDS_STILL_WITHIN = 5.0
"""Seconds given to the processor's thread to leave what it does; what it does longest is a look-up of a host name."""


class Board:
    """Runs `firmware` against `machine` whenever the board is powered and out of reset, and the ROM in download mode.

    Args:
        machine: is closed with the board
        firmware: what runs when IO0 is high, from ROM banner on; never returns
        download: what runs when IO0 is low
        failed: is called, in the processor's thread, with an error that is the model's own
    """

    def __init__(
        self,
        machine: Machine,
        *,
        firmware: Callable[[Machine], NoReturn],
        download: Callable[[Machine], NoReturn],
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.machine = machine
        self.resets = 0
        self._firmware = firmware
        self._download = download
        self._failed = failed
        self._lines = threading.RLock()
        self._dtr = self._rts = False
        self._in_reset = False
        self._rise: threading.Timer | None = None
        self._at_rest = threading.Condition()
        self._running = False
        self._processor = threading.Thread(target=self._live, name="cpu", daemon=True)
        machine.supply.at_halt(machine.uart.clear)

    def __enter__(self) -> Board:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Let the processor run."""
        self._processor.start()

    def close(self) -> None:
        """Stop the processor for good and flush the files."""
        with self._lines:
            self._hold_rise()
        self.machine.supply.close()
        if self._processor.is_alive():
            self._processor.join(_STANDS_STILL_WITHIN)
        self.machine.close()

    # -- from the serial port

    def feed(self, data: bytes) -> None:
        """Bytes from the host; a board that is off or in reset does not hear them."""
        if self.machine.supply.powered and not self._in_reset:
            self.machine.uart.feed(data)

    def set_lines(self, *, dtr: bool, rts: bool) -> None:
        """Set both modem control lines at once (True: asserted)."""
        with self._lines:
            self._dtr, self._rts = dtr, rts
            if rts and not dtr:
                self._hold_rise()
                self._in_reset = True
                self.machine.supply.set_enable(False)
            elif self._in_reset:
                if rts:
                    self._rise_later()
                else:
                    self._release()

    @property
    def dtr(self) -> bool:
        return self._dtr

    @property
    def rts(self) -> bool:
        return self._rts

    def _hold_rise(self) -> None:
        if self._rise is not None:
            self._rise.cancel()
            self._rise = None

    def _rise_later(self) -> None:
        self._hold_rise()
        self._rise = threading.Timer(_EN_RISES_LATEST, self._risen)
        self._rise.daemon = True
        self._rise.start()

    def _risen(self) -> None:
        with self._lines:
            if self._rise is not None:
                self._release()

    def _release(self) -> None:
        self._hold_rise()
        self._in_reset = False
        self._sample()
        self.machine.supply.set_enable(True)

    def _sample(self) -> None:
        """The chip latches IO0 as it comes out of reset."""
        self.machine.download = self._dtr and not self._rts

    # -- from the control channel

    def set_power(self, on: bool) -> None:
        """Switch the supply; when it was switched off, this returns once the processor stands still."""
        with self._lines:
            if on:
                self._sample()
            self.machine.supply.set_power(on)
        if not on:
            self._wait_at_rest()

    def reset(self) -> None:
        """Press the EN button: a pulse that the processor cannot miss."""
        with self._lines:
            if self._in_reset:
                return
            self.machine.supply.set_enable(False)
        self._wait_at_rest()
        with self._lines:
            self._sample()
            self.machine.supply.set_enable(True)

    def renew(self) -> None:
        """Put a new chip and a new flash in: all as delivered, the network up, no cut planned, all counts but
        `resets` at 0. The board stays as powered as it was."""
        powered = self.machine.supply.powered
        self.set_power(False)
        self.machine.flash.renew()
        self.machine.efuse.renew()
        self.machine.flash.door.renew()
        self.machine.uart.overruns = 0
        self.machine.network.set_up(True)
        if powered:
            self.set_power(True)

    def _wait_at_rest(self) -> None:
        with self._at_rest:
            self._at_rest.wait_for(lambda: not self._running, timeout=_STANDS_STILL_WITHIN)

    # -- the processor's thread

    def _live(self) -> None:
        try:
            reason = ResetReason.POWERON
            while (start := self.machine.supply.wait_for_start()) is not Start.NEVER:
                if start is Start.COLD:
                    reason = ResetReason.POWERON
                    self.machine.rtc.clear()
                reason = self._one_life(reason)
        except BaseException as error:
            if self._failed is not None:
                self._failed(error)
            raise

    def _one_life(self, reason: ResetReason) -> ResetReason:
        """Run from a reset to the next; the reason of the next."""
        machine = self.machine
        machine.reset_reason = reason
        machine.flash.cipher = None
        machine.clock.restart()
        self._set_running(True)
        self.resets += 1
        try:
            if machine.download:
                self._download(machine)
            else:
                self._firmware(machine)
        except Restart as restart:
            machine.uart.clear()
            machine.network.drop()
            machine.download = False
            return restart.reason
        except Halted:
            return ResetReason.POWERON
        finally:
            self._set_running(False)

    def _set_running(self, running: bool) -> None:
        with self._at_rest:
            self._running = running
            self._at_rest.notify_all()
