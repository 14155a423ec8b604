"""Flash encryption of the ESP32-C3 and the ESP32-S3: XTS-AES-128, bound to the address of every 128 bytes.

Scheme: espsecure (`_flash_encryption_operation_aes_xts`) and the "External Memory Encryption and Decryption" chapter
of the technical reference manuals: units of 1024 bits, their address as tweak, bytes of a unit in reverse order. Which
partitions are encrypted: components/esp_partition/partition.c (load_partitions).
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms
from cryptography.hazmat.primitives.ciphers.modes import XTS

from bench.errors import FormatError
from bench.flash.efuse_fields import BLOCK_KEY0, EfuseBlocks
from bench.flash.partition import Partition

__all__ = ["KEY_SIZE", "XTS_AES_128_KEY", "decrypt", "encrypt", "flash_key", "is_encrypted", "with_flash_key"]

KEY_SIZE = 32
"""Bytes of the key, as espsecure generates it."""
XTS_AES_128_KEY = 4
"""ESP_EFUSE_KEY_PURPOSE_XTS_AES_128_KEY."""

_UNIT = 0x80
_BLOCK = 16
_APP, _DATA = 0x00, 0x01
_OTADATA, _NVS_KEYS = 0x00, 0x04
_FLAG_ENCRYPTED = 0x1
_DEVELOPMENT = 0b001  # SPI_BOOT_CRYPT_CNT: an odd number of bits enables


def encrypt(key: bytes, address: int, data: bytes) -> bytes:
    """What stands in flash where the processor reads `data`.

    Args:
        key: 32 bytes, in espsecure's order
        address: in flash, a multiple of 16
        data: a multiple of 16 bytes

    Raises:
        FormatError: key, address or length is not as above
    """
    return _apply(key, address, data, lambda cipher: cipher.encryptor())


def decrypt(key: bytes, address: int, data: bytes) -> bytes:
    """What the processor reads where `data` stands in flash; arguments and errors as `encrypt`."""
    return _apply(key, address, data, lambda cipher: cipher.decryptor())


def _apply(key: bytes, address: int, data: bytes, side: Callable[[Cipher[XTS]], CipherContext]) -> bytes:
    if len(key) != KEY_SIZE:
        raise FormatError("flash encryption", address, f"a key of {len(key)} bytes", f"{KEY_SIZE} bytes")
    if address % _BLOCK or len(data) % _BLOCK:
        raise FormatError("flash encryption", address, f"{len(data)} bytes at 0x{address:x}", "multiples of 16")
    algorithm, before = algorithms.AES(key), address % _UNIT
    padded = bytes(before) + data
    padded += bytes(-len(padded) % _UNIT)
    units = []
    for at in range(0, len(padded), _UNIT):
        tweak = (address - before + at).to_bytes(16, "little")
        units.append(side(Cipher(algorithm, XTS(tweak))).update(padded[at : at + _UNIT][::-1])[::-1])
    return b"".join(units)[before : before + len(data)]


def is_encrypted(partition: Partition) -> bool:
    """Is this partition encrypted on a board whose flash encryption is enabled?"""
    always = (_DATA, _OTADATA), (_DATA, _NVS_KEYS)
    kind = (partition.type, partition.subtype)
    return partition.type == _APP or kind in always or bool(partition.flags & _FLAG_ENCRYPTED)


def flash_key(blocks: EfuseBlocks) -> bytes | None:
    """The key in use by these eFuses; None where flash encryption is not enabled, or of a kind not known here."""
    if "SPI_BOOT_CRYPT_CNT" not in blocks.layout.fields or blocks.get("SPI_BOOT_CRYPT_CNT").bit_count() % 2 == 0:
        return None
    for number in range(6):
        if blocks.get(f"KEY_PURPOSE_{number}") == XTS_AES_128_KEY:
            return blocks.blocks[BLOCK_KEY0 + number][::-1]
    return None


def with_flash_key(blocks: EfuseBlocks, key: bytes) -> EfuseBlocks:
    """With the key burnt into BLOCK_KEY0 and encryption enabled in development mode (the key not read-protected).

    Raises:
        FormatError: the chip has no such key blocks: the ESP32 has a scheme of its own
    """
    return blocks.with_key(0, XTS_AES_128_KEY, key[::-1]).burnt("SPI_BOOT_CRYPT_CNT", _DEVELOPMENT)
