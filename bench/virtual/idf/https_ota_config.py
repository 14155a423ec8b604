"""What esp_https_ota is told, and what it tells: configuration and events.

Source: components/esp_https_ota/include/esp_https_ota.h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from bench.virtual.idf.http_client import HttpConfig

__all__ = ["DecryptNotFinished", "HttpsOtaConfig", "OtaEvent"]


class OtaEvent(Enum):
    """esp_https_ota_event_t."""

    START = auto()
    CONNECTED = auto()
    GET_IMG_DESC = auto()
    VERIFY_CHIP_ID = auto()
    VERIFY_CHIP_REVISION = auto()
    DECRYPT_CB = auto()
    WRITE_FLASH = auto()
    UPDATE_BOOT_PARTITION = auto()
    FINISH = auto()
    ABORT = auto()


class DecryptNotFinished(Exception):
    """The decryption took its bytes and has none to give yet."""


@dataclass(frozen=True)
class HttpsOtaConfig:
    """esp_https_ota_config_t.

    Args:
        http: of the client
        handler: is told each event and its payload, None where it has none
        max_request: bytes a request asks for (`partial_http_download`), or None to ask for all at once
        decrypt: decrypt callback of a pre-encrypted image: bytes in, bytes out; raises `EspError`
        enc_img_header_size: bytes of the header of a pre-encrypted image
        resume_from: bytes that an earlier attempt wrote (`ota_resumption`), or None to begin afresh
    """

    http: HttpConfig
    handler: Callable[[OtaEvent, int | None], None]
    max_request: int | None = None
    decrypt: Callable[[bytes], bytes] | None = None
    enc_img_header_size: int = 0
    resume_from: int | None = None
