"""What the lines of the four stock OTA applications, and of serial_ota, mean for the update they are about.

Wording as in examples/system/ota/{simple_ota_example,native_ota_example,advanced_https_ota} of ESP-IDF v4.4 to
v6.0, in examples/system/ota/pre_encrypted_ota (v4.4 to v5.1; later in the esp_encrypted_img component), and in
components/esp_https_ota, whose own lines serve any other application that uses it.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from bench.console.items import Record

__all__ = ["APPLICATION_TAGS", "Sign", "is_cause", "is_fatal", "running_offset", "sign_of", "writing_to"]


class Sign(Enum):
    """What a record says about an update."""

    BEGUN = auto()
    """An update is asked for, or goes on: opens an attempt where none is open."""
    PROGRESS = auto()
    """It goes on, so whatever failed before was overcome."""
    REPORTED = auto()
    """The application reports success and is about to restart."""
    REFUSED = auto()
    """The application gives up: the attempt is over."""
    ALIVE = auto()
    """The application has come up and does its own work."""
    CONFIRMED = auto()
    """The application confirmed its image: the bootloader will not roll it back any more."""
    REACHED = auto()
    """The application's code begins to run."""
    HANGING = auto()
    """The task watchdog complains."""
    RUNNING_FROM = auto()
    """The application names the offset it runs from (`running_offset`)."""


_ADVANCED = (
    ("ESP_HTTPS_OTA upgrade successful. Rebooting", Sign.REPORTED),
    ("ESP_HTTPS_OTA upgrade failed", Sign.REFUSED),
    ("ESP HTTPS OTA Begin failed", Sign.REFUSED),
    ("OTA upgrade failed", Sign.REFUSED),
    ("Configuration mismatch: wrong firmware upgrade image url", Sign.REFUSED),
    ("App is valid, rollback cancelled successfully", Sign.CONFIRMED),
    ("Starting Advanced OTA example", Sign.ALIVE),
    ("Starting Pre Encrypted OTA example", Sign.ALIVE),
    ("Image bytes read", Sign.PROGRESS),
)

_SIGNS: dict[str, tuple[tuple[str, Sign], ...]] = {
    "advanced_https_ota_example": _ADVANCED,
    "pre_encrypted_ota_example": _ADVANCED,
    "simple_ota_example": (
        ("Attempting to download update from", Sign.BEGUN),
        ("OTA Succeed, Rebooting", Sign.REPORTED),
        ("Firmware upgrade failed", Sign.REFUSED),
        ("Configuration mismatch: wrong firmware upgrade image url", Sign.REFUSED),
        ("Starting OTA example", Sign.ALIVE),
    ),
    "native_ota_example": (
        ("Writing to ", Sign.PROGRESS),
        ("esp_ota_begin succeeded", Sign.PROGRESS),
        ("Written image length", Sign.PROGRESS),
        ("Total Write binary data length", Sign.PROGRESS),
        ("Prepare to restart system!", Sign.REPORTED),
        ("Exiting task due to fatal error", Sign.REFUSED),
        ("When a new firmware is available on the server, press the reset button", Sign.REFUSED),
        ("Configuration mismatch: wrong firmware upgrade image url", Sign.REFUSED),
        ("Diagnostics completed successfully! Continuing execution", Sign.CONFIRMED),
        ("Running partition type", Sign.RUNNING_FROM),
        ("Starting OTA example", Sign.ALIVE),
    ),
    "serial_ota": (  # the bench's own, see docs/serial-update.md
        ("Writing to ", Sign.BEGUN),
        ("Chunk ", Sign.PROGRESS),
        ("Update complete, restarting", Sign.REPORTED),
        ("Update refused", Sign.REFUSED),
        ("App is valid, rollback cancelled successfully", Sign.CONFIRMED),
        ("Waiting for an update over the console", Sign.ALIVE),
    ),
    "esp_https_ota": (
        ("Starting OTA...", Sign.PROGRESS),
        ("Writing to ", Sign.PROGRESS),
        ("Written image length", Sign.PROGRESS),
        ("Falling back to OTA without resumption", Sign.PROGRESS),
        ("Continuing with insecure option", Sign.BEGUN),
    ),
    "main_task": (("Calling app_main()", Sign.REACHED), ("Returned from app_main()", Sign.ALIVE)),
    "app_start": (("Starting scheduler", Sign.REACHED),),
    "cpu_start": (("Starting scheduler", Sign.REACHED),),
    "task_wdt": (("Task watchdog got triggered", Sign.HANGING),),
}

APPLICATION_TAGS = frozenset(tag for tag in _SIGNS if tag.endswith("_example")) | {"serial_ota"}

_FATAL_TAGS = APPLICATION_TAGS | {"esp_https_ota", "esp_ota_ops"}
"""Whose errors end an attempt; the errors of the others may be overcome by a retry."""

_CAUSE_TAGS = _FATAL_TAGS | {
    "HTTP_CLIENT",
    "HTTP_HEADER",
    "TRANSPORT_BASE",
    "TRANS_SSL",
    "TRANS_TCP",
    "boot",
    "boot_comm",
    "efuse",
    "esp-tls",
    "esp-tls-mbedtls",
    "esp-x509-crt-bundle",
    "esp_encrypted_img",
    "esp_image",
    "esp_secure_boot",
    "flash_encrypt",
    "secure_boot",
    "secure_boot_v1",
    "secure_boot_v2",
    "transport_base",
}

_NO_CAUSE = (
    "Failed to cancel rollback",
    "Diagnostics failed!",
    "Can't find netif",
    # The first half of a message of two lines (esp_encrypted_img.c); the line that follows says what failed.
    "failed",
    "Rollback is not possible",
    "Failed to post https_ota event",
    "not found otadata",
)
_CAUSES = (
    # Said at another level than error.
    "Current running version is the same as a new",
    "New firmware security version is less than eFuse programmed",
    "New version is the same as invalid version",
    "OTA image not modified since last request",
    "Requested range is incorrect",
)

_WRITING = re.compile(
    r"Writing to (?:partition subtype ([0-9]{1,3})|<([^<>]{1,16})> partition) at offset 0x([0-9a-f]{1,8})"
)
_RUNNING = re.compile(r"Running partition type 0 subtype [0-9]{1,3} \(offset 0x([0-9a-f]{1,8})\)")


def sign_of(record: Record) -> Sign | None:
    """What the record says about an update; None for nothing."""
    for beginning, sign in _SIGNS.get(record.tag, ()):
        if record.message.startswith(beginning):
            return sign
    if record.level == "E" and (record.tag == "esp_https_ota" or record.tag in APPLICATION_TAGS):
        # v4.4 prints nothing before the first error.
        return None if record.message.startswith(_NO_CAUSE) else Sign.BEGUN
    return None


def is_cause(record: Record) -> bool:
    """May it be the reason why an update was refused?"""
    if record.tag not in _CAUSE_TAGS:
        return False
    if record.level == "E":
        return not record.message.startswith(_NO_CAUSE)
    return record.message.startswith(_CAUSES)


def is_fatal(record: Record) -> bool:
    """Is it a reason that nothing in the stock applications overcomes?"""
    return is_cause(record) and record.tag in _FATAL_TAGS


def writing_to(record: Record) -> int | None:
    """The offset of the slot that the image is written to, if the record names it."""
    match = _WRITING.match(record.message)
    return int(match[3], 16) if match and not record.cut else None


def running_offset(record: Record) -> int | None:
    """The offset that the native example says it runs from."""
    match = _RUNNING.match(record.message)
    return int(match[1], 16) if match else None
