"""ESP-IDF's example system/ota/simple_ota_example: the whole update in one call, esp_https_ota().

Source: main/simple_ota_example.c of v4.4 and v5.1 to v6.0. It registers no handler for the updater's events.
"""

from __future__ import annotations

from typing import NoReturn

from bench.images import Defect
from bench.virtual.apps.example import Example
from bench.virtual.apps.misbehaviour import after_confirming, before_confirming
from bench.virtual.idf.connect import example_connect
from bench.virtual.idf.err import EspErr, EspError
from bench.virtual.idf.https_ota import DecryptNotFinished, HttpsOta, HttpsOtaConfig, OtaEvent
from bench.virtual.idf.partition import sha256_of_bootloader, sha256_of_running
from bench.virtual.machine import ResetReason
from bench.virtual.running import Running

__all__ = ["run"]

_TAG = "simple_ota_example"
_BIND = "Bind interface name is %s"


def run(running: Running) -> NoReturn:
    """app_main, and then the example's task."""
    with Example(running, _TAG) as example:
        running.log.info(_TAG, "OTA example app_main start")
        example.nvs_flash_init('"./main/simple_ota_example.c" line 188')
        for label, digest in (
            ("SHA-256 for bootloader: ", sha256_of_bootloader(running)),
            ("SHA-256 for current firmware: ", sha256_of_running(running)),
        ):
            running.log.info(_TAG, f"{label} {digest.hex()}", body="%s %s")
        example_connect(running)
        before_confirming(example)
        after_confirming(example)
        _task(example)


def _task(example: Example) -> NoReturn:
    """simple_ota_example_task."""
    log = example.log
    # of two wordings the firmware has one compiled in; the former is that of v4.4
    log.info(_TAG, "Starting OTA example")
    log.info(_TAG, "Starting OTA example task")
    if log.has(_BIND):
        log.info(_TAG, _BIND % "en1")
    http = example.http_config()
    log.info(_TAG, f"Attempting to download update from {http.url}")

    def handler(_event: OtaEvent, _payload: int | None) -> None:
        example.app_main_returned()

    installed = _esp_https_ota(example, HttpsOtaConfig(http, handler))
    if installed or example.running.defect is Defect.SUCCESS_WHATEVER_HAPPENED:
        log.info(_TAG, "OTA Succeed, Rebooting...")
        example.machine.restart(ResetReason.SW_CPU)
    example.given_up()
    log.error(_TAG, "Firmware upgrade failed")
    example.delete_task()


def _esp_https_ota(example: Example, config: HttpsOtaConfig) -> bool:
    """esp_https_ota: begin, perform until it is done, finish; False where it failed."""
    try:
        ota = HttpsOta(example.running, example.ops, config)
    except EspError:
        return False
    example.closes(ota.close)
    try:
        if example.running.defect is Defect.OWN_VERSION_REFUSED:
            own = example.ops.description_of(example.running.partition).version
            if ota.get_img_desc().version == own:
                raise EspError(EspErr.ESP_FAIL)
        while ota.perform():
            pass
    except (EspError, DecryptNotFinished):
        ota.abort()
        return False
    try:
        ota.finish()
    except EspError:
        return False
    return True
