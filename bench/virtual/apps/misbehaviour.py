"""What virtual firmware does instead of, or after, confirming itself when it was told to fail.

The words are those of components/esp_system/task_wdt/task_wdt.c and of the examples under examples/system/ota,
checked against real consoles of firmware that failed in these ways.
"""

from __future__ import annotations

from typing import NoReturn

from bench.flash.otadata import OtaImgState
from bench.images import Behaviour, Defect
from bench.virtual import panic
from bench.virtual.apps.example import Example
from bench.virtual.idf.err import EspError
from bench.virtual.machine import ResetReason

__all__ = ["after_confirming", "before_confirming"]

_WATCHDOG = "task_wdt"
_WATCHDOG_MS = 5000  # CONFIG_ESP_TASK_WDT_TIMEOUT_S
_COMPLAINTS = 3
"""How often the task watchdog complains before the virtual processor rests; a real one never ceases to."""
_DIAGNOSTICS = "Diagnostics failed! Start rollback to the previous version ..."


def before_confirming(example: Example) -> bool:
    """Fail here if this firmware was told to; the answer is whether it is to confirm itself at all."""
    behaviour, running = example.running.behaviour, example.running
    if running.defect is Defect.NO_WATCHDOG and "watchdog" in behaviour:
        example.machine.idle()
    if behaviour == Behaviour.ABORT:
        panic.abort(running)
    if behaviour == Behaviour.HANG_BEFORE_CONFIRM:
        example.machine.idle()
    if behaviour == Behaviour.INTERRUPT_WATCHDOG:
        panic.interrupt_watchdog(running)
    if behaviour in (Behaviour.TASK_WATCHDOG, Behaviour.TASK_WATCHDOG_PANIC):
        _starve(example, panics=behaviour == Behaviour.TASK_WATCHDOG_PANIC)
    if example.ops.state_of(running.partition) == OtaImgState.PENDING_VERIFY:
        if behaviour == Behaviour.DIAGNOSTICS_FAIL:
            _diagnostics_failed(example)
        if behaviour == Behaviour.RESTART_BEFORE_CONFIRM or running.defect is Defect.RETURNS_SILENTLY:
            example.machine.restart(ResetReason.SW_CPU)
    return behaviour != Behaviour.NEVER_CONFIRM and running.defect is not Defect.NEVER_CONFIRMS


def after_confirming(example: Example) -> None:
    """Fail here if this firmware was told to be sure of itself first. The old image, never updated, is not."""
    confirmed = example.ops.state_of(example.running.partition) == OtaImgState.VALID
    if example.running.behaviour == Behaviour.CONFIRM_THEN_ABORT and confirmed:
        panic.abort(example.running)
    if example.running.behaviour == Behaviour.CONFIRM_THEN_GIVE_UP and confirmed:
        _diagnostics_failed(example)


def _diagnostics_failed(example: Example) -> None:
    """esp_ota_mark_app_invalid_rollback_and_reboot(); comes back only where there is nothing to go back to."""
    example.log.error(example.tag, _DIAGNOSTICS)
    try:
        example.ops.mark_app_invalid_rollback_and_reboot()
    except EspError:
        return


def _starve(example: Example, *, panics: bool) -> NoReturn:
    """The main task runs without end, and the idle task never does (task_wdt_isr)."""
    running, log, clock = example.running, example.log, example.machine.clock
    xtensa = example.machine.chip.arch == "xtensa"
    for _ in range(_COMPLAINTS):
        clock.sleep(_WATCHDOG_MS)
        who = "tasks/users" if running.release.at_least(5, 0) else "tasks"
        log.error(_WATCHDOG, f"Task watchdog got triggered. The following {who} did not reset the watchdog in time:")
        several = running.machine.chip.cores > 1
        log.error(_WATCHDOG, " - IDLE0 (CPU 0)" if several and running.release.at_least(5, 1) else " - IDLE (CPU 0)")
        log.error(_WATCHDOG, "Tasks currently running:")
        for core in range(running.machine.chip.cores):
            log.error(_WATCHDOG, f"CPU {core}: {'IDLE1' if core else 'main'}")
        if panics:
            log.error(_WATCHDOG, "Aborting.")
            if xtensa:
                log.error(_WATCHDOG, "Print CPU 0 (current core) backtrace")
            panic.abort(running)
        registers = not xtensa and log.has("Print CPU %d (current core) registers")
        log.error(_WATCHDOG, f"Print CPU 0 (current core) {'registers' if registers else 'backtrace'}")
        log.raw(panic.registers(running, core="F4"))
    example.machine.idle()
