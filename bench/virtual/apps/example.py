"""What the OTA examples have in common: app_main's frame, the URL, and the check of a new image's description."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import NoReturn

from bench.images import AppDesc, Defect
from bench.virtual import panic
from bench.virtual.apps.options import Options
from bench.virtual.idf.err import EspErr, EspError
from bench.virtual.idf.http_client import HttpConfig
from bench.virtual.idf.https_ota import DecryptNotFinished, HttpsOta, HttpsOtaConfig
from bench.virtual.idf.nvs import NvsHandle
from bench.virtual.idf.ota_ops import OtaOps
from bench.virtual.machine import ResetReason
from bench.virtual.running import Running

__all__ = ["Example"]

_URL_LIMIT = 255  # OTA_URL_SIZE less the terminator


class Example:
    """One running OTA example; leaving it, by reset or power loss, closes what it opened on the host.

    Args:
        tag: of its own log lines
    """

    def __init__(self, running: Running, tag: str) -> None:
        self.running = running
        self.machine = running.machine
        self.log = running.log
        self.tag = tag
        self.options = Options.read(running)
        self.ops = OtaOps(running)
        self._returned = False
        self._open = ExitStack()

    def __enter__(self) -> Example:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def begin(self, config: HttpsOtaConfig) -> HttpsOta:
        """esp_https_ota_begin; where it fails the task ends."""
        try:
            ota = HttpsOta(self.running, self.ops, config)
        except EspError:
            self.given_up()
            self.log.error(self.tag, "ESP HTTPS OTA Begin failed")
            self.delete_task()
        self.closes(ota.close)
        return ota

    def nvs_flash_init(self, place: str) -> None:
        """nvs_flash_init in ESP_ERROR_CHECK; the device aborts where the table has no partition for it.

        Args:
            place: of the check in the example, file and line, as of v5.5
        """
        if self.running.table.by_label("nvs") is None:
            panic.error_check_failed(self.running, EspErr.ESP_ERR_NOT_FOUND, place, "err")

    def closes(self, close: Callable[[], None]) -> None:
        """Have something of the host closed when this life ends."""
        self._open.callback(close)

    def app_main_returned(self) -> None:
        """The example's task waits for the first time, so the main task goes on, and ends. Only once."""
        if not self._returned:
            self._returned = True
            self.log.info("main_task", "Returned from app_main()")

    def http_config(self) -> HttpConfig:
        """The client's configuration; where the URL is not compiled in, wait for a line on the console."""
        url = self._url_of_nvs() if self.options.nvs is not None else self.options.url
        if url is None:
            self.app_main_returned()
            url = self.machine.uart.read_line().decode("utf-8", "surrogateescape")[:_URL_LIMIT]
        return HttpConfig(url, self.options.trust, self.options.timeout_ms)

    def _url_of_nvs(self) -> str:
        """nvs_get_str; firmware that finds nothing there tries the empty URL, and fails."""
        namespace, key = self.options.nvs or ("", "")
        return NvsHandle(self.running, namespace).get_str(key) or ""

    def validate_image_header(self, new: AppDesc) -> None:
        """validate_image_header of the examples: not the same version, and no lower secure version.

        Raises:
            EspError: ESP_FAIL, after the line that says why
        """
        present = self.ops.description_of(self.running.partition)
        self.log.info(self.tag, f"Running firmware version: {present.version}")
        same = "Current running version is the same as a new. We will not continue the update."
        if self.log.has(same) and self._is_the_same(new, present):
            self.log.warn(self.tag, same)
            raise EspError(EspErr.ESP_FAIL)
        lower = "New firmware security version is less than eFuse programmed, "
        if self.log.has(lower):
            programmed = self.ops.secure_version.read()
            equal = new.secure_version == programmed and self.running.defect is Defect.EQUAL_SECURE_VERSION_REFUSED
            if new.secure_version < programmed or equal:
                self.log.warn(self.tag, f"{lower}{new.secure_version} < {programmed}")
                raise EspError(EspErr.ESP_FAIL)

    def _is_the_same(self, new: AppDesc, present: AppDesc) -> bool:
        if self.running.defect is Defect.VERSION_BY_BUILD:
            return (new.version, new.date, new.time) == (present.version, present.date, present.time)
        if self.running.defect is Defect.OLDER_REFUSED:
            return new.version <= present.version
        return new.version == present.version and self.running.defect is not Defect.VERSION_CHECK_LOST

    def perform(self, ota: HttpsOta, saved: Callable[[int], None] | None = None) -> bool:
        """Call esp_https_ota_perform until it is done; False where it failed.

        Args:
            saved: is told after each call how many bytes of the image are written
        """
        read = self.log.has("Image bytes read: %d")
        try:
            while ota.perform():
                if read:
                    self.log.debug(self.tag, f"Image bytes read: {ota.binary_file_len}")
                if saved is not None:
                    saved(ota.binary_file_len)
        except (EspError, DecryptNotFinished):
            return False
        return True

    def finish(self, ota: HttpsOta, performed: bool) -> NoReturn:
        """esp_https_ota_finish, and then either restart or the end of the task."""
        code = int(EspErr.ESP_OK)
        try:
            ota.finish()
        except EspError as error:
            code = error.code
        if (performed and code == EspErr.ESP_OK) or self.running.defect is Defect.SUCCESS_WHATEVER_HAPPENED:
            self.log.info(self.tag, "ESP_HTTPS_OTA upgrade successful. Rebooting ...")
            self.machine.clock.sleep(1000)
            self.machine.restart(ResetReason.SW_CPU)
        self.given_up()
        if code == EspErr.ESP_ERR_OTA_VALIDATE_FAILED:
            self.log.error(self.tag, "Image validation failed, image is corrupted")
        self.log.error(self.tag, f"ESP_HTTPS_OTA upgrade failed 0x{code & 0xFFFF_FFFF:x}")
        self.delete_task()

    def abort(self, ota: HttpsOta) -> NoReturn:
        """esp_https_ota_abort and the end of the task."""
        ota.abort()
        self.given_up()
        if self.running.defect is not Defect.SILENT_FAILURE:
            self.log.error(self.tag, "ESP_HTTPS_OTA upgrade failed")
        self.delete_task()

    def delete_task(self) -> NoReturn:
        """vTaskDelete(NULL): nothing is left to run."""
        self.app_main_returned()
        self.machine.idle()

    def given_up(self) -> None:
        """An attempt has failed, and is about to be told so. Sound firmware does nothing here."""
        if self.running.defect is Defect.FORGET_ON_FAILURE:
            self.ops.forget()
