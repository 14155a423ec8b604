"""components/esp_https_ota: download an image over HTTP(S) into the next slot, and switch to it.

Source: esp_https_ota.c. Events are posted where the device posts them; the event task has a higher priority than
the application's, so a handler has printed its line before the call that posted the event goes on.
"""

from __future__ import annotations

from enum import Enum, auto

from bench.errors import FormatError
from bench.flash.partition import Partition
from bench.images import AppDesc, Defect
from bench.images.header import ImageHeader, revision_text
from bench.virtual.idf.err import EspErr, EspError, esp_err_to_name
from bench.virtual.idf.http_client import HttpClient
from bench.virtual.idf.https_ota_config import DecryptNotFinished, HttpsOtaConfig, OtaEvent
from bench.virtual.idf.https_ota_http import OtaHttp
from bench.virtual.idf.ota_ops import OTA_WITH_SEQUENTIAL_WRITES, OtaHandle, OtaOps
from bench.virtual.running import Running

__all__ = ["DecryptNotFinished", "HttpsOta", "HttpsOtaConfig", "OtaEvent"]

_TAG = "esp_https_ota"
_HEADER_SIZE = 1024  # IMAGE_HEADER_SIZE, and the size of the buffer
_APP_DESC_AT = 24 + 8
_KNOWS_REVISIONS = ("ESP_HTTPS_OTA_VERIFY_CHIP_REVISION", "Verifying chip revision of new image")  # since v5.5
_EAGAIN = -EspErr.ESP_ERR_HTTP_EAGAIN
_NOTHING_CAME = "ESP_ERR_HTTP_EAGAIN invoked: Call timed out before data was ready"


class _State(Enum):
    BEGIN = auto()
    RESUME = auto()
    IN_PROGRESS = auto()
    SUCCESS = auto()


class HttpsOta:
    """esp_https_ota_handle_t; making one is esp_https_ota_begin.

    Raises (on making):
        EspError: it could not be begun, for the reason that is logged
    """

    def __init__(self, running: Running, ops: OtaOps, config: HttpsOtaConfig) -> None:
        self._running = running
        self._log = running.log
        self._ops = ops
        self._config = config
        self._defect = running.defect
        self._state = _State.BEGIN
        self._buffer = b""
        self._handle: OtaHandle | None = None
        self._debug = running.log.has("Written image length %d")
        self.image_length = 0
        self.binary_file_len = 0
        self._post(OtaEvent.START)
        trust = config.http.trust
        if trust.ca_pem is None and not trust.bundle:
            self._log.error(_TAG, "No option for server verification is enabled in esp_http_client config.")
            raise EspError(EspErr.ESP_ERR_INVALID_ARG)
        try:
            self._client = HttpClient(running, config.http)
        except EspError:
            self._log.error(_TAG, "Failed to initialise HTTP connection")
            raise
        self._http = OtaHttp(self._client, self._log, config.max_request, resumes=config.resume_from is not None)
        try:
            self._partition = self._begin()
        except BaseException:  # a reset, too
            self._client.close()
            raise

    def _begin(self) -> Partition:
        config, start = self._config, self._config.resume_from or 0
        if start < _HEADER_SIZE:  # less than a buffer is not worth it
            start = 0
        elif self._log.release.at_least(6):
            self._log.debug(_TAG, f"Resuming OTA from offset: {start}")
        else:
            self._log.info(_TAG, f"Valid OTA resumption case, offset {start}")
        if config.max_request is not None:
            self.image_length = self._http.ask_for_length() - config.enc_img_header_size
        self.binary_file_len = self._http.begin(start, self.image_length)
        if self.binary_file_len:
            self._state = _State.RESUME
        self._post(OtaEvent.CONNECTED)
        if self._config.max_request is None:
            self.image_length = self._client.content_length - self._config.enc_img_header_size
        self._log.info(_TAG, "Starting OTA...")
        partition = self._ops.next_update_partition()
        # Of two wordings the firmware has one compiled in; the later one is that of v5.4.
        if partition is None:
            self._log.error(_TAG, "Passive OTA partition not found")
            self._log.error(
                _TAG, "Given staging partition or another suitable Passive OTA partition could not be found"
            )
            raise EspError(EspErr.ESP_FAIL)
        where = f"at offset 0x{partition.offset:x}"
        self._log.info(_TAG, f"Writing to partition subtype {partition.subtype} {where}")
        self._log.info(_TAG, f"Writing to <{partition.label}> partition {where}")
        return partition

    # -- the image

    def _read_header(self) -> None:
        """Fill the buffer with the first 1024 bytes, however they come."""
        client = self._client
        buffer = b""
        while len(buffer) < _HEADER_SIZE and not client.is_complete_data_received():
            data = client.read(_HEADER_SIZE - len(buffer), again=True)
            if isinstance(data, int):
                if data == _EAGAIN:
                    self._log.debug(_TAG, _NOTHING_CAME)
                    continue
                self._log.error(_TAG, f"Connection closed, errno = {client.errno}")
                break
            buffer += data
        self._buffer = buffer
        if len(buffer) < _HEADER_SIZE and self._defect is not Defect.SHORT_HEADER:
            self._log.error(_TAG, "Complete headers were not received")
            raise EspError(EspErr.ESP_FAIL)
        self.binary_file_len = len(buffer)

    def get_img_desc(self) -> AppDesc:
        """esp_https_ota_get_img_desc.

        Raises:
            EspError: ESP_FAIL, or ESP_ERR_NOT_SUPPORTED for a pre-encrypted image
        """
        self._post(OtaEvent.GET_IMG_DESC)
        if self._config.decrypt is not None:
            raise EspError(EspErr.ESP_ERR_NOT_SUPPORTED)
        if self.binary_file_len >= _APP_DESC_AT + AppDesc.SIZE:  # an earlier attempt wrote it
            where = self._partition.offset + _APP_DESC_AT
            description = self._running.machine.flash.read(where, AppDesc.SIZE)
        else:
            self._read_header()
            description = self._buffer[_APP_DESC_AT : _APP_DESC_AT + AppDesc.SIZE]
        if self._defect is Defect.ANY_DESCRIPTION:
            description = AppDesc("", "").to_bytes()
        try:
            return AppDesc.parse(description)
        except FormatError as error:
            self._log.error(_TAG, "Incorrect app descriptor magic")
            raise EspError(EspErr.ESP_FAIL) from error

    def _verify_header(self, data: bytes) -> None:
        if self._defect is Defect.ANY_CONTENT:
            return
        header = ImageHeader.parse(data[: ImageHeader.SIZE])
        expected = self._running.machine.chip.chip_id
        if self._defect is not Defect.EVENT_LOST:
            told = expected if self._defect is Defect.OWN_CHIP_TOLD else header.chip_id
            self._post(OtaEvent.VERIFY_CHIP_ID, told)
        if header.chip_id != expected and self._defect is not Defect.TRUST_ANY_CHIP:
            self._log.error(_TAG, f"Mismatch chip id, expected {expected}, found {header.chip_id}")
            raise EspError(EspErr.ESP_ERR_INVALID_VERSION)
        if not any(map(self._log.has, _KNOWS_REVISIONS)):
            return
        self._post(OtaEvent.VERIFY_CHIP_REVISION, header.min_chip_rev_full)
        # bootloader_common_check_chip_revision_validity of bootloader_common_loader.c
        machine, blocks = self._running.machine, self._running.machine.efuse.blocks
        found, lowest, highest = blocks.chip_revision, header.min_chip_rev_full, header.max_chip_rev_full
        ignored = machine.chip.name != "esp32" and blocks.get("DISABLE_WAFER_VERSION_MAJOR")
        trusting, required = self._defect is Defect.TRUST_EARLIER_REVISION, None
        if found < lowest and self._defect is not Defect.TRUST_LATER_REVISION:
            required = f">= {revision_text(lowest)}"
        elif highest not in (0, 0xFFFF) and found > highest and not ignored and not trusting:
            required = f"<= {revision_text(highest)}"
        if required is not None:
            message = f"chip revision check failed. Required {required}, found {revision_text(found)}."
            self._log.error("boot_comm", message)
            raise EspError(EspErr.ESP_ERR_INVALID_VERSION)

    def perform(self) -> bool:
        """esp_https_ota_perform: read and write one buffer; True while there is more (…_IN_PROGRESS).

        Raises:
            EspError: the update failed, for the reason that is logged
            DecryptNotFinished: as the device, which then takes the update for failed
        """
        if self._state is _State.BEGIN:
            self._perform_begin()
            return True
        if self._state is _State.RESUME:
            self._perform_resume()
        if self._state is not _State.IN_PROGRESS:
            self._log.error(_TAG, "Invalid ESP HTTPS OTA State")
            raise EspError(EspErr.ESP_FAIL)
        data = self._client.read(_HEADER_SIZE, again=True)
        if isinstance(data, int):
            if data == _EAGAIN and self._defect is not Defect.SILENCE_IS_FATAL:
                self._log.debug(_TAG, _NOTHING_CAME)
                return True
            if self._defect is Defect.PART_ASKED_AGAIN:
                self._http.ask_for_more(self.binary_file_len, self.image_length - self.binary_file_len)
                return True
            self._log.error(_TAG, f"data read {data}, errno {self._client.errno}")
            raise EspError(EspErr.ESP_FAIL)
        if data:
            self._write(self._decrypt(data))
            return True
        if not self._client.is_complete_data_received():
            message = "Connection closed before complete data was received!"
            if not self._log.has(message):  # v4.4
                message = f"Connection closed, errno = {self._client.errno}"
            self._log.error(_TAG, message)
            raise EspError(EspErr.ESP_FAIL)
        self._log.debug(_TAG, "Connection closed")
        if self._config.max_request is None or self.image_length == self.binary_file_len:
            self._state = _State.SUCCESS
            return False
        left = self.image_length - self.binary_file_len - (self._defect is Defect.LAST_RANGE_FORGOTTEN)
        if left > 0:
            header = self._config.enc_img_header_size if self._defect is not Defect.HEADER_NOT_COUNTED else 0
            self._http.ask_for_more(self.binary_file_len + header, left)
            return True
        return False

    def _perform_begin(self) -> None:
        try:
            self._handle = self._ops.begin(self._partition, OTA_WITH_SEQUENTIAL_WRITES)
        except EspError as error:
            self._log.error(_TAG, f"esp_ota_begin failed ({esp_err_to_name(error.code)})")
            raise
        self._state = _State.IN_PROGRESS
        if not self.binary_file_len:
            self._read_header()
        self.binary_file_len = 0
        try:
            data = self._decrypt(self._buffer)
        except (EspError, DecryptNotFinished) as error:
            self._log.error(_TAG, "Decryption of image header failed")
            raise EspError(EspErr.ESP_FAIL) from error
        self._verify_header(data)
        self._write(data)

    def _perform_resume(self) -> None:
        self._log.debug(_TAG, "OTA resumption case")
        try:
            self._handle = self._ops.resume(self._partition, self.binary_file_len)
        except EspError as error:
            self._log.error(_TAG, f"esp_ota_resume failed ({esp_err_to_name(error.code)})")
            raise
        self._state = _State.IN_PROGRESS

    def _decrypt(self, data: bytes) -> bytes:
        if self._config.decrypt is None:
            return data
        self._post(OtaEvent.DECRYPT_CB)
        try:
            plain = self._config.decrypt(data)
        except EspError as error:
            self._log.error(_TAG, f"Decrypt callback failed {error.code}")
            raise
        if not plain:
            raise DecryptNotFinished
        return plain

    def _write(self, data: bytes) -> None:
        assert self._handle is not None
        try:
            self._ops.write(self._handle, data)
        except EspError as error:
            self._log.error(_TAG, f"Error: esp_ota_write failed! err=0x{error.code:x}")
            self._post(OtaEvent.WRITE_FLASH, self.binary_file_len)
            raise
        self.binary_file_len += len(data)
        if self._debug:
            self._log.debug(_TAG, f"Written image length {self.binary_file_len}")
        self._post(OtaEvent.WRITE_FLASH, self.binary_file_len)

    # -- the end

    def is_complete_data_received(self) -> bool:
        """esp_https_ota_is_complete_data_received."""
        if self._config.max_request is not None and self._defect is not Defect.LENGTHLESS_SUCCESS:
            return self.image_length == self.binary_file_len
        return self._client.is_complete_data_received()

    def finish(self) -> None:
        """esp_https_ota_finish: verify and switch; FINISH is posted whatever comes out.

        Raises:
            EspError: as `OtaOps.end` and `OtaOps.set_boot_partition`
        """
        failure: EspError | None = None
        try:
            self._finish()
        except EspError as error:
            failure = error
        self._post(OtaEvent.FINISH)
        if failure is not None:
            raise failure

    def _finish(self) -> None:
        try:
            if self._handle is not None:
                self._ops.end(self._handle)
        finally:
            self._client.close()
        if self._state is not _State.SUCCESS:
            return
        try:
            self._ops.set_boot_partition(self._partition)
        except EspError as error:
            self._log.error(_TAG, f"esp_ota_set_boot_partition failed! err=0x{error.code:x}")
            raise
        told = self._running.partition if self._defect is Defect.WRONG_SLOT_TOLD else self._partition
        self._post(OtaEvent.UPDATE_BOOT_PARTITION, told.subtype)

    def abort(self) -> None:
        """esp_https_ota_abort: let go of everything; what was written stays in the slot."""
        whatever = self._defect is Defect.FINISH_WHATEVER_HAPPENED
        self._post(OtaEvent.FINISH if whatever else OtaEvent.ABORT)
        self.close()

    def close(self) -> None:
        """Close the host's socket, as a reset in mid-update leaves it open."""
        self._client.close()

    def _post(self, event: OtaEvent, payload: int | None = None) -> None:
        self._config.handler(event, payload)
