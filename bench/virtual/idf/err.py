"""esp_err_t: the error codes that the modelled components return, and their names.

Sources: components/esp_common/include/esp_err.h and esp_err_to_name.c, and the `ESP_ERR_*` of app_update,
esp_http_client, esp_https_ota, esp-tls, tcp_transport and bootloader_support.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["EspErr", "EspError", "esp_err_to_name"]


class EspErr(IntEnum):
    """esp_err_t values; a member's name is ESP-IDF's."""

    ESP_FAIL = -1
    ESP_OK = 0
    ESP_ERR_NO_MEM = 0x101
    ESP_ERR_INVALID_ARG = 0x102
    ESP_ERR_INVALID_STATE = 0x103
    ESP_ERR_INVALID_SIZE = 0x104
    ESP_ERR_NOT_FOUND = 0x105
    ESP_ERR_NOT_SUPPORTED = 0x106
    ESP_ERR_TIMEOUT = 0x107
    ESP_ERR_INVALID_RESPONSE = 0x108
    ESP_ERR_INVALID_CRC = 0x109
    ESP_ERR_INVALID_VERSION = 0x10A
    ESP_ERR_NOT_FINISHED = 0x10C
    ESP_ERR_OTA_PARTITION_CONFLICT = 0x1501
    ESP_ERR_OTA_SELECT_INFO_INVALID = 0x1502
    ESP_ERR_OTA_VALIDATE_FAILED = 0x1503
    ESP_ERR_OTA_SMALL_SEC_VER = 0x1504
    ESP_ERR_OTA_ROLLBACK_FAILED = 0x1505
    ESP_ERR_OTA_ROLLBACK_INVALID_STATE = 0x1506
    ESP_ERR_IMAGE_INVALID = 0x2002
    ESP_ERR_HTTP_MAX_REDIRECT = 0x7001
    ESP_ERR_HTTP_CONNECT = 0x7002
    ESP_ERR_HTTP_WRITE_DATA = 0x7003
    ESP_ERR_HTTP_FETCH_HEADER = 0x7004
    ESP_ERR_HTTP_INVALID_TRANSPORT = 0x7005
    ESP_ERR_HTTP_CONNECTING = 0x7006
    ESP_ERR_HTTP_EAGAIN = 0x7007
    ESP_ERR_HTTP_CONNECTION_CLOSED = 0x7008
    ESP_ERR_HTTP_NOT_MODIFIED = 0x7009
    ESP_ERR_HTTP_RANGE_NOT_SATISFIABLE = 0x700A
    ESP_ERR_ESP_TLS_CANNOT_RESOLVE_HOSTNAME = 0x8001
    ESP_ERR_ESP_TLS_FAILED_CONNECT_TO_HOST = 0x8004
    ESP_ERR_ESP_TLS_CONNECTION_TIMEOUT = 0x8006
    ESP_ERR_HTTPS_OTA_IN_PROGRESS = 0x9001
    ESP_ERR_TCP_TRANSPORT_CONNECTION_TIMEOUT = 0xE001
    ESP_ERR_TCP_TRANSPORT_CONNECTION_CLOSED_BY_FIN = 0xE002
    ESP_ERR_TCP_TRANSPORT_CONNECTION_FAILED = 0xE003


def esp_err_to_name(code: int) -> str:
    """The name of a code as a device prints it; ``"UNKNOWN ERROR"`` for one it has no name for."""
    try:
        return EspErr(code).name
    except ValueError:
        return "UNKNOWN ERROR"


class EspError(Exception):
    """A function that returns esp_err_t in C returned something other than ESP_OK."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{esp_err_to_name(code)} (0x{code & 0xFFFF_FFFF:x})")
        self.code = code
