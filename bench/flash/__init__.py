"""What stands in flash besides applications: partition table, otadata, emulated eFuse. Bytes in, bytes out."""

from __future__ import annotations

from bench.flash.otadata import OtaData, OtaImgState, SelectEntry
from bench.flash.partition_table import Partition, PartitionTable

__all__ = ["OtaData", "OtaImgState", "Partition", "PartitionTable", "SelectEntry"]
