"""What GET_SECURITY_INFO answers, read from the eFuses.

Flags: esptool's `SECURITY_INFO_FLAG_MAP`; bits of block 0: components/efuse/<chip>/esp_efuse_table.csv (the ESP32-C3
and the ESP32-S3 have these in the same places).
"""

from __future__ import annotations

import struct

from bench.virtual.machine import Machine

__all__ = ["security_info"]

_FLAGS = (
    (0, 116, 1),  # SECURE_BOOT_EN
    (1, 117, 1),  # SECURE_BOOT_AGGRESSIVE_REVOKE
    (2, 133, 1),  # ENABLE_SECURITY_DOWNLOAD
    (3, 85, 1),  # SECURE_BOOT_KEY_REVOKE0
    (4, 86, 1),
    (5, 87, 1),
    (6, 48, 3),  # SOFT_DIS_JTAG: an odd number of bits disables
    (7, 51, 1),  # DIS_PAD_JTAG
)


def security_info(machine: Machine) -> bytes:
    """20 bytes: flags, SPI_BOOT_CRYPT_CNT, seven key purposes, chip id, ECO version."""
    fuses = int.from_bytes(machine.efuse.read_block(0), "little")
    flags = 0
    for flag, bit, width in _FLAGS:
        value = fuses >> bit & (1 << width) - 1
        flags |= (value.bit_count() & 1) << flag
    purposes = [fuses >> 88 + 4 * key & 0xF for key in range(6)]
    eco = machine.efuse.blocks.chip_revision % 100
    return struct.pack("<IB7BII", flags, fuses >> 82 & 7, *purposes, 0, machine.chip.chip_id, eco)
