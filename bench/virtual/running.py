"""What an application on the virtual board knows of itself, its flash and its machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from bench.flash import Partition, PartitionTable
from bench.images import Defect, Image, read_behaviour, read_defect
from bench.virtual.log import Log
from bench.virtual.machine import Machine
from bench.virtual.release import Release

__all__ = ["Running"]


@dataclass(frozen=True)
class Running:
    """A booted application.

    Args:
        machine: the processor's life in which it runs
        image: it, parsed
        image_bytes: the bytes in flash that make it up
        partition: where it was loaded from
        table: the partition table that the bootloader read
        release: of ESP-IDF it was built with
        log: its ESP_LOGx
    """

    machine: Machine
    image: Image = field(repr=False)
    image_bytes: bytes = field(repr=False)
    partition: Partition
    table: PartitionTable = field(repr=False)
    release: Release
    log: Log = field(repr=False)

    @property
    def behaviour(self) -> str:
        """How virtual firmware was told to fail, a `bench.images.Behaviour`; "" for sound firmware."""
        return read_behaviour(self.image) or ""

    @cached_property
    def defect(self) -> Defect | None:
        """Which promise virtual firmware breaks; None for sound firmware, and for all real one."""
        return read_defect(self.image, Defect)
