"""How an application says what it does: the lines a scenario waits for when there is no event for it.

Facts: examples/system/ota/*/main/*.c of ESP-IDF v5.1 to v5.3; docs/serial-update.md for serial_ota.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from bench.errors import BenchError
from bench.timeline import Matcher, any_of, said

__all__ = ["DIALECTS", "Dialect", "dialect_of"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One application's way of talking.

    `prompt` is the line after which it takes its URL from the console; `given_up` the line with which an attempt
    ends without an update; `success` the text it prints when it believes that it was updated; `confirmed` the text
    with which it confirms itself.
    """

    tag: str
    prompt: Matcher
    given_up: Matcher
    success: str
    confirmed: str = "App is valid, rollback cancelled successfully"
    prints_events: bool = False


_NATIVE = "native_ota_example"
_SIMPLE = "simple_ota_example"
_RESTARTED = "2nd stage bootloader"
_SERIAL = "serial_ota"


def _stock(tag: str, prompt: str, *, prints_events: bool = False) -> Dialect:
    return Dialect(
        tag=tag,
        prompt=said(tag=tag, text=prompt),
        given_up=any_of(
            said(tag=tag, text="ESP_HTTPS_OTA upgrade failed"), said(tag=tag, text="ESP HTTPS OTA Begin failed")
        ),
        success="ESP_HTTPS_OTA upgrade successful. Rebooting ...",
        prints_events=prints_events,
    )


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "advanced_https_ota": _stock("advanced_https_ota_example", "Starting Advanced OTA example", prints_events=True),
        "pre_encrypted_ota": _stock("pre_encrypted_ota_example", "Starting Pre Encrypted OTA example"),
        "native_ota": Dialect(
            tag=_NATIVE,
            prompt=said(tag=_NATIVE, text="Running partition type"),
            given_up=any_of(
                said(tag=_NATIVE, text="Exiting task due to fatal error..."),
                said(tag=_NATIVE, text="When a new firmware is available on the server, press the reset button"),
            ),
            success="Prepare to restart system!",
            confirmed="Diagnostics completed successfully! Continuing execution ...",
        ),
        "simple_ota": Dialect(
            tag=_SIMPLE,
            prompt=said(tag=_SIMPLE, text="Starting OTA example"),
            given_up=said(tag=_SIMPLE, text="Firmware upgrade failed"),
            success="OTA Succeed, Rebooting...",
        ),
        "serial_ota": Dialect(
            tag=_SERIAL,
            prompt=said(tag=_SERIAL, text="Waiting for an update over the console"),
            given_up=said(tag=_SERIAL, text="Update refused"),
            success="Update complete, restarting",
        ),
    }
)


def dialect_of(app: str, idf_ver: str = "") -> Dialect:
    """The dialect of an application as a release of ESP-IDF has it.

    Raises:
        BenchError: the bench does not know that application
    """
    if app not in DIALECTS:
        raise BenchError(f"the bench does not know how {app!r} tells what it does; known are {', '.join(DIALECTS)}")
    dialect = DIALECTS[app]
    if idf_ver.startswith("v4."):  # esp_https_ota posts no events yet, and simple_ota just restarts
        success = _RESTARTED if app == "simple_ota" else dialect.success
        dialect = replace(dialect, prints_events=False, success=success)
    return dialect
