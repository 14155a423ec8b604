"""The names that ESP-IDF gives to partition types, subtypes and flags (partition_table/gen_esp32part.py)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "APP",
    "BOOTLOADER",
    "DATA",
    "FLAGS",
    "MAX_OTA_SLOTS",
    "OTA_SUBTYPE_0",
    "PARTITION_TABLE",
    "SUBTYPES",
    "TYPES",
    "subtype_name",
    "type_name",
]

APP = 0x00
DATA = 0x01
BOOTLOADER = 0x02  # from ESP-IDF v5.4 on
PARTITION_TABLE = 0x03  # from ESP-IDF v5.4 on

OTA_SUBTYPE_0 = 0x10  # subtype of app slot ota_0; ota_N is OTA_SUBTYPE_0 + N
MAX_OTA_SLOTS = 16

TYPES: Mapping[str, int] = MappingProxyType(
    {"app": APP, "data": DATA, "bootloader": BOOTLOADER, "partition_table": PARTITION_TABLE}
)

SUBTYPES: Mapping[int, Mapping[str, int]] = MappingProxyType(
    {
        APP: MappingProxyType(
            {"factory": 0x00, "test": 0x20}
            | {f"ota_{slot}": OTA_SUBTYPE_0 + slot for slot in range(MAX_OTA_SLOTS)}
            | {"tee_0": 0x30, "tee_1": 0x31}
        ),
        DATA: MappingProxyType(
            {
                "ota": 0x00,
                "phy": 0x01,
                "nvs": 0x02,
                "coredump": 0x03,
                "nvs_keys": 0x04,
                "efuse": 0x05,
                "undefined": 0x06,
                "esphttpd": 0x80,
                "fat": 0x81,
                "spiffs": 0x82,
                "littlefs": 0x83,
                "tee_ota": 0x90,
            }
        ),
        BOOTLOADER: MappingProxyType({"primary": 0x00, "ota": 0x01, "recovery": 0x02}),
        PARTITION_TABLE: MappingProxyType({"primary": 0x00, "ota": 0x01}),
    }
)

FLAGS: Mapping[str, int] = MappingProxyType({"encrypted": 1 << 0, "readonly": 1 << 1})


def type_name(type_: int) -> str:
    """`app`, `data` …, or the number in decimal where ESP-IDF has no name for it."""
    return next((name for name, value in TYPES.items() if value == type_), str(type_))


def subtype_name(type_: int, subtype: int) -> str:
    """`factory`, `ota_0`, `nvs` …, or the number in decimal where ESP-IDF has no name for it."""
    names = SUBTYPES.get(type_, {})
    return next((name for name, value in names.items() if value == subtype), str(subtype))
