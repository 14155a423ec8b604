"""The cipher between processor and flash, where the eFuses enable flash encryption.

Source: components/bootloader_support/bootloader_flash (which decrypts all that is read through the cache) and
components/esp_partition/partition_target.c (which leaves partitions that are not encrypted as they are).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bench.flash import PartitionTable
from bench.flash.efuse_fields import EfuseBlocks
from bench.flash.encryption import decrypt, encrypt, flash_key, is_encrypted

__all__ = ["BLOCK", "FlashCipher"]

BLOCK = 16
"""Bytes that can be written encrypted; less cannot."""


@dataclass(frozen=True)
class FlashCipher:
    """Decrypts and encrypts by address.

    Args:
        key: in espsecure's order
        plain: regions (first, behind the last) that are not encrypted
    """

    key: bytes = field(repr=False)
    plain: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, blocks: EfuseBlocks) -> FlashCipher | None:
        """As the eFuses have it; None where they leave flash encryption off. Nothing is plain to a bootloader."""
        key = flash_key(blocks)
        return None if key is None else cls(key)

    def knowing(self, table: PartitionTable) -> FlashCipher:
        """The same for an application, which knows the partitions."""
        plain = [(one.offset, one.offset + one.size) for one in table.partitions if not is_encrypted(one)]
        return replace(self, plain=tuple(plain))

    def covers(self, offset: int) -> bool:
        """Is what stands at this offset encrypted?"""
        return not any(first <= offset < last for first, last in self.plain)

    def seen(self, offset: int, data: bytes) -> bytes:
        """What is read where `data` stands; both aligned to 16 bytes."""
        return decrypt(self.key, offset, data)

    def stored(self, offset: int, data: bytes) -> bytes:
        """What stands in flash after `data` is written.

        Raises:
            FormatError: not aligned to 16 bytes
        """
        return encrypt(self.key, offset, data)
