"""One entry of the partition table: 32 bytes (esp_partition_info_t of ESP-IDF's esp_flash_partitions.h)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from bench.errors import FormatError
from bench.flash.partition_names import APP, MAX_OTA_SLOTS, OTA_SUBTYPE_0, subtype_name, type_name

__all__ = ["ENTRY_SIZE", "LABEL_SIZE", "Partition"]

ENTRY_SIZE = 32
LABEL_SIZE = 16

_ENTRY = struct.Struct("<2sBBLL16sL")
_MAGIC = b"\xaa\x50"
_SUBJECT = "partition table"


@dataclass(frozen=True)
class Partition:
    """One entry of the partition table (esp_partition_info_t).

    Args:
        label: at most 16 bytes in UTF-8
        type: 0 app, 1 data, 0x40..0xFE the user's own
        subtype: meaning depends on the type: `partition_names.SUBTYPES`
        offset: bytes from the start of flash
        size: bytes
        flags: bit 0 encrypted, bit 1 readonly
    """

    label: str
    type: int
    subtype: int
    offset: int
    size: int
    flags: int = 0

    @property
    def end(self) -> int:
        """The first byte after the partition."""
        return self.offset + self.size

    @property
    def is_app(self) -> bool:
        return self.type == APP

    @property
    def ota_slot(self) -> int | None:
        """N for the application slot ota_N, None for every other partition."""
        number = self.subtype - OTA_SUBTYPE_0
        return number if self.type == APP and 0 <= number < MAX_OTA_SLOTS else None

    @property
    def slot_name(self) -> str:
        """The subtype's name as the bench calls slots: `factory`, `ota_0`, `nvs` …"""
        return subtype_name(self.type, self.subtype)

    @property
    def description(self) -> str:
        """`'ota_0' (app, ota_0) at 0x10000`, for messages."""
        return f"{self.label!r} ({type_name(self.type)}, {self.slot_name}) at 0x{self.offset:x}"

    @property
    def encrypted(self) -> bool:
        return bool(self.flags & 1)

    @property
    def readonly(self) -> bool:
        return bool(self.flags & 2)

    def to_bytes(self) -> bytes:
        """The 32-byte entry.

        Raises:
            FormatError: when the label or a number does not fit the entry
        """
        label = self.label.encode()
        if len(label) > LABEL_SIZE or "\0" in self.label:
            raise FormatError(_SUBJECT, 12, f"the label {self.label!r}", f"at most {LABEL_SIZE} bytes and no NUL")
        try:
            return _ENTRY.pack(_MAGIC, self.type, self.subtype, self.offset, self.size, label, self.flags)
        except struct.error as error:
            raise FormatError(_SUBJECT, 2, repr(self), f"numbers that fit the entry ({error})") from error

    @classmethod
    def parse(cls, data: bytes, *, at: int = 0) -> Partition:
        """Read one 32-byte entry that stands `at` bytes into the table.

        Raises:
            FormatError: too short, wrong magic, or a label that is not UTF-8
        """
        if len(data) != ENTRY_SIZE:
            raise FormatError(_SUBJECT, at, f"{len(data)} bytes", f"an entry of {ENTRY_SIZE} bytes")
        magic, type_, subtype, offset, size, raw_label, flags = _ENTRY.unpack(data)
        if magic != _MAGIC:
            raise FormatError(_SUBJECT, at, f"magic {magic.hex(' ')}", f"{_MAGIC.hex(' ')}")
        try:
            label = raw_label.split(b"\0", 1)[0].decode()
        except UnicodeDecodeError as error:
            raise FormatError(_SUBJECT, at + 12, f"label {raw_label!r}", "UTF-8 text") from error
        return cls(label, type_, subtype, offset, size, flags)
