"""What stands in flash besides applications: partition table, otadata, emulated eFuse. Bytes in, bytes out."""

from __future__ import annotations

from bench.flash.efuse_fields import EfuseBlocks
from bench.flash.otadata import OtaData, OtaImgState, SelectEntry
from bench.flash.partition import Partition
from bench.flash.partition_table import PartitionTable

__all__ = ["EfuseBlocks", "OtaData", "OtaImgState", "Partition", "PartitionTable", "SelectEntry"]
