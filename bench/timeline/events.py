"""The steps of an over-the-air update: the `ESP_HTTPS_OTA_*` events with their typed payloads.

Names, order and payloads: `esp_https_ota_event_t` in components/esp_https_ota/include/esp_https_ota.h and the
event table of docs/en/api-reference/system/esp_https_ota.rst. A step by itself allows any payload; called, it
wants that one: ``UPDATE_BOOT_PARTITION(slot="ota_1")``.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.timeline.entries import Entry
from bench.timeline.matchers import Matcher

__all__ = [
    "ABORT",
    "CONNECTED",
    "DECRYPT_CB",
    "FINISH",
    "GET_IMG_DESC",
    "START",
    "UPDATE_BOOT_PARTITION",
    "VERIFY_CHIP_ID",
    "VERIFY_CHIP_REVISION",
    "WRITE_FLASH",
    "BootPartitionStep",
    "ChipIdStep",
    "ChipRevisionStep",
    "EventStep",
    "WriteFlashStep",
    "slot_of_subtype",
    "subtype_of_slot",
]

_PREFIX = "ESP_HTTPS_OTA_"
_FACTORY = 0x00  # ESP_PARTITION_SUBTYPE_APP_FACTORY in components/esp_partition/include/esp_partition.h
_OTA_0 = 0x10  # ESP_PARTITION_SUBTYPE_APP_OTA_MIN
_TEST = 0x20  # ESP_PARTITION_SUBTYPE_APP_TEST


def subtype_of_slot(slot: str) -> int:
    """Partition subtype of the application slot named as in the stock tables: factory, test, ota_0 ... ota_15."""
    if slot == "factory":
        return _FACTORY
    if slot == "test":
        return _TEST
    number = slot.removeprefix("ota_")
    if slot != number and number.isdecimal() and int(number) < 16:
        return _OTA_0 + int(number)
    raise ValueError(f"{slot!r} is no application slot: factory, test, ota_0 ... ota_15")


def slot_of_subtype(subtype: int) -> str | None:
    """The stock name of the slot with this partition subtype; None for what is no application slot."""
    if _OTA_0 <= subtype < _OTA_0 + 16:
        return f"ota_{subtype - _OTA_0}"
    return {_FACTORY: "factory", _TEST: "test"}.get(subtype)


@dataclass(frozen=True)
class EventStep(Matcher):
    """One event of the update.

    Attributes:
        event: name as ESP-IDF spells it, ``"ESP_HTTPS_OTA_START"``
        payload: the payload it must have; None allows any
    """

    event: str
    payload: int | None = None

    def matches(self, entry: Entry) -> bool:
        """Is it this event, with the payload wanted?"""
        return (
            entry.kind == "event"
            and entry.get("name") == self.event
            and (self.payload is None or entry.get("payload") == self.payload)
        )

    def __str__(self) -> str:
        name = self.event.removeprefix(_PREFIX)
        return name if self.payload is None else f"{name}({self._told(self.payload)})"

    def _told(self, payload: int) -> str:
        return str(payload)


@dataclass(frozen=True)
class ChipIdStep(EventStep):
    """`ESP_HTTPS_OTA_VERIFY_CHIP_ID`; its payload is the chip id in the header of the new image."""

    def __call__(self, chip_id: int) -> ChipIdStep:
        """The step for an image of this chip (`esp_chip_id_t`)."""
        return ChipIdStep(self.event, chip_id)


@dataclass(frozen=True)
class ChipRevisionStep(EventStep):
    """`ESP_HTTPS_OTA_VERIFY_CHIP_REVISION` (since v5.5); its payload is the least revision the new image asks for."""

    def __call__(self, revision: int) -> ChipRevisionStep:
        """The step for an image that asks for this revision, as major * 100 + minor."""
        return ChipRevisionStep(self.event, revision)


@dataclass(frozen=True)
class WriteFlashStep(EventStep):
    """`ESP_HTTPS_OTA_WRITE_FLASH`; its payload is the number of bytes written so far, in all."""

    def __call__(self, written: int) -> WriteFlashStep:
        """The step at exactly this many bytes."""
        return WriteFlashStep(self.event, written)


@dataclass(frozen=True)
class BootPartitionStep(EventStep):
    """`ESP_HTTPS_OTA_UPDATE_BOOT_PARTITION`; its payload is the subtype of the partition to boot next."""

    def __call__(self, *, slot: str | None = None, subtype: int | None = None) -> BootPartitionStep:
        """The step to this slot, by its stock name or by its partition subtype; one of the two."""
        if (slot is None) == (subtype is None):
            raise TypeError("UPDATE_BOOT_PARTITION takes a slot or a subtype")
        wanted = subtype_of_slot(slot) if slot is not None else subtype
        return BootPartitionStep(self.event, wanted)

    def _told(self, payload: int) -> str:
        return f"slot={slot_of_subtype(payload) or hex(payload)}"


START = EventStep(_PREFIX + "START")
CONNECTED = EventStep(_PREFIX + "CONNECTED")
GET_IMG_DESC = EventStep(_PREFIX + "GET_IMG_DESC")
VERIFY_CHIP_ID = ChipIdStep(_PREFIX + "VERIFY_CHIP_ID")
VERIFY_CHIP_REVISION = ChipRevisionStep(_PREFIX + "VERIFY_CHIP_REVISION")
DECRYPT_CB = EventStep(_PREFIX + "DECRYPT_CB")
WRITE_FLASH = WriteFlashStep(_PREFIX + "WRITE_FLASH")
UPDATE_BOOT_PARTITION = BootPartitionStep(_PREFIX + "UPDATE_BOOT_PARTITION")
FINISH = EventStep(_PREFIX + "FINISH")
ABORT = EventStep(_PREFIX + "ABORT")
