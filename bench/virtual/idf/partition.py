"""components/esp_partition in the application: the SHA-256 of a partition, as the examples print it.

Source: partition_target.c, and bootloader_common_get_sha256_of_partition of components/bootloader_support.
"""

from __future__ import annotations

import hashlib
import re

from bench.errors import FormatError
from bench.flash.partition import Partition
from bench.flash.partition_table import TABLE_OFFSET
from bench.images import Image
from bench.virtual.running import Running

__all__ = ["sha256_of_bootloader", "sha256_of_running", "sha256_of_table"]

_TABLE_SIZE = 0xC00  # ESP_PARTITION_TABLE_MAX_LEN
_OFFSET = re.compile(rb"CONFIG_PARTITION_TABLE_OFFSET=(0x[0-9a-fA-F]+)")
_NONE = bytes(32)
"""What the examples print where there is no image: their buffer, as it was."""


def sha256_of_table(running: Running) -> bytes:
    """The partition table's, padding included."""
    return hashlib.sha256(running.machine.flash.read(_table_offset(running), _TABLE_SIZE)).digest()


def sha256_of_bootloader(running: Running) -> bytes:
    """The one appended to the bootloader's image."""
    return _of_image(running, running.machine.chip.bootloader_offset, _table_offset(running))


def sha256_of_running(running: Running) -> bytes:
    """The one appended to the running application's image."""
    partition: Partition = running.partition
    return _of_image(running, partition.offset, partition.size)


def _table_offset(running: Running) -> int:
    """A number in the application's code; an image of the bench says it."""
    said = running.log.rodata.find(_OFFSET)
    return int(said[1], 16) if said else TABLE_OFFSET


def _of_image(running: Running, offset: int, size: int) -> bytes:
    machine = running.machine
    machine.clock.sleep(20)
    try:
        image = Image.parse(machine.flash.read(offset, min(size, machine.flash.size - offset)))
    except FormatError:
        return _NONE
    if image.digest is not None:
        return image.digest
    return hashlib.sha256(image.to_bytes()[: image.length]).digest()
