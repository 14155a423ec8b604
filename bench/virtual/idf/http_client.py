"""components/esp_http_client: an HTTP/1.1 client in the stream API that esp_https_ota uses.

Source: esp_http_client.c; requests are byte for byte those of the device (order of headers, `Content-Length: 0`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from bench.images import Defect
from bench.virtual.idf.err import EspErr, EspError, esp_err_to_name
from bench.virtual.idf.http_auth import Challenge, basic, digest
from bench.virtual.idf.http_parser import Response, number, parse_url
from bench.virtual.idf.http_request import pieces
from bench.virtual.idf.tls import CLOSED_BY_FIN, TIMEOUT, Transport, Trust
from bench.virtual.running import Running

__all__ = ["REDIRECTS", "HttpClient", "HttpConfig"]

_TAG = "HTTP_CLIENT"
_BUFFER = 512  # DEFAULT_HTTP_BUF_SIZE
_USER_AGENT = "ESP32 HTTP Client/1.0"
_LONG_MAX = 0x7FFF_FFFF
_MAX_REDIRECT = 10
_MAX_AUTH_RETRIES = 10
REDIRECTS = (301, 302, 303, 307, 308)
"""Answers that name another place."""
_PORTS = {"http": 80, "https": 443}
_TRANSLATED = {
    -2: EspErr.ESP_ERR_TCP_TRANSPORT_CONNECTION_FAILED,
    CLOSED_BY_FIN: EspErr.ESP_ERR_TCP_TRANSPORT_CONNECTION_CLOSED_BY_FIN,
}


@dataclass(frozen=True)
class HttpConfig:
    """esp_http_client_config_t, as far as the examples set it."""

    url: str
    trust: Trust
    timeout_ms: int = 5000


class _State(IntEnum):
    INIT = 1
    CONNECTED = 2
    REQ_COMPLETE_HEADER = 3
    RES_ON_DATA_START = 4


class HttpClient:
    """esp_http_client_handle_t.

    Attributes:
        defect: which promise the application breaks

    Raises (on making):
        EspError: the URL is none; the reason is logged
    """

    def __init__(self, running: Running, config: HttpConfig) -> None:
        self._log = running.log
        self._machine = running.machine
        self.defect = running.defect
        self._transport = Transport(running.machine, running.log, config.trust, config.timeout_ms, running.defect)
        self._release = running.release
        self._state = _State.INIT
        self._scheme, self._host, self._port = "http", "", 80
        self._path, self._query = "/", ""
        self._headers: dict[str, str] = {}
        self._response = Response()
        self._endless = False
        self._process = 0
        self._cached = b""
        self._redirects = 0
        self._user: str | None = None
        self._password: str | None = None
        self._scheme_of_auth = ""
        self._challenge: Challenge | None = None
        self.method = "GET"
        self.errno = 0
        try:
            self.set_url(config.url)
        except EspError:
            self._log.error(_TAG, "Failed to set URL")
            raise
        default = self._port in _PORTS.values()
        self._headers["User-Agent"] = _USER_AGENT
        self._headers["Host"] = self._host if default else f"{self._host}:{self._port}"

    # -- the request

    def set_url(self, url: str) -> None:
        """esp_http_client_set_url: another host or port closes the connection."""
        parsed = parse_url(url)
        if parsed is None:
            self._log.error(_TAG, f"Error parse url {url}")
            raise EspError(EspErr.ESP_ERR_INVALID_ARG)
        old_host, old_port = self._host, self._port
        if parsed.host:
            self._host = parsed.host
        if old_host and old_host.lower() != self._host.lower():
            self._headers["Host"] = self._host
            self._cached = b""
            self.close()
        if parsed.scheme:
            self._scheme = parsed.scheme.lower()
            self._port = _PORTS.get(self._scheme, self._port)
        if parsed.port:
            self._port = parsed.port
        if old_port != self._port:
            self._cached = b""
            self.close()
        if parsed.username:
            self._user = parsed.username
            self._password = parsed.password or self._password
        self._path, self._query = parsed.path or "/", parsed.query if self.defect is not Defect.QUERY_DROPPED else ""

    def set_header(self, name: str, value: str) -> None:
        """esp_http_client_set_header: a header that is there keeps its place."""
        self._headers[name] = value

    def delete_header(self, name: str) -> None:
        """esp_http_client_delete_header."""
        self._headers.pop(name, None)

    def open(self) -> None:
        """esp_http_client_open: connect where needed, and send the request.

        Raises:
            EspError: ESP_ERR_HTTP_CONNECT, …_INVALID_TRANSPORT, …_WRITE_DATA, or ESP_FAIL for a request that is
                too long
        """
        self._prepare()
        self._connect()
        self._send_request()

    def ask_again(self) -> None:
        """esp_http_client_prepare and esp_http_client_request_send: on the connection that is there, or on none.

        Raises:
            EspError: ESP_ERR_HTTP_WRITE_DATA, or ESP_FAIL for a request that is too long
        """
        self._prepare()
        self._send_request()

    def _prepare(self) -> None:
        """esp_http_client_prepare."""
        self._response = Response(self.method == "HEAD", self.defect is Defect.CHUNKS_AS_CONTENT)
        self._process = 0
        self._authorize()

    def _connect(self) -> None:
        """esp_http_client_connect: in v6.0 and v6.0.1 also on top of a connection that is there, which stays open."""
        if self._state >= _State.CONNECTED and not (self._release.at_least(6) and self._release.before(6, 0, 2)):
            return
        self._state = _State.INIT
        if self._scheme not in _PORTS or (self._scheme == "http" and self.defect is Defect.HTTP_REFUSED):
            self._log.error(_TAG, "No transport found")
            raise EspError(EspErr.ESP_ERR_HTTP_INVALID_TRANSPORT)
        if not self._transport.connect(self._scheme, self._host, self._port):
            if self.defect is Defect.CONNECT_FOR_EVER:
                self._machine.idle()
            self._log.error(_TAG, "Connection failed, sock < 0")
            raise EspError(EspErr.ESP_ERR_HTTP_CONNECT)
        self._state = _State.CONNECTED

    def _send_request(self) -> None:
        if self._release.before(5, 4):  # since then http_client_prepare_first_line leaves it out
            self._headers["Content-Length"] = "0"
        target = f"{self._path}?{self._query}" if self._query else self._path
        room = 2 * _BUFFER if self.defect is Defect.LONG_REQUEST else _BUFFER
        for piece in pieces(self.method, target, self._headers, self._log, room):
            if not self._transport.write(piece.encode("utf-8", "surrogateescape")):
                self._log.error(_TAG, "Error write request")
                self.close()
                raise EspError(EspErr.ESP_ERR_HTTP_WRITE_DATA)
        self._state = _State.REQ_COMPLETE_HEADER

    # -- the response

    @property
    def status_code(self) -> int:
        """esp_http_client_get_status_code, -1 before there is one."""
        return self._response.status

    @property
    def content_length(self) -> int:
        """esp_http_client_get_content_length, -1 where none was announced."""
        return self._response.content_length

    @property
    def content_range(self) -> int:
        """esp_http_client_get_content_range: bytes of the whole file, -1 where the answer does not tell."""
        total = self._response.headers.get("content-range", "").rpartition("/")[2]
        if not (total.isascii() and total.isdigit()):
            return -1
        return number(total, _LONG_MAX) or (_LONG_MAX if total.strip("0") else -1)  # strtol

    @property
    def has_asked_range(self) -> bool:
        """Does Content-Range begin with the range that was asked for? Only defective firmware looks."""
        asked = self._headers.get("Range", "").removeprefix("bytes=").rstrip("-")
        return self._response.headers.get("content-range", "").startswith(f"bytes {asked}")

    @property
    def keeps_alive(self) -> bool:
        """esp_http_client_is_persistent_connection."""
        return self._response.keep_alive

    def clear_response(self) -> None:
        """esp_http_client_clear_response_buffer: forget what came behind the headers."""
        self._cached = b""

    def fetch_headers(self) -> None:
        """esp_http_client_fetch_headers.

        Raises:
            EspError: ESP_FAIL, or -ESP_ERR_HTTP_EAGAIN after the line that says so
        """
        if self._state < _State.REQ_COMPLETE_HEADER:
            raise EspError(EspErr.ESP_FAIL)
        while not self._response.has_headers:
            data = self._transport.read(_BUFFER)
            if isinstance(data, int):
                self.errno = self._transport.errno
                if data == TIMEOUT and self.defect is Defect.RETRY_FOR_EVER:
                    continue
                if data == TIMEOUT:
                    self._log.warn(_TAG, "Connection timed out before data was ready!")
                    raise EspError(-EspErr.ESP_ERR_HTTP_EAGAIN)
                raise EspError(EspErr.ESP_FAIL)
            body = self._response.feed(data)
            self._process += len(body)
            self._cached += body
            if self.defect is Defect.SMALL_HEADERS and self._response.header_size > _BUFFER:
                raise EspError(EspErr.ESP_FAIL)
        self._state = _State.RES_ON_DATA_START
        self._endless = self._response.chunked or self.content_length <= 0

    def is_complete_data_received(self) -> bool:
        """esp_http_client_is_complete_data_received."""
        if self.defect is Defect.SHORT_BODY and self._transport.ended:
            return True
        if self.defect is Defect.GOODBYE_REQUIRED and self._transport.read(1) not in (TIMEOUT, CLOSED_BY_FIN):
            return False
        return self._response.complete if self._endless else self._process == self.content_length

    def read(self, length: int, *, again: bool = False) -> bytes | int:
        """esp_http_client_read: up to `length` bytes of the body, b"" at its end.

        Args:
            again: the caller asks again where nothing came in time, see `Clock.wait_limit`

        Returns:
            ESP_FAIL, or -ESP_ERR_HTTP_EAGAIN where nothing came in time, as a number
        """
        out, self._cached = self._cached[:length], self._cached[length:]
        while len(out) < length:
            if self._response.complete if self._endless else self._process >= self.content_length:
                break
            data = self._transport.read(length - len(out), again=again)
            if isinstance(data, int):
                return self._read_failed(data, out)
            body = self._response.feed(data)
            self._process += len(body)
            out = out + body if out else body
        return out

    def _read_failed(self, code: int, out: bytes) -> bytes | int:
        self.errno = self._transport.errno
        if code == CLOSED_BY_FIN and self._endless:
            if self.errno or self._release.at_least(5, 5):
                self._response.finish()
        elif self.errno:
            self._log.warn(_TAG, f"esp_transport_read returned:{code} and errno:{self.errno} ")
        if code == TIMEOUT:
            return out or -EspErr.ESP_ERR_HTTP_EAGAIN
        if code != CLOSED_BY_FIN:
            error = _TRANSLATED.get(code, EspErr.ESP_FAIL)
            self._log.error(_TAG, f"transport_read: error - {int(error)} | {esp_err_to_name(error)}")
        if not out and not self.is_complete_data_received():
            return int(EspErr.ESP_FAIL)
        return out

    def flush_response(self) -> None:
        """Read the rest of the body in pieces of 256 bytes, as esp_https_ota does before it asks again."""
        while self._state is _State.RES_ON_DATA_START:
            data = self.read(256)
            if isinstance(data, int) or not data:
                return

    # -- redirections and authentication

    def set_redirection(self) -> None:
        """esp_http_client_set_redirection.

        Raises:
            EspError: there is no Location, or it is no URL
        """
        location = self._response.headers.get("location")
        if location is None and self.defect is Defect.REDIRECT_TO_ITSELF:
            return
        if location is None:
            raise EspError(EspErr.ESP_ERR_INVALID_ARG)
        if self.defect is Defect.BARE_NAME_TAKEN and parse_url(location) is None:
            location = f"/{location}"
        if self._log.has("HTTPS origin can only redirect to") and self._scheme == "https":
            target = parse_url(location)
            if target is not None and target.scheme and target.scheme != "https":
                self._log.error(_TAG, "HTTPS origin can only redirect to https:// targets")
                raise EspError(EspErr.ESP_ERR_INVALID_ARG)
        if self.defect is Defect.REDIRECT_RECONNECTS:
            self.close()
        self.set_url(location)
        self._redirects += 1
        if self.defect is Defect.ONE_REDIRECT and self._redirects > 1:
            raise EspError(EspErr.ESP_FAIL)

    def add_auth(self) -> bool:
        """esp_http_client_add_auth; credentials come with the URL, if at all.

        Returns:
            whether to ask again (process_again); until v5.4 that is all that comes of a challenge not understood

        Raises:
            EspError: since v5.5, ESP_ERR_NOT_SUPPORTED or ESP_FAIL
        """
        code = EspErr.ESP_ERR_NOT_SUPPORTED
        if self._redirects >= _MAX_AUTH_RETRIES:
            self._log.error(_TAG, f"Error, reached max_authorization_retries count={self._redirects}")
            code = EspErr.ESP_FAIL
        elif (header := self._response.headers.get("www-authenticate")) is None:
            self._log.warn(
                _TAG, "This request requires authentication, but does not provide header information for that"
            )
        elif self._takes(header.strip()):
            self._redirects += 1
            return True
        else:
            self._redirects += 1
            self._log.error(_TAG, f"This authentication method is not supported: {header.strip()}")
        if self._release.at_least(5, 5):
            raise EspError(code)
        return False

    def _takes(self, header: str) -> bool:
        """Note how the next request is to be authorized; False for a way that is not compiled in."""
        self._scheme_of_auth = ""
        for scheme, always in (("Digest", self._release.before(5, 0)), ("Basic", False)):
            option = f"CONFIG_ESP_HTTP_CLIENT_ENABLE_{scheme.upper()}_AUTH=y"
            if header.startswith(scheme) and (always or self._log.has(option)):
                self._scheme_of_auth, self._challenge = scheme, Challenge.parse(header)
                return True
        return False

    def _authorize(self) -> None:
        """esp_http_client_prepare: where there is a user, and a challenge was understood."""
        if self._user is None or self.defect is Defect.CREDENTIALS_WITHHELD:
            return
        if self.defect is Defect.CREDENTIALS_TOLD:
            self._log.raw(f"{self._user}:{self._password}\n")
        answer = None
        if self._scheme_of_auth == "Basic":
            answer = basic(self._user, self._password)
        elif self._scheme_of_auth == "Digest" and self._challenge is not None:
            # up to v5.2 without the query
            uri = f"{self._path}?{self._query}" if self._query and self._release.at_least(5, 3) else self._path
            answer = digest(self._challenge, self._user, self._password, (self.method, uri), self._release)
        if answer is not None:
            self._headers["Authorization"] = answer

    # -- the whole of a request

    def perform(self) -> None:
        """esp_http_client_perform: request, headers, redirections, credentials, and the body dropped.

        Raises:
            EspError: as `open` and `add_auth`; ESP_ERR_HTTP_FETCH_HEADER, …_MAX_REDIRECT
        """
        while True:
            self._prepare()
            if self._state < _State.CONNECTED:
                self._connect()
            self._send_request()
            try:
                self.fetch_headers()
            except EspError as error:
                if error.code == -EspErr.ESP_ERR_HTTP_EAGAIN:
                    raise EspError(EspErr.ESP_ERR_HTTP_EAGAIN) from error
                raise EspError(EspErr.ESP_ERR_HTTP_FETCH_HEADER) from error
            again = self._check_response()
            if self.method != "HEAD":
                self.flush_response()
            self._cached = b""
            if not self._response.keep_alive:
                self.close()
            if not again:
                return

    def _check_response(self) -> bool:
        status = self.status_code
        if 200 <= status < 300:
            return False
        if self._redirects >= _MAX_REDIRECT:
            self._log.error(_TAG, f"Error, reach max_redirection_count count={self._redirects}")
            self._log.error(_TAG, "Error response")
            raise EspError(EspErr.ESP_ERR_HTTP_MAX_REDIRECT)
        if status in REDIRECTS:
            try:
                self.set_redirection()
            except EspError as error:
                self._log.error(_TAG, "Error response")
                raise EspError(EspErr.ESP_FAIL) from error
            return True
        if status == 401:
            try:
                return self.add_auth()
            except EspError:
                self._log.error(_TAG, "Error response")
                raise
        return False

    def close(self) -> None:
        """esp_http_client_close."""
        self._state = _State.INIT
        self._transport.close()
