"""How esp_http_client writes a request through its buffer, and what comes of one that does not fit.

Sources: components/esp_http_client/esp_http_client.c (http_client_prepare_first_line, esp_http_client_request_send),
lib/http_header.c (http_header_generate_string).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.virtual.idf.err import EspErr, EspError
from bench.virtual.log import Log

__all__ = ["pieces"]


def pieces(method: str, target: str, headers: Mapping[str, str], log: Log, buffer: int) -> Iterator[str]:
    """The request in the pieces in which it is written.

    What does not fit behind the first line goes into the next buffer, after a line that sounds like a failure. A
    header that fits into no buffer ends the request there and then, and nobody is told; where that is the first
    header, not even the first line is sent.

    Args:
        buffer: its size in bytes

    Raises:
        EspError: ESP_FAIL for a first line that does not fit
    """
    first = f"{method} {target} HTTP/1.1\r\n"
    if _size(first) >= buffer:
        log.error("HTTP_CLIENT", "Out of buffer")
        raise EspError(EspErr.ESP_FAIL)
    left = [f"{name}: {value}\r\n" for name, value in headers.items()]
    while left:
        room, fits = buffer - _size(first) - 3, 0
        while fits < len(left) and _size(left[fits]) <= room:
            room -= _size(left[fits])
            fits += 1
        if fits < len(left):
            log.error("HTTP_HEADER", "Buffer length is small to fit all the headers")
        if not fits:
            return
        text, left = first + "".join(left[:fits]), left[fits:]
        first = ""
        yield text if left else text + "\r\n"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
