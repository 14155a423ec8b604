"""Resets that lead nowhere: bounded, because in virtual time they would only burn the host's processor.

A real chip without a bootable image resets for ever, several times a second. The virtual one shows that a few times
and then waits for somebody to do something about it. Crashing applications go on for ever, as they must, but from
the sixth crash on they take real time.
"""

from __future__ import annotations

from typing import NoReturn

from bench.virtual.machine import Machine
from bench.virtual.resets import ResetReason

__all__ = ["app_started", "crash_reset", "hopeless_reset"]

_HOPELESS_RESETS = 3
_FAST_CRASHES = 5
_SLOW_CRASH_SECONDS = 1.0

_HOPELESS = "resets without an application"
_CRASHES = "crashes since power-on"


def hopeless_reset(machine: Machine, reason: ResetReason) -> NoReturn:
    """Reset because there is nothing to boot; after three of those in a row idle until reset or power loss."""
    seen = machine.rtc.get(_HOPELESS, 0)
    if seen >= _HOPELESS_RESETS:
        machine.idle()
    machine.rtc[_HOPELESS] = seen + 1
    machine.restart(reason)


def app_started(machine: Machine) -> None:
    """An application was loaded: forget the resets that led nowhere."""
    machine.rtc.pop(_HOPELESS, None)


def crash_reset(machine: Machine, reason: ResetReason) -> NoReturn:
    """Reset after a crash; the first five since power-on come at once, each further one takes a real second."""
    machine.rtc[_CRASHES] = machine.rtc.get(_CRASHES, 0) + 1
    if machine.rtc[_CRASHES] > _FAST_CRASHES:
        machine.supply.sleep(_SLOW_CRASH_SECONDS)
    machine.restart(reason)
