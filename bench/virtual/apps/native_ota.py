"""ESP-IDF's example system/ota/native_ota_example: esp_ota_ops and esp_http_client, without esp_https_ota.

Source: main/native_ota_example.c, the same from v5.1 to v6.0; v4.4 differs in its first lines.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NoReturn

from bench.flash.otadata import OtaImgState
from bench.images import AppDesc, Behaviour, Defect
from bench.virtual import panic
from bench.virtual.apps.example import Example
from bench.virtual.apps.misbehaviour import after_confirming, before_confirming
from bench.virtual.idf import errnos
from bench.virtual.idf.connect import example_connect
from bench.virtual.idf.err import EspErr, EspError, esp_err_to_name
from bench.virtual.idf.http_client import HttpClient, HttpConfig
from bench.virtual.idf.ota_ops import OTA_WITH_SEQUENTIAL_WRITES, OtaHandle
from bench.virtual.idf.partition import sha256_of_bootloader, sha256_of_running, sha256_of_table
from bench.virtual.machine import ResetReason
from bench.virtual.running import Running

__all__ = ["run"]

_TAG = "native_ota_example"
_BUFFER = 1024  # BUFFSIZE
_APP_DESC_AT = 24 + 8
_VERSION_AT, _VERSION_SIZE = 16, 32
_DIAGNOSTIC_PIN = 4  # CONFIG_EXAMPLE_GPIO_DIAGNOSTIC
_ADDRESS_AT = 12
"""Where `address` lies in esp_partition_t (esp_partition.h)."""
_STACK = b"\xa5" * 2 * AppDesc.SIZE
"""What stands behind new_app_info on the task's stack: two descriptions that nobody has written yet."""
_SAME = "Current running version is the same as a new. We will not continue the update."


def run(running: Running) -> NoReturn:
    """app_main, and then the example's task."""
    with Example(running, _TAG) as example:
        running.log.info(_TAG, "OTA example app_main start")
        for label, digest in (
            ("SHA-256 for the partition table: ", sha256_of_table(running)),
            ("SHA-256 for bootloader: ", sha256_of_bootloader(running)),
            ("SHA-256 for current firmware: ", sha256_of_running(running)),
        ):
            running.log.info(_TAG, f"{label}: {digest.hex()}", body="%s: %s")
        _diagnose(example)
        after_confirming(example)
        example.nvs_flash_init('"./main/native_ota_example.c" line 326')
        example_connect(running)
        _Task(example).run()


def _diagnose(example: Example) -> None:
    """The example takes a level at a pin for a sign of health; a defective build does not come this far."""
    ops, log, behaviour = example.ops, example.log, example.running.behaviour
    healthy = behaviour != Behaviour.DIAGNOSTICS_FAIL
    if healthy and not before_confirming(example):
        return
    if ops.state_of(example.running.partition) != OtaImgState.PENDING_VERIFY:
        return
    log.info("gpio", _pin_configured(input_enabled=1, interrupt=0))
    if example.running.defect is not Defect.NO_DIAGNOSTICS:
        log.info(_TAG, "Diagnostics (5 sec)...")
    example.machine.clock.sleep(5000)
    log.info("gpio", _pin_configured(input_enabled=0, interrupt=0))  # gpio_reset_pin
    try:
        if healthy:
            log.info(_TAG, "Diagnostics completed successfully! Continuing execution ...")
            ops.mark_app_valid_cancel_rollback()
        else:
            log.error(_TAG, "Diagnostics failed! Start rollback to the previous version ...")
            ops.mark_app_invalid_rollback_and_reboot()
    except EspError:
        return  # the example does not look at what they return


def _pin_configured(*, input_enabled: int, interrupt: int) -> str:
    """gpio_config; since v5.5 at debug level, and then it is not compiled in."""
    pulls = "Pullup: 1| Pulldown: 0"
    return f"GPIO[{_DIAGNOSTIC_PIN}]| InputEn: {input_enabled}| OutputEn: 0| OpenDrain: 0| {pulls}| Intr:{interrupt} "


class _Task:
    """ota_example_task."""

    def __init__(self, example: Example) -> None:
        self._example = example
        self._log = example.log
        self._ops = example.ops
        self._handle: OtaHandle | None = None
        self._client: HttpClient | None = None

    def run(self) -> NoReturn:
        self._say_where_it_runs()
        config = self._example.http_config()
        client = self._connect(config)
        partition = self._ops.next_update_partition()
        if partition is None:
            where = "ota_example_task native_ota_example.c:137"
            panic.assert_failed(self._example.running, where, "update_partition != NULL")
        self._log.info(_TAG, f"Writing to partition subtype {partition.subtype} at offset 0x{partition.offset:x}")
        written = 0
        while True:
            data = client.read(_BUFFER)
            if isinstance(data, int) and self._example.running.defect is Defect.READ_FOR_EVER:
                continue
            if isinstance(data, int):
                self._log.error(_TAG, "Error: SSL data read error")
                self._fatal()
            if not data:
                if client.errno in (errnos.ECONNRESET, errnos.ENOTCONN):
                    self._log.error(_TAG, f"Connection closed, errno = {client.errno}")
                    break
                if client.is_complete_data_received():
                    self._log.info(_TAG, "Connection closed")
                    break
                self._example.machine.idle()  # the task spins here for ever
            if self._handle is None:
                self._handle = self._begin(data, config)
            try:
                self._ops.write(self._handle, data)
            except EspError:
                self._fatal()
            written += len(data)
            self._log.debug(_TAG, f"Written image length {written}")
        self._log.info(_TAG, f"Total Write binary data length: {written}")
        if not client.is_complete_data_received():
            self._log.error(_TAG, "Error in receiving complete file")
            self._fatal()
        self._finish(self._handle)

    def _say_where_it_runs(self) -> None:
        log, running = self._log, self._example.running.partition
        # of two wordings the firmware has one compiled in; the former is that of v4.4
        log.info(_TAG, "Starting OTA example")
        log.info(_TAG, "Starting OTA example task")
        configured = self._ops.boot_partition()
        if configured is None:  # the example reads configured->address all the same
            panic.load_prohibited(self._example.running, _ADDRESS_AT)
        if configured != running:
            where = f"0x{configured.offset:08x}, but running from offset 0x{running.offset:08x}"
            log.warn(_TAG, f"Configured OTA boot partition at offset {where}")
            log.warn(
                _TAG, "(This can happen if either the OTA boot data or preferred boot image become corrupted somehow.)"
            )
        kind = f"type {running.type} subtype {running.subtype}"
        log.info(_TAG, f"Running partition {kind} (offset 0x{running.offset:08x})")

    def _connect(self, config: HttpConfig) -> HttpClient:
        try:
            client = HttpClient(self._example.running, config)
        except EspError:
            self._log.error(_TAG, "Failed to initialise HTTP connection")
            self._fatal()
        self._client = client
        self._example.closes(client.close)
        self._example.app_main_returned()  # here it waits for the first time, where the URL is compiled in
        try:
            client.open()
        except EspError as error:
            self._log.error(_TAG, f"Failed to open HTTP connection: {esp_err_to_name(error.code)}")
            self._fatal()
        with suppress(EspError):  # the example does not look at what it returns
            client.fetch_headers()
        return client

    def _begin(self, data: bytes, config: HttpConfig) -> OtaHandle:
        """Look at the first buffer, and make the slot ready."""
        if len(data) <= _APP_DESC_AT + AppDesc.SIZE and self._example.running.defect is not Defect.SHORT_HEADER:
            self._log.error(_TAG, "received package is not fit len")
            self._fatal()
        new = data[_APP_DESC_AT : _APP_DESC_AT + AppDesc.SIZE]
        self._log.info(_TAG, f"New firmware version: {_as_c_string(new + self._stack_behind(config))}")
        version = new[_VERSION_AT : _VERSION_AT + _VERSION_SIZE]
        present = self._version_in(self._example.running.partition.offset)
        if present is not None:
            self._log.info(_TAG, f"Running firmware version: {_text(present)}")
        invalid = self._ops.last_invalid_partition()
        if invalid is not None:
            bad = self._version_in(invalid.offset)
            if bad is not None:
                self._log.info(_TAG, f"Last invalid firmware version: {_text(bad)}")
                if bad == version and self._example.running.defect is not Defect.INVALID_VERSION_FORGOTTEN:
                    self._refuse_invalid(_text(bad))
        older = self._example.running.defect is Defect.OLDER_REFUSED and present is not None and version < present
        if self._log.has(_SAME) and (version == present or older):
            self._log.warn(_TAG, _SAME)
            self._wait_for_another()
        partition = self._ops.next_update_partition()
        assert partition is not None
        try:
            handle = self._ops.begin(partition, OTA_WITH_SEQUENTIAL_WRITES)
        except EspError as error:
            self._log.error(_TAG, f"esp_ota_begin failed ({esp_err_to_name(error.code)})")
            self._fatal()
        self._log.info(_TAG, "esp_ota_begin succeeded")
        return handle

    def _stack_behind(self, config: HttpConfig) -> bytes:
        """What %s runs on into where the version of the new image does not end."""
        url = config.url.encode("utf-8", "surrogateescape") if self._example.options.url is None else b""
        return _STACK + url + b"\0"

    def _version_in(self, offset: int) -> bytes | None:
        """esp_app_desc_t.version of the image at that offset, all 32 bytes."""
        data = self._example.machine.flash.read(offset + _APP_DESC_AT, AppDesc.SIZE)
        if int.from_bytes(data[:4], "little") != AppDesc.MAGIC:
            return None
        return data[_VERSION_AT : _VERSION_AT + _VERSION_SIZE]

    def _refuse_invalid(self, version: str) -> NoReturn:
        self._log.warn(_TAG, "New version is the same as invalid version.")
        tried = f"Previously, there was an attempt to launch the firmware with {version} version, but it failed."
        self._log.warn(_TAG, tried)
        self._log.warn(_TAG, "The firmware has been rolled back to the previous version.")
        self._wait_for_another()

    def _wait_for_another(self) -> NoReturn:
        """http_cleanup and infinite_loop. Only real time can be waited for here: nothing else ever comes."""
        if self._client is not None:
            self._client.close()
        self._log.info(_TAG, "When a new firmware is available on the server, press the reset button to download it")
        supply, count = self._example.machine.supply, 0
        while True:
            count += 1
            self._log.info(_TAG, f"Waiting for a new firmware ... {count}")
            with supply.idling():
                supply.sleep(2)

    def _finish(self, handle: OtaHandle | None) -> NoReturn:
        try:
            if handle is None:  # not a byte came
                raise EspError(EspErr.ESP_ERR_NOT_FOUND)
            self._ops.end(handle)
        except EspError as error:
            if error.code == EspErr.ESP_ERR_OTA_VALIDATE_FAILED:
                self._log.error(_TAG, "Image validation failed, image is corrupted")
            else:
                self._log.error(_TAG, f"esp_ota_end failed ({esp_err_to_name(error.code)})!")
            self._fatal()
        try:
            self._ops.set_boot_partition(handle.partition)
        except EspError as error:
            self._log.error(_TAG, f"esp_ota_set_boot_partition failed ({esp_err_to_name(error.code)})!")
            self._fatal()
        self._log.info(_TAG, "Prepare to restart system!")
        self._example.machine.restart(ResetReason.SW_CPU)

    def _fatal(self) -> NoReturn:
        """http_cleanup and task_fatal_error."""
        if self._client is not None:
            self._client.close()
        self._example.given_up()
        self._log.error(_TAG, "Exiting task due to fatal error...")
        self._example.delete_task()


def _as_c_string(description: bytes) -> str:
    """The version as printf's %s prints it, up to the first NUL wherever that is."""
    return _text(description[_VERSION_AT:])


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")
