"""How esp_https_ota asks: for which range, and what it makes of an answer's status before it reads an image.

Source: components/esp_https_ota/src/esp_https_ota.c (esp_https_ota_begin, _http_connect, _http_handle_response_code,
the end of esp_https_ota_perform), v4.4 to v6.0.
"""

from __future__ import annotations

from bench.images import Defect
from bench.virtual.idf.err import EspErr, EspError, esp_err_to_name
from bench.virtual.idf.http_client import REDIRECTS, HttpClient
from bench.virtual.log import Log

__all__ = ["OtaHttp"]

_TAG = "esp_https_ota"
_MAX_AUTH_RETRIES = 10


class OtaHttp:
    """The asking side of one update.

    Args:
        max_request: bytes that a request of a partial download asks for, None without
        resumes: `ota_resumption`
    """

    def __init__(self, client: HttpClient, log: Log, max_request: int | None, *, resumes: bool) -> None:
        self._client = client
        self._defect = client.defect
        self._log = log
        self._max_request = max_request
        self._resumes = resumes
        self._since_v6 = log.release.at_least(6)
        self._auth_retries = _MAX_AUTH_RETRIES

    def begin(self, start: int, length: int) -> int:
        """Ask for the first bytes from `start` on, or for all of them where the server has no such range.

        Args:
            start: bytes that were written already
            length: of the image, where it is known

        Returns:
            where the answer begins: `start`, or 0 where that range could not be had

        Raises:
            EspError: as `connect`, after the line that it failed
        """
        self._ask_from(start, length)
        try:
            try:
                self.connect()
            except EspError as error:
                again = self._resumes if self._since_v6 else start > 0
                if self._defect is Defect.RESUME_WITHOUT_FALLBACK:
                    again = False
                if error.code != EspErr.ESP_ERR_HTTP_RANGE_NOT_SATISFIABLE or not again:
                    raise
                self._fall_back(error.code, length)
                start = 0
                self.connect()
        except EspError as error:
            if error.code != EspErr.ESP_ERR_HTTP_NOT_MODIFIED:
                self._log.error(_TAG, "Failed to establish HTTP connection")
            raise
        return start

    def _ask_from(self, start: int, length: int) -> None:
        if self._max_request is None:
            if self._resumes and (start or (self._since_v6 and self._defect is not Defect.RESUME_UNASKED)):
                self._client.set_header("Range", f"bytes={start}-")
            return
        end = start + self._max_request - 1 if length > self._max_request + start else length
        if end - start < length or self._defect is Defect.RANGE_ALWAYS:
            self._client.set_header("Range", f"bytes={start}-{end}")

    def _fall_back(self, code: int, length: int) -> None:
        if self._since_v6:
            self._log.error(_TAG, f"OTA resumption failed with err: {code}.")
            fallback = "Falling back to OTA without resumption and restarting download from beginning"
            self._log.info(_TAG, fallback)
            self._resumes = False
        else:
            self._log.error(_TAG, f"OTA resumption failed with err: {code}")
            self._log.info(_TAG, "Restarting download from beginning")
        self._client.delete_header("Range")
        if self._max_request is not None and length > self._max_request:
            self._client.set_header("Range", f"bytes=0-{self._max_request - 1}")
        if self._since_v6:  # before, what is left of the refusal is taken for the image's first bytes
            self._client.close()
            self._client.clear_response()

    def ask_for_length(self) -> int:
        """The HEAD request of a partial download.

        Returns:
            bytes of the file; -1 where the server does not tell, until v5.5

        Raises:
            EspError: there is no such file; the reason is logged
        """
        client = self._client
        status = self._perform("HEAD")
        if status != 200 and self._defect is not Defect.HEAD_IGNORED:
            if not self._since_v6 or self._defect is Defect.HEAD_ONLY:
                self._log.error(_TAG, f"Received incorrect http status {status}")
                raise EspError(EspErr.ESP_FAIL)
            client.set_header("Range", "bytes=0-0")
            status = self._perform("GET")
            if status not in (200, 206):
                self._log.error(_TAG, f"Received incorrect http status {status}")
                raise EspError(EspErr.ESP_FAIL)
            client.delete_header("Range")
        length = client.content_range if status == 206 else client.content_length
        if length == -1 and self._since_v6:
            self._log.error(_TAG, "Failed to get image length from http response")
            raise EspError(EspErr.ESP_FAIL)
        client.close()
        client.method = "GET"
        return length

    def _perform(self, method: str) -> int:
        self._client.method = method
        try:
            self._client.perform()
        except EspError as error:
            self._log.error(_TAG, f"ESP HTTP client perform failed: {error.code}")
            raise
        return self._client.status_code

    def ask_for_more(self, start: int, left: int) -> None:
        """The next range of a partial download, on a new connection; since v6.0 on the old one where it may be kept.

        Raises:
            EspError: ESP_FAIL, after the line that it failed
        """
        client = self._client
        assert self._max_request is not None
        keeps = self._since_v6 and self._defect is not Defect.CONNECTION_NOT_KEPT
        if not (keeps and client.keeps_alive):
            client.close()
        end = f"{start + self._max_request - 1}" if left > self._max_request else ""
        client.set_header("Range", f"bytes={start}-{end}")
        try:
            self.connect(more=keeps)
            if self._defect is Defect.RANGE_TWICE:
                client.close()
                self.connect()
        except EspError as error:
            self._log.error(_TAG, "Failed to establish HTTP connection")
            raise EspError(EspErr.ESP_FAIL) from error

    def connect(self, *, more: bool = False) -> None:
        """Ask until the answer is neither a redirection nor a demand for credentials (_http_connect).

        Args:
            more: a later range, for which a connection that the last answer kept alive is not opened again

        Raises:
            EspError: there is no answer, or one that holds no image; the reason is logged
        """
        client = self._client
        while True:
            try:
                if more and client.keeps_alive:
                    client.ask_again()
                else:
                    client.open()
            except EspError as error:
                self._log.error(_TAG, f"Failed to open HTTP connection: {esp_err_to_name(error.code)}")
                raise
            client.fetch_headers()
            status = client.status_code
            if self._defect is Defect.ANY_STATUS:
                return
            self._handle(status)
            if status not in (*REDIRECTS, 401):
                return
            client.flush_response()

    def _handle(self, status: int) -> None:
        """_http_handle_response_code."""
        log = self._log
        if self._lacks(status):
            raise EspError(EspErr.ESP_FAIL)
        if status in REDIRECTS:
            self._redirect()
        elif status == 304 and log.has("OTA image not modified since last request"):
            log.info(_TAG, f"OTA image not modified since last request (status code: {status})")
            raise EspError(EspErr.ESP_ERR_HTTP_NOT_MODIFIED)
        elif status == 416 and log.has("Requested range is incorrect"):
            log.info(_TAG, f"Requested range is incorrect (status code: {status})")
            raise EspError(EspErr.ESP_ERR_HTTP_RANGE_NOT_SATISFIABLE)
        elif status == 401:
            self._authorize(status)
        elif status in (403, 404):
            log.error(_TAG, f"File not found({status})")
            raise EspError(EspErr.ESP_FAIL)
        elif status >= 400:
            log.error(_TAG, f"{'Client' if status < 500 else 'Server'} error ({status})")
            raise EspError(EspErr.ESP_FAIL)
        elif self._misses_range(status):
            log.warn(_TAG, "Server ignored the requested Range header")
            log.warn(_TAG, "OTA resumption requires server with range request support.")
            raise EspError(EspErr.ESP_ERR_HTTP_RANGE_NOT_SATISFIABLE)

    def _misses_range(self, status: int) -> bool:
        """Since v6.0: is this the whole file, where the rest of it was asked for?"""
        if self._defect is Defect.RESUME_TRUSTS_200:
            return False
        return self._resumes and self._since_v6 and self._max_request is None and status != 206

    def _lacks(self, status: int) -> bool:
        """Does the answer lack something that only defective firmware asks for?"""
        if self._defect is Defect.REDIRECT_IGNORED:
            return status in REDIRECTS
        if self._defect is Defect.LATER_REDIRECTS_UNKNOWN:
            return status in (307, 308)
        if self._defect is Defect.RANGES_REQUIRED:
            return self._max_request is not None and status == 200
        if self._defect is Defect.LENGTH_REQUIRED:
            return status == 200 and self._client.content_length < 0
        if self._defect is Defect.CONTENT_RANGE_REQUIRED:
            return status == 206 and not self._client.has_asked_range
        return False

    def _redirect(self) -> None:
        try:
            self._client.set_redirection()
        except EspError:
            self._log.error(_TAG, "URL redirection Failed")
            raise

    def _authorize(self, status: int) -> None:
        if self._auth_retries == 0:
            self._log.error(_TAG, f"Reached max_authorization_retries ({status})")
            raise EspError(EspErr.ESP_FAIL)
        self._auth_retries -= self._defect is not Defect.AUTHORIZE_FOR_EVER
        try:
            self._client.add_auth()
        except EspError:
            self._log.error(_TAG, "Authorization Failed")
            raise
