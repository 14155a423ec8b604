"""The bootloader's reading of the partition table: verification, listing, and which partition is what.

Source: components/bootloader_support/src/flash_partitions.c (esp_partition_table_verify) and bootloader_utility.c
(bootloader_utility_load_partition_table).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.flash import Partition, PartitionTable
from bench.virtual.log import Log
from bench.virtual.release import Release

__all__ = ["BootState", "read_table"]

_TAG = "boot"
_PARTS = "flash_parts"
_ROW = 32
_MAGIC = 0x50AA
_MAGIC_MD5 = 0xEBEB
_APP, _DATA, _BOOTLOADER, _TABLE = 0, 1, 2, 3
_USAGES = {
    _DATA: {0x00: "OTA data", 0x01: "RF data", 0x02: "WiFi data", 0x04: "NVS keys", 0x05: "efuse"},
    _BOOTLOADER: {0x00: "primary bootloader", 0x01: "ota bootloader", 0x02: "recovery bootloader"},
    _TABLE: {0x00: "primary partition_table", 0x01: "ota partition_table"},
}


@dataclass
class BootState:
    """bootloader_state_t: what the partition table says about booting."""

    table: PartitionTable
    ota_info: Partition | None = None
    factory: Partition | None = None
    test: Partition | None = None
    ota: dict[int, Partition] = field(default_factory=dict)
    app_count: int = 0


def read_table(
    data: bytes,
    chip_size: int,
    log: Log,
    release: Release,
    efuse_partition: Callable[[Partition], None],
    *,
    any_sum: bool = False,
) -> BootState | None:
    """Verify and list the table; None where it is refused, with the reason said.

    Args:
        data: 0xC00 bytes of the table
        chip_size: bytes of flash as the bootloader's header says
        log: where to list it
        release: names the usages of partition types that came later
        any_sum: is the MD5 not compared? Only by a defective bootloader.
        efuse_partition: is called when the listing comes to an `efuse` partition
    """
    rows = _verified_rows(data, chip_size, log, any_sum)
    if rows is None:
        log.error(_TAG, "Failed to verify partition table", default=True)
        return None
    log.info(_TAG, "Partition Table:", default=True)
    log.info(_TAG, "## Label            Usage          Type ST Offset   Length", default=True)
    state = BootState(PartitionTable(tuple(rows)))
    for number, partition in enumerate(rows):
        usage = _take(state, partition, release)
        if usage == "efuse":
            efuse_partition(partition)
        columns = f"{partition.type:02x} {partition.subtype:02x} {partition.offset:08x} {partition.size:08x}"
        log.info(_TAG, f"{number:2d} {partition.label:<16} {usage:<16} {columns}", default=True)
    log.info(_TAG, "End of partition table", default=True)
    return state


def _verified_rows(data: bytes, chip_size: int, log: Log, any_sum: bool) -> list[Partition] | None:
    rows: list[Partition] = []
    md5_found = False
    for number in range(len(data) // _ROW):
        row = data[number * _ROW : (number + 1) * _ROW]
        magic = int.from_bytes(row[:2], "little")
        if magic == _MAGIC:
            partition = _parse(row)
            if partition.offset > chip_size or partition.end > chip_size:
                where = f"offset 0x{partition.offset:x} size 0x{partition.size:x}"
                message = f"partition {number} invalid - {where} exceeds flash chip size 0x{chip_size:x}"
                log.error(_PARTS, message, default=True)
                return None
            if not md5_found:  # rows behind the MD5 are counted, but nobody ever looks at them
                rows.append(partition)
        elif magic == _MAGIC_MD5:
            if md5_found:
                log.error(_PARTS, "Only one MD5 checksum is allowed", default=True)
                return None
            found = hashlib.md5(data[: number * _ROW], usedforsecurity=False).digest()
            if found != row[16:] and not any_sum:
                log.error(_PARTS, "Incorrect MD5 checksum", default=True)
                return None
            md5_found = True
        elif row[:4] == b"\xff" * 4:
            return rows
        else:
            log.error(_PARTS, f"partition {number} invalid magic number 0x{magic:x}", default=True)
            return None
    log.error(_PARTS, "partition table has no terminating entry, not valid", default=True)
    return None


def _parse(row: bytes) -> Partition:
    """One row, whatever its label holds: the bootloader prints it as it stands."""
    label = row[12:28].split(b"\0", 1)[0].decode("utf-8", "replace")
    offset, size = int.from_bytes(row[4:8], "little"), int.from_bytes(row[8:12], "little")
    return Partition(label, row[2], row[3], offset, size, int.from_bytes(row[28:], "little"))


def _take(state: BootState, partition: Partition, release: Release) -> str:
    """Note what the partition is for; its usage as listed."""
    if partition.type == _APP:
        if partition.subtype == 0x00:
            state.factory = partition
            return "factory app"
        if partition.subtype == 0x20:
            state.test = partition
            return "test app"
        if partition.subtype & ~0x0F == 0x10:
            state.ota[partition.subtype & 0x0F] = partition
            state.app_count += 1
            return "OTA app"
        return "Unknown app"
    if partition.type == _DATA:
        if partition.subtype == 0x00:
            state.ota_info = partition
        return _USAGES[_DATA].get(partition.subtype, "Unknown data")
    if release.at_least(5, 5):
        return _USAGES.get(partition.type, {}).get(partition.subtype, "unknown")
    return "unknown"
