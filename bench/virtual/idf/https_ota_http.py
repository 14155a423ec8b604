"""How esp_https_ota asks: what it makes of an answer's status before it reads an image.

Source: components/esp_https_ota/src/esp_https_ota.c (_http_connect, _http_handle_response_code).
"""

from __future__ import annotations

from bench.virtual.idf.err import EspErr, EspError, esp_err_to_name
from bench.virtual.idf.http_client import REDIRECTS, HttpClient
from bench.virtual.log import Log

__all__ = ["OtaHttp"]

_TAG = "esp_https_ota"
_MAX_AUTH_RETRIES = 10


class OtaHttp:
    """The asking side of one update."""

    def __init__(self, client: HttpClient, log: Log) -> None:
        self._client = client
        self._log = log
        self._auth_retries = _MAX_AUTH_RETRIES

    def connect(self) -> None:
        """Ask until the answer is neither a redirection nor a demand for credentials (_http_connect).

        Raises:
            EspError: there is no answer, or one that holds no image; the reason is logged
        """
        client = self._client
        while True:
            try:
                client.open()
            except EspError as error:
                self._log.error(_TAG, f"Failed to open HTTP connection: {esp_err_to_name(error.code)}")
                raise
            client.fetch_headers()
            status = client.status_code
            self._handle(status)
            if status not in (*REDIRECTS, 401):
                return
            client.flush_response()

    def _handle(self, status: int) -> None:
        """_http_handle_response_code."""
        log = self._log
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
        self._auth_retries -= 1
        try:
            self._client.add_auth()
        except EspError:
            self._log.error(_TAG, "Authorization Failed")
            raise
