"""The field in which firmware written by the bench says how it shall behave.

Images that `bench` itself writes (see bench.builds) carry in their read-only data 96 bytes: a marker followed by a
NUL-padded ASCII value. Real firmware has no such field.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from bench.errors import FormatError

if TYPE_CHECKING:
    from bench.images.image import Image

__all__ = ["FIELD_SIZE", "MARKER", "Behaviour", "behaviour_field", "locate", "read_behaviour"]

MARKER = b"OTABENCH\0BEHAVIOUR="
FIELD_SIZE = 96
"""Bytes of the whole field, marker included."""


class Behaviour(StrEnum):
    """What virtual firmware can be told to do: ways to fail as firmware does.

    They happen once the network is up, when the application would confirm itself. What breaks a promise is a `Defect`.
    """

    SOUND = ""
    """Nothing unusual."""
    ABORT = "abort"
    """abort() in app_main after the network is up, before the image is confirmed."""
    HANG_BEFORE_CONFIRM = "hang_before_confirm"
    """Idle for ever before the image is confirmed."""
    TASK_WATCHDOG = "task_watchdog"
    """Starve the idle task before the image is confirmed; the task watchdog only complains, again and again."""
    TASK_WATCHDOG_PANIC = "task_watchdog_panic"
    """The same with CONFIG_ESP_TASK_WDT_PANIC."""
    INTERRUPT_WATCHDOG = "interrupt_watchdog"
    """Keep the interrupts off before the image is confirmed, until the interrupt watchdog panics."""
    DIAGNOSTICS_FAIL = "diagnostics_fail"
    """esp_ota_mark_app_invalid_rollback_and_reboot() instead of a confirmation, if one is due."""
    NEVER_CONFIRM = "never_confirm"
    """Go on without a confirmation."""
    RESTART_BEFORE_CONFIRM = "restart_before_confirm"
    """esp_restart() when a confirmation is due."""
    CONFIRM_THEN_ABORT = "confirm_then_abort"
    """Confirm too early: abort() right after the confirmation, and at every later boot."""
    CONFIRM_THEN_GIVE_UP = "confirm_then_give_up"
    """esp_ota_mark_app_invalid_rollback_and_reboot() right after the confirmation, and at every later boot."""


def behaviour_field(value: str = Behaviour.SOUND) -> bytes:
    """The 96 bytes of the field.

    Raises:
        FormatError: `value` is no `Behaviour`
    """
    if value not in list(Behaviour):
        raise FormatError("behaviour", 0, repr(value), "one of " + ", ".join(repr(str(one)) for one in Behaviour))
    return (MARKER + value.encode("ascii")).ljust(FIELD_SIZE, b"\0")


def locate(image: Image) -> tuple[int, int] | None:
    """Segment index and offset in its data of the field, or None where the image has none."""
    for index, segment in enumerate(image.segments):
        at = segment.data.find(MARKER)
        if 0 <= at <= len(segment.data) - FIELD_SIZE:
            return index, at
    return None


def read_behaviour(image: Image) -> str | None:
    """The value of the field as it stands there, ``""`` for sound firmware, None where there is no field."""
    place = locate(image)
    if place is None:
        return None
    index, at = place
    value = image.segments[index].data[at + len(MARKER) : at + FIELD_SIZE]
    return value.partition(b"\0")[0].decode("ascii", "backslashreplace")
