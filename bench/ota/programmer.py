"""A flash programmer clipped to the chip of a board that is off: damage, repair and old states, byte for byte.

What is done with it is on the timeline: a scenario that changes the flash behind the firmware's back says so.
"""

from __future__ import annotations

from bench.boards.drivers import Supply
from bench.builds import Build
from bench.errors import BenchError
from bench.flash import OtaData
from bench.timeline import Timeline

__all__ = ["Programmer"]

_PARTITION_TABLE_SIZE = 0x1000


class Programmer:
    """Reads and writes regions by what they are called.

    A region is an OTA slot, a partition's label, or ``"bootloader"`` or ``"partition-table"``. `BenchError` for any
    other name, and for an offset outside it.
    """

    def __init__(self, supply: Supply, build: Build, timeline: Timeline) -> None:
        self._supply = supply
        self._build = build
        self._timeline = timeline

    @property
    def otadata(self) -> OtaData:
        """Both entries as they are."""
        return OtaData.parse(self.read("otadata"))

    @otadata.setter
    def otadata(self, data: OtaData) -> None:
        self.write("otadata", data.to_bytes())

    def read(self, region: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a region, to its end where no length is given."""
        start, size = self._region(region)
        return self._supply.read_flash(start + offset, size - offset if length is None else length)

    def write(self, region: str, data: bytes, offset: int = 0) -> None:
        """Put bytes into a region, whatever was there."""
        start, size = self._region(region)
        if offset + len(data) > size:
            raise BenchError(f"{len(data)} bytes at {offset} do not fit into {region} of {size} bytes")
        self._timeline.append("bench", "flash", region=region, offset=offset, bytes=len(data))
        self._supply.write_flash(start + offset, data)

    def flip(self, region: str, offset: int) -> None:
        """Invert every bit of one byte."""
        (byte,) = self.read(region, offset, 1)
        self.write(region, bytes([byte ^ 0xFF]), offset)

    def erase(self, region: str, offset: int = 0, length: int | None = None) -> None:
        """Set a region, or a part of it, to 0xFF."""
        _, size = self._region(region)
        self.write(region, b"\xff" * (size - offset if length is None else length), offset)

    def restore(self, region: str) -> None:
        """Write what the build under test has there."""
        start, _ = self._region(region)
        for file in self._build.flash_files:
            if file.offset == start:
                self.write(region, file.path.read_bytes())
                return
        raise BenchError(f"the build has no file for {region}")

    def _region(self, region: str) -> tuple[int, int]:
        table = self._build.partition_table
        slot = next((slot for slot in table.ota_slots if slot.slot_name == region), None)
        partition = slot or table.by_label(region)
        if partition is not None:
            return partition.offset, partition.size
        at = self._build.partition_table_offset
        if region == "partition-table":
            return at, _PARTITION_TABLE_SIZE
        if region == "bootloader":
            return self._build.bootloader_offset, at - self._build.bootloader_offset
        raise BenchError(
            f"no region {region!r}: the partition table names {', '.join(p.label for p in table.partitions)}"
        )
