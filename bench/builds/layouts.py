"""The partition layouts that the bench writes builds with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.errors import BuildError
from bench.flash import PartitionTable
from bench.flash.partition_table import TABLE_OFFSET

__all__ = ["LAYOUTS", "Layout", "layout_of"]


@dataclass(frozen=True)
class Layout:
    """A partition table with what goes with it.

    Args:
        name: as the command line spells it
        csv: the partitions CSV
        csv_name: the file name that the sdkconfig gives it
        flash_size: as esptool spells it, e.g. ``"4MB"``
        rollback: whether builds with this layout have CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE unless told otherwise
        anti_rollback: the same for CONFIG_BOOTLOADER_APP_ANTI_ROLLBACK, with emulated eFuses
        table_offset: CONFIG_PARTITION_TABLE_OFFSET, which moves all partitions that the CSV gives no offset
    """

    name: str
    csv: str
    csv_name: str
    flash_size: str
    rollback: bool
    anti_rollback: bool = False
    table_offset: int = TABLE_OFFSET

    @property
    def flash_bytes(self) -> int:
        return int(self.flash_size.removesuffix("MB")) * 1024 * 1024

    @property
    def table(self) -> PartitionTable:
        return PartitionTable.from_csv(self.csv, flash_size=self.flash_bytes, table_offset=self.table_offset)


_TWO_OTA = """\
# Name,   Type, SubType, Offset,   Size, Flags
nvs,      data, nvs,     0x9000,   0x4000,
otadata,  data, ota,     0xd000,   0x2000,
phy_init, data, phy,     0xf000,   0x1000,
ota_0,    app,  ota_0,   0x10000,  1984K,
ota_1,    app,  ota_1,   0x200000, 1984K,
"""

# As ESP-IDF's components/partition_table/partitions_two_ota.csv.
_FACTORY_TWO_OTA = """\
# Name,   Type, SubType, Offset,   Size, Flags
nvs,      data, nvs,     ,         0x4000,
otadata,  data, ota,     ,         0x2000,
phy_init, data, phy,     ,         0x1000,
factory,  app,  factory, ,         1M,
ota_0,    app,  ota_0,   ,         1M,
ota_1,    app,  ota_1,   ,         1M,
"""

# As ESP-IDF's components/partition_table/partitions_two_ota_large.csv (since v5.4).
_TWO_OTA_LARGE = """\
# Name,   Type, SubType, Offset,   Size, Flags
nvs,      data, nvs,     ,         0x6000,
otadata,  data, ota,     ,         0x2000,
phy_init, data, phy,     ,         0x1000,
ota_0,    app,  ota_0,   ,         1700K,
ota_1,    app,  ota_1,   ,         1700K,
"""

# As the example advanced_https_ota's anti_rollback_partition.csv.
_ANTI_ROLLBACK = """\
# Name,     Type, SubType, Offset,   Size, Flags
nvs,        data, nvs,     0xe000,   0x4000,
otadata,    data, ota,     0x12000,  0x2000,
phy_init,   data, phy,     0x14000,  0x1000,
emul_efuse, data, efuse,   0x15000,  0x2000,
ota_0,      app,  ota_0,   0x20000,  0x380000,
ota_1,      app,  ota_1,   0x3a0000, 0x380000,
"""

LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        layout.name: layout
        for layout in (
            Layout("two_ota", _TWO_OTA, "partitions.csv", "4MB", rollback=True),
            Layout("factory_two_ota", _FACTORY_TWO_OTA, "partitions_two_ota.csv", "4MB", rollback=False),
            Layout("two_ota_large", _TWO_OTA_LARGE, "partitions_two_ota_large.csv", "4MB", rollback=False),
            Layout(
                "anti_rollback",
                _ANTI_ROLLBACK,
                "anti_rollback_partition.csv",
                "8MB",
                rollback=True,
                anti_rollback=True,
            ),
        )
    }
)


def layout_of(name: str) -> Layout:
    """The layout of that name.

    Raises:
        BuildError: there is none; lists those there are
    """
    try:
        return LAYOUTS[name]
    except KeyError:
        raise BuildError(f"layout {name!r}: expected one of {', '.join(LAYOUTS)}") from None
