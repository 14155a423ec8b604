"""The otadata partition: two sectors, in each an entry that says which slot to boot and in which state it is.

Formats: components/bootloader_support/include/esp_flash_partitions.h (esp_ota_select_entry_t,
esp_ota_img_states_t); which entry counts: bootloader_support/src/bootloader_common_loader.c; which sequence
number selects a slot: app_update/esp_ota_ops.c (esp_rewrite_ota_data).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field, replace
from enum import IntEnum

from bench.errors import FormatError

__all__ = ["ENTRY_SIZE", "OTADATA_SIZE", "SECTOR_SIZE", "OtaData", "OtaImgState", "SelectEntry"]

SECTOR_SIZE = 0x1000
OTADATA_SIZE = 2 * SECTOR_SIZE
ENTRY_SIZE = 32

_ENTRY = struct.Struct("<L20sLL")
_ERASED_SEQ = 0xFFFF_FFFF
_SUBJECT = "otadata"


class OtaImgState(IntEnum):
    """esp_ota_img_states_t: how far the image in a slot has proven itself."""

    NEW = 0x0
    PENDING_VERIFY = 0x1
    VALID = 0x2
    INVALID = 0x3
    ABORTED = 0x4
    UNDEFINED = 0xFFFF_FFFF


def _known(state: int) -> int:
    """The member of `OtaImgState` where there is one: flash can hold any 32 bits."""
    try:
        return OtaImgState(state)
    except ValueError:
        return state


@dataclass(frozen=True)
class SelectEntry:
    """esp_ota_select_entry_t, 32 bytes.

    Args:
        ota_seq: 0xFFFFFFFF when erased; otherwise slot number + 1, modulo the number of OTA slots
        seq_label: 20 bytes that ESP-IDF leaves at 0xFF
        state: an `OtaImgState`, or the bare number where it is none of them
        crc: CRC-32 of ota_seq alone: it does not protect the state
    """

    ota_seq: int
    seq_label: bytes
    state: int
    crc: int

    @classmethod
    def parse(cls, data: bytes, *, at: int = 0) -> SelectEntry:
        """Read the 32 bytes of an entry that stands `at` bytes into the partition.

        Raises:
            FormatError: not 32 bytes; every content is an entry, valid or not
        """
        if len(data) != ENTRY_SIZE:
            raise FormatError(_SUBJECT, at, f"{len(data)} bytes", f"an entry of {ENTRY_SIZE} bytes")
        ota_seq, seq_label, state, crc = _ENTRY.unpack(data)
        return cls(ota_seq, seq_label, _known(state), crc)

    @classmethod
    def for_seq(cls, seq: int, state: int = OtaImgState.UNDEFINED) -> SelectEntry:
        """The entry that ESP-IDF writes for this sequence number and state."""
        return cls(seq, b"\xff" * 20, _known(state), crc_of_seq(seq))

    @classmethod
    def erased(cls) -> SelectEntry:
        """What an erased sector reads as."""
        return cls(_ERASED_SEQ, b"\xff" * 20, OtaImgState.UNDEFINED, 0xFFFF_FFFF)

    def to_bytes(self) -> bytes:
        """The 32 bytes of the entry."""
        return _ENTRY.pack(self.ota_seq, self.seq_label, self.state, self.crc)

    @property
    def is_erased(self) -> bool:
        return self.to_bytes() == b"\xff" * ENTRY_SIZE

    @property
    def is_invalid(self) -> bool:
        """bootloader_common_ota_select_invalid: erased, or its image is known to be bad."""
        return self.ota_seq == _ERASED_SEQ or self.state in (OtaImgState.INVALID, OtaImgState.ABORTED)

    @property
    def is_valid(self) -> bool:
        """bootloader_common_ota_select_valid: not invalid, and the CRC is right."""
        return not self.is_invalid and self.crc == crc_of_seq(self.ota_seq)

    def slot(self, slots: int) -> int:
        """N of the slot ota_N that this sequence number selects among `slots` OTA slots."""
        return ((self.ota_seq - 1) & 0xFFFF_FFFF) % slots

    def with_state(self, state: int) -> SelectEntry:
        """The same entry in another state; the CRC does not change."""
        return replace(self, state=_known(state))


@dataclass(frozen=True)
class OtaData:
    """Both entries, and the bytes around them, of one otadata partition.

    Args:
        entries: the entry of the first and of the second sector
        rest: what follows each entry in its sector, kept as it was read
    """

    entries: tuple[SelectEntry, SelectEntry]
    rest: tuple[bytes, bytes] = field(
        default=(b"\xff" * (SECTOR_SIZE - ENTRY_SIZE), b"\xff" * (SECTOR_SIZE - ENTRY_SIZE)), repr=False
    )

    @classmethod
    def parse(cls, data: bytes) -> OtaData:
        """Read the 8 KiB of an otadata partition.

        Raises:
            FormatError: not 8 KiB; every content is readable
        """
        if len(data) != OTADATA_SIZE:
            raise FormatError(
                _SUBJECT, min(len(data), OTADATA_SIZE), f"{len(data)} bytes", f"{OTADATA_SIZE} bytes, two sectors"
            )
        sectors = (data[:SECTOR_SIZE], data[SECTOR_SIZE:])
        return cls(
            (
                SelectEntry.parse(sectors[0][:ENTRY_SIZE]),
                SelectEntry.parse(sectors[1][:ENTRY_SIZE], at=SECTOR_SIZE),
            ),
            (sectors[0][ENTRY_SIZE:], sectors[1][ENTRY_SIZE:]),
        )

    @classmethod
    def erased(cls) -> OtaData:
        """As a build's ota_data_initial.bin: nothing chosen, so factory boots, or ota_0 where there is none."""
        return cls((SelectEntry.erased(), SelectEntry.erased()))

    def to_bytes(self) -> bytes:
        """8 KiB; only the first 32 bytes of each sector are rewritten."""
        return b"".join(entry.to_bytes() + rest for entry, rest in zip(self.entries, self.rest, strict=True))

    @property
    def active_index(self) -> int | None:
        """Which sector counts, 0 or 1 (bootloader_common_get_active_otadata); None where C has -1."""
        first, second = self.entries
        if first.is_valid and second.is_valid:
            return 0 if first.ota_seq >= second.ota_seq else 1
        if first.is_valid:
            return 0
        return 1 if second.is_valid else None

    @property
    def active(self) -> SelectEntry | None:
        """The entry that counts, or None."""
        index = self.active_index
        return None if index is None else self.entries[index]

    def entry_of_slot(self, slot: int, slots: int) -> SelectEntry | None:
        """The entry that speaks of ota_`slot`: of two that do, the one with the higher number; None if none."""
        candidates = [e for e in self.entries if e.ota_seq != _ERASED_SEQ and e.crc == crc_of_seq(e.ota_seq)]
        candidates = [entry for entry in candidates if entry.slot(slots) == slot]
        return max(candidates, key=lambda entry: entry.ota_seq, default=None)

    def with_entry(self, index: int, entry: SelectEntry) -> OtaData:
        """The same partition with another entry in sector `index`, the sector erased first as ESP-IDF does."""
        erased = b"\xff" * (SECTOR_SIZE - ENTRY_SIZE)
        if index == 0:
            return OtaData((entry, self.entries[1]), (erased, self.rest[1]))
        return OtaData((self.entries[0], entry), (self.rest[0], erased))

    def switched_to(self, slot: int, slots: int, state: int = OtaImgState.UNDEFINED) -> OtaData:
        """What esp_ota_set_boot_partition leaves after choosing ota_`slot` (esp_rewrite_ota_data).

        Args:
            slot: N of ota_N
            slots: how many OTA slots the partition table has
            state: NEW where the application has rollback enabled, UNDEFINED where it has not
        """
        active = self.active_index
        if active is None:
            return self.with_entry(0, SelectEntry.for_seq(slot + 1, state))
        seq = (slot + 1) % slots
        current = self.entries[active].ota_seq
        if seq < current:
            seq += -(-(current - seq) // slots) * slots
        return self.with_entry(1 - active, SelectEntry.for_seq(seq, state))


def crc_of_seq(seq: int) -> int:
    """bootloader_common_ota_select_crc: esp_rom_crc32_le(UINT32_MAX, &ota_seq, 4)."""
    return zlib.crc32(seq.to_bytes(4, "little"), 0xFFFF_FFFF)
