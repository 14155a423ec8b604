"""ESP-IDF's example system/ota/pre_encrypted_ota: an image that only the device can open.

Source: main/pre_encrypted_ota.c. It registers no event handler, so it prints no line for an event.
"""

from __future__ import annotations

from typing import NoReturn

from bench.errors import FormatError
from bench.images import AppDesc
from bench.images.encrypted import EncryptedHeader
from bench.virtual.apps.example import Example
from bench.virtual.apps.misbehaviour import before_confirming
from bench.virtual.idf.connect import example_connect
from bench.virtual.idf.encrypted_img import DecryptHandle
from bench.virtual.idf.err import EspError
from bench.virtual.idf.https_ota import HttpsOtaConfig, OtaEvent
from bench.virtual.running import Running

__all__ = ["run"]

_TAG = "pre_encrypted_ota_example"
_APP_DESC_AT = 24 + 8


def run(running: Running) -> NoReturn:
    """app_main, and then the example's task."""
    with Example(running, _TAG) as example:
        example.nvs_flash_init('"./main/pre_encrypted_ota.c" line 208')
        example_connect(running)
        before_confirming(example)  # it never does, and so fails at every boot, if it is to fail
        _task(example)


def _task(example: Example) -> NoReturn:
    """pre_encrypted_ota_task."""
    log = example.log
    log.info(_TAG, "Starting Pre Encrypted OTA example")
    try:
        handle = DecryptHandle(example.running, example.options.private_key)
    except EspError:
        log.error(_TAG, "OTA upgrade failed")
        example.delete_task()
    verified = False

    def decrypt(data: bytes) -> bytes:
        """_decrypt_cb: the first plain bytes hold the description of the new image."""
        nonlocal verified
        plain = handle.decrypt(data)
        if plain and not verified:
            verified = True
            example.validate_image_header(_description(plain))
        return plain

    def handler(_event: OtaEvent, _payload: int | None) -> None:
        example.app_main_returned()

    config = HttpsOtaConfig(
        example.http_config(),
        handler,
        max_request=example.options.max_request,
        decrypt=decrypt,
        enc_img_header_size=EncryptedHeader.SIZE,
    )
    ota = example.begin(config)
    performed = example.perform(ota)
    if not ota.is_complete_data_received():
        log.error(_TAG, "Complete data was not received.")
        example.abort(ota)
    try:
        handle.end()
    except EspError:
        example.abort(ota)
    example.finish(ota, performed)


def _description(plain: bytes) -> AppDesc:
    """The bytes where the description should be; the example reads them without a look at the magic."""
    field = plain[_APP_DESC_AT : _APP_DESC_AT + 256]
    try:
        return AppDesc.parse(field)
    except FormatError:
        magic = AppDesc.MAGIC.to_bytes(4, "little")
        return AppDesc.parse(magic + field[4:])
