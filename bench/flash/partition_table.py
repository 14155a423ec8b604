"""The partition table: 32-byte entries, an MD5 row, an end row, in 0xC00 bytes at 0x8000.

Formats: components/bootloader_support/include/esp_flash_partitions.h (binary),
components/partition_table/gen_esp32part.py (binary and CSV).
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass

from bench.errors import FormatError
from bench.flash.partition import ENTRY_SIZE, Partition
from bench.flash.partition_csv import format_csv, parse_csv
from bench.flash.partition_names import APP, DATA

__all__ = ["ENTRY_SIZE", "TABLE_OFFSET", "TABLE_SIZE", "Partition", "PartitionTable"]

TABLE_OFFSET = 0x8000  # CONFIG_PARTITION_TABLE_OFFSET, unless a build says otherwise
TABLE_SIZE = 0xC00  # ESP_PARTITION_TABLE_MAX_LEN; the rest of the sector is for a signature

_MD5_MAGIC = b"\xeb\xeb"
_MD5_ROW_START = _MD5_MAGIC + b"\xff" * 14
_END_ROW = b"\xff" * ENTRY_SIZE
_SUBJECT = "partition table"


@dataclass(frozen=True)
class PartitionTable:
    """A whole table, in the order of its entries.

    Args:
        partitions: the entries, without the MD5 row and the end row
        md5: whether the table has (and gets) an MD5 row; without one only with CONFIG_PARTITION_TABLE_MD5=n
    """

    partitions: tuple[Partition, ...]
    md5: bool = True

    @classmethod
    def parse(cls, data: bytes, *, flash_size: int | None = None) -> PartitionTable:
        """Read a table as it stands in flash; bytes after the end row are ignored.

        Args:
            data: the table from its first entry on; 0xC00 bytes of it are looked at
            flash_size: when given, every partition must lie within that many bytes

        Raises:
            FormatError: an entry without its magic, an MD5 that does not match, overlap, no end row
        """
        partitions: list[Partition] = []
        md5_at: int | None = None
        for at in range(0, TABLE_SIZE, ENTRY_SIZE):
            row = data[at : at + ENTRY_SIZE]
            if len(row) < ENTRY_SIZE:
                raise FormatError(_SUBJECT, at, f"the end of the data ({len(data)} bytes)", "an end row of 0xff")
            if row == _END_ROW:
                table = cls(tuple(partitions), md5=md5_at is not None)
                table._check(flash_size)
                return table
            if row.startswith(_MD5_MAGIC):
                if md5_at is not None:
                    raise FormatError(_SUBJECT, at, "a second MD5 row", "only one")
                _check_md5(data, at)
                md5_at = at
            elif md5_at is not None:
                raise FormatError(_SUBJECT, at, f"a row {row[:4].hex(' ')} after the MD5 row", "the end row of 0xff")
            else:
                partitions.append(Partition.parse(row, at=at))
        raise FormatError(_SUBJECT, TABLE_SIZE, "no end row", f"a row of 0xff within {TABLE_SIZE} bytes")

    @classmethod
    def from_csv(cls, text: str, *, flash_size: int | None = None, table_offset: int = TABLE_OFFSET) -> PartitionTable:
        """Read a partitions CSV by ESP-IDF's rules (see `partition_csv`).

        Raises:
            FormatError: names the line and the mend
        """
        return cls(parse_csv(text, flash_size=flash_size, table_offset=table_offset))

    def to_csv(self) -> str:
        """The table as CSV, in the form that gen_esp32part.py prints."""
        return format_csv(self.partitions)

    def to_bytes(self) -> bytes:
        """0xC00 bytes, as gen_esp32part.py writes partition-table.bin.

        Raises:
            FormatError: more entries than fit, or an entry that does not fit its fields
        """
        rows = b"".join(partition.to_bytes() for partition in self.partitions)
        if self.md5:
            rows += _MD5_ROW_START + hashlib.md5(rows, usedforsecurity=False).digest()
        if len(rows) > TABLE_SIZE - ENTRY_SIZE:
            raise FormatError(
                _SUBJECT, TABLE_SIZE, f"{len(self.partitions)} partitions", f"at most {TABLE_SIZE} bytes of rows"
            )
        return rows.ljust(TABLE_SIZE, b"\xff")

    def by_label(self, label: str) -> Partition | None:
        """The partition of that label, or None."""
        return next((p for p in self.partitions if p.label == label), None)

    def find(self, type: int, subtype: int) -> Partition | None:
        """The first partition of that type and subtype, or None (as esp_partition_find_first)."""
        return next((p for p in self.partitions if (p.type, p.subtype) == (type, subtype)), None)

    @property
    def ota_slots(self) -> tuple[Partition, ...]:
        """The application slots ota_0, ota_1 … in the order of their numbers."""
        slots = [p for p in self.partitions if p.ota_slot is not None]
        return tuple(sorted(slots, key=lambda p: p.subtype))

    @property
    def factory(self) -> Partition | None:
        return self.find(APP, 0x00)

    @property
    def otadata(self) -> Partition | None:
        return self.find(DATA, 0x00)

    @property
    def emul_efuse(self) -> Partition | None:
        """The partition that keeps emulated eFuses (CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH)."""
        return self.find(DATA, 0x05)

    def slot_at(self, offset: int) -> Partition | None:
        """The application partition that starts at `offset`, or None."""
        return next((p for p in self.partitions if p.is_app and p.offset == offset), None)

    def containing(self, offset: int) -> Partition | None:
        """The partition in which the byte at `offset` lies, or None."""
        return next((p for p in self.partitions if p.offset <= offset < p.end), None)

    @property
    def flash_size_needed(self) -> int:
        """Bytes of flash up to the end of the last partition."""
        return max((p.end for p in self.partitions), default=0)

    def _check(self, flash_size: int | None) -> None:
        for number, partition in enumerate(self.partitions):
            if flash_size is not None and partition.end > flash_size:
                raise FormatError(
                    _SUBJECT,
                    number * ENTRY_SIZE + 4,
                    f"{partition.description}, which ends at 0x{partition.end:x}",
                    f"an end within the flash of 0x{flash_size:x} bytes",
                )
        by_offset = sorted(enumerate(self.partitions), key=lambda item: item[1].offset)
        for (_, before), (number, after) in itertools.pairwise(by_offset):
            if after.offset < before.end:
                raise FormatError(
                    _SUBJECT,
                    number * ENTRY_SIZE + 4,
                    f"{after.description}, which overlaps {before.description}",
                    f"an offset of 0x{before.end:x} or higher",
                )


def _check_md5(data: bytes, at: int) -> None:
    found = data[at + 16 : at + ENTRY_SIZE]
    computed = hashlib.md5(data[:at], usedforsecurity=False).digest()
    if found != computed:
        raise FormatError(_SUBJECT, at + 16, f"MD5 {found.hex()}", f"{computed.hex()}, the MD5 of the rows before it")
