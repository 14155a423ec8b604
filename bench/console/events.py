"""The ``ESP_HTTPS_OTA_*`` events, as the stock `advanced_https_ota` example says them.

Only that example registers a handler for them and prints a line for each
(examples/system/ota/advanced_https_ota/main/advanced_https_ota_example.c, ESP-IDF v5.0 and later; v4.4 has no
events; VERIFY_CHIP_REVISION since v5.5). The line for WRITE_FLASH is at debug level, so default builds never
print it. A line is an event only if the example's own tag says it and nothing else stands in it.
"""

from __future__ import annotations

from bench.console.items import Event, Record

__all__ = ["EVENT_TAG", "event_of"]

EVENT_TAG = "advanced_https_ota_example"

_BARE = {
    "OTA started": "ESP_HTTPS_OTA_START",
    "Connected to server": "ESP_HTTPS_OTA_CONNECTED",
    "Reading Image Description": "ESP_HTTPS_OTA_GET_IMG_DESC",
    "Callback to decrypt function": "ESP_HTTPS_OTA_DECRYPT_CB",
    "OTA finish": "ESP_HTTPS_OTA_FINISH",
    "OTA abort": "ESP_HTTPS_OTA_ABORT",
}

_TYPED = (
    # what stands before the number, what stands behind it, the event
    ("Writing to flash: ", " written", "ESP_HTTPS_OTA_WRITE_FLASH"),
    ("Verifying chip id of new image: ", "", "ESP_HTTPS_OTA_VERIFY_CHIP_ID"),
    ("Verifying chip revision of new image: ", "", "ESP_HTTPS_OTA_VERIFY_CHIP_REVISION"),
    ("Boot partition updated. Next Partition: ", "", "ESP_HTTPS_OTA_UPDATE_BOOT_PARTITION"),
)


def event_of(record: Record) -> Event | None:
    """The event that a record of tag `EVENT_TAG` tells of; None where it tells of none.

    A number whose end may have been overwritten is not believed: the payload is then None.
    """
    message = record.message.rstrip()
    name = _BARE.get(message)
    if name is not None:
        return Event(name, None, record.line_no)
    for before, behind, name in _TYPED:
        if message.startswith(before):
            number = message[len(before) :]
            if not number.endswith(behind):
                return None
            number = number[: len(number) - len(behind)]
            if not (number.isascii() and number.removeprefix("-").isdigit() and len(number) <= 11):
                return None
            return Event(name, None if record.cut and not behind else int(number), record.line_no)
    return None
