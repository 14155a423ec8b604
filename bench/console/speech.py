"""What the lines of a user's own firmware mean, where it is not one of the stock applications.

A dialect file says so (docs/dialects.md); here it takes effect: beside the events and signs of ESP-IDF's own lines
the reader and the judge see those that the user's lines tell of.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.console.dialects import Sign
from bench.console.items import Event, Noise, Record
from bench.console.patterns import Pattern

__all__ = ["PAYLOADS", "STOCK", "Speech"]

PAYLOADS = {
    "ESP_HTTPS_OTA_VERIFY_CHIP_ID": "chip",
    "ESP_HTTPS_OTA_VERIFY_CHIP_REVISION": "revision",
    "ESP_HTTPS_OTA_WRITE_FLASH": "bytes",
    "ESP_HTTPS_OTA_UPDATE_BOOT_PARTITION": "slot",
}
"""The placeholder that holds an event's payload."""

_SUBTYPES = {"factory": 0x00, "test": 0x20}


@dataclass(frozen=True, slots=True)
class Speech:
    """The lines of one firmware.

    Attributes:
        name: of the project, for lines that have no tag
        tags: of its log records; without any, its lines are bare ones, as printf writes them
        events: event by name, and the line that tells of it
        signs: what else lines mean for an update
        versions: lines that tell the version where ESP-IDF's own banner does not
    """

    name: str = ""
    tags: frozenset[str] = frozenset()
    events: tuple[tuple[str, Pattern], ...] = ()
    signs: tuple[tuple[Sign, Pattern], ...] = ()
    versions: tuple[Pattern, ...] = ()

    @property
    def bare(self) -> bool:
        """Are its lines no log records?"""
        return bool(self.name) and not self.tags

    def own(self, item: Record | Noise) -> str | None:
        """The message, where the item is a line of this firmware."""
        if isinstance(item, Noise):
            return item.text if self.bare else None
        return item.message if item.tag in self.tags else None

    def event_of(self, item: Record | Noise) -> Event | None:
        """The event that a line tells of; None where it tells of none."""
        message = self.own(item)
        if message is None:
            return None
        for name, pattern in self.events:
            values = pattern.match(message)
            if values is not None:
                cut = isinstance(item, Record) and item.cut
                return Event(name, None if cut else _payload(name, values), item.line_no)
        return None

    def sign_of(self, item: Record | Noise) -> Sign | None:
        """What a line says about an update; None for nothing."""
        message = self.own(item)
        if message is None:
            return None
        return next((sign for sign, pattern in self.signs if pattern.match(message) is not None), None)

    def version_in(self, item: Record | Noise) -> str | None:
        """The version that a line tells, if it does."""
        message = self.own(item) if self.versions else None
        if message is None:
            return None
        matches = (pattern.match(message) for pattern in self.versions)
        return next((values["version"] for values in matches if values is not None), None)

    def means(self, item: Record | Noise) -> bool:
        """Does a line say anything of what the firmware does: an event, a sign, its version?"""
        told = (self.event_of(item), self.sign_of(item), self.version_in(item))
        return any(one is not None for one in told)

    def complains(self, record: Record) -> bool:
        """Is it an error that the firmware itself logs? Nothing but a new attempt overcomes one."""
        return record.level == "E" and record.tag in self.tags


STOCK = Speech()
"""Of the stock applications, whose lines the reader knows by itself."""


def _payload(event: str, values: dict[str, str]) -> int | None:
    value = values.get(PAYLOADS.get(event, ""))
    if value is None:
        return None
    if event.endswith("UPDATE_BOOT_PARTITION") and (value in _SUBTYPES or value.startswith("ota_")):
        return _SUBTYPES[value] if value in _SUBTYPES else 0x10 + int(value.removeprefix("ota_"))
    return int(value, 16) if value.startswith("0x") else int(value)
