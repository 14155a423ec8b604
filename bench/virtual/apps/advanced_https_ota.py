"""ESP-IDF's example system/ota/advanced_https_ota.

Source: main/advanced_https_ota_example.c of v5.1 and v5.3; v4.4, which has no events, and later releases by the
log strings they have compiled in.
"""

from __future__ import annotations

from typing import NoReturn

from bench.flash.otadata import OtaImgState
from bench.images import Defect
from bench.virtual.apps.example import Example
from bench.virtual.apps.misbehaviour import after_confirming, before_confirming
from bench.virtual.apps.resumption import Resumption
from bench.virtual.idf.connect import example_connect
from bench.virtual.idf.err import EspError
from bench.virtual.idf.https_ota import HttpsOtaConfig, OtaEvent
from bench.virtual.running import Running

__all__ = ["run"]

_TAG = "advanced_https_ota_example"
_CONFIRMED = "App is valid, rollback cancelled successfully"

_LINES = {
    OtaEvent.START: "OTA started",
    OtaEvent.CONNECTED: "Connected to server",
    OtaEvent.GET_IMG_DESC: "Reading Image Description",
    OtaEvent.VERIFY_CHIP_ID: "Verifying chip id of new image: %d",
    OtaEvent.VERIFY_CHIP_REVISION: "Verifying chip revision of new image: %d",
    OtaEvent.DECRYPT_CB: "Callback to decrypt function",
    OtaEvent.UPDATE_BOOT_PARTITION: "Boot partition updated. Next Partition: %d",
    OtaEvent.FINISH: "OTA finish",
    OtaEvent.ABORT: "OTA abort",
}
_WRITING = "Writing to flash: %d written"


def run(running: Running) -> NoReturn:
    """app_main, and then the example's task."""
    with Example(running, _TAG) as example:
        running.log.info(_TAG, "OTA example app_main start")
        if running.defect is Defect.CONFIRM_FIRST:
            _confirm(example)
        example.nvs_flash_init('"./main/advanced_https_ota_example.c" line 361')
        example_connect(running)
        _confirm(example)
        after_confirming(example)
        _task(example)


def _confirm(example: Example) -> None:
    """A connection is what the example takes for a sign of health; a defective build does not come this far."""
    if not before_confirming(example):
        return
    if not example.log.has(_CONFIRMED):
        return
    if example.ops.state_of(example.running.partition) != OtaImgState.PENDING_VERIFY:
        return
    try:
        example.ops.mark_app_valid_cancel_rollback()
    except EspError:
        example.log.error(_TAG, "Failed to cancel rollback")
    else:
        example.log.info(_TAG, _CONFIRMED)


def _task(example: Example) -> NoReturn:
    """advanced_ota_example_task."""
    log = example.log
    log.info(_TAG, "Starting Advanced OTA example")
    http = example.http_config()
    writing = log.has(_WRITING)
    events = log.has(_LINES[OtaEvent.START])  # v4.4 has none

    def handler(event: OtaEvent, payload: int | None) -> None:
        if event is OtaEvent.WRITE_FLASH:
            if writing:
                log.debug(_TAG, _WRITING % payload)
            return
        if events:
            line = _LINES[event]
            log.info(_TAG, line if payload is None else line % payload)
        if event is OtaEvent.START:
            example.app_main_returned()

    place = Resumption(example.running, _TAG, http.url) if example.options.resumes else None
    config = HttpsOtaConfig(
        http, handler, max_request=example.options.max_request, resume_from=place.start if place else None
    )
    ota = example.begin(config)
    try:
        description = ota.get_img_desc()
    except EspError:
        # of two wordings the firmware has one compiled in
        log.error(_TAG, "esp_https_ota_read_img_desc failed")
        log.error(_TAG, "esp_https_ota_get_img_desc failed")
        example.abort(ota)
    try:
        example.validate_image_header(description)
    except EspError:
        log.error(_TAG, "image header verification failed")
        example.abort(ota)
    performed = example.perform(ota, place.save if place else None)
    if ota.is_complete_data_received():
        if place is not None:
            place.forget()
        example.finish(ota, performed)
    log.error(_TAG, "Complete data was not received.")
    example.abort(ota)
