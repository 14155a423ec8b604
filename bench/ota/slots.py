"""What lies in flash: the OTA slots with their states, and the otadata that says which of them boots."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from bench.errors import BenchError, FormatError
from bench.flash import OtaData, Partition, PartitionTable
from bench.flash.emul_efuse import emulated_efuses
from bench.flash.otadata import crc_of_seq
from bench.images import AppDesc, ImageHeader

__all__ = ["FlashView", "Slot"]

SECTOR = 4096
BLOCK = 16
"""Flash that is encrypted can only be read in blocks of so many bytes."""
DESCRIPTION = 32
"""Where `esp_app_desc_t` stands in an application: behind the image's header and that of its first segment."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One application partition as it is now; `label` is what the table calls it.

    `state` is the slot's `esp_ota_img_states_t` by otadata; None where no valid otadata entry speaks of the slot.
    `otadata` are the raw 32-byte entries that speak of it. `version`, `secure_version` and `project_name` are None
    where the slot holds no image that parses. `blank` says that every byte of its first sector is 0xFF.
    """

    label: str
    offset: int
    state: int | None
    otadata: tuple[bytes, ...]
    version: str | None
    secure_version: int | None
    project_name: str | None
    blank: bool
    digest: str


class FlashView:
    """Reads slots and otadata through whatever can read the board's flash.

    A slot is called by its subtype, as the bootloader and the events of an update do: ``factory``, ``ota_0`` … whatever
    the table's label of it is. Arduino's tables say ``app0`` and ``app1``.

    `read` gives the bytes of a region, `digest` a digest of them where the board can tell it faster than its bytes.
    `looking` is for a board that must be put into download mode to be read: what is read is read within it, and the
    board restarts at its end.
    """

    def __init__(
        self,
        table: PartitionTable,
        read: Callable[[int, int], bytes],
        *,
        chip: str,
        digest: Callable[[int, int], str] | None = None,
        looking: Callable[[], AbstractContextManager[object]] | None = None,
    ) -> None:
        self.looking: Callable[[], AbstractContextManager[object]] = looking or nullcontext
        self.disturbs = looking is not None
        self._table = table
        self._read = read
        self._digest = digest or (lambda offset, length: hashlib.sha256(read(offset, length)).hexdigest())
        self._chip = chip

    @property
    def ota_slots(self) -> list[str]:
        """The OTA slots in the order in which updates take them."""
        return [partition.slot_name for partition in self._table.ota_slots]

    def subtype_of(self, slot: str) -> int:
        """Partition subtype of a slot. Raises `BenchError` where the table has none of that name."""
        return self._named(slot).subtype

    def content(self, slot: str, length: int) -> bytes:
        """The first bytes of a slot. Raises `BenchError` where the table has none of that name."""
        return self._read(self._named(slot).offset, length + -length % BLOCK)[:length]

    def emulated_secure_version(self) -> int | None:
        """The secure version in the emulated eFuse partition; None where the layout has none."""
        partition = self._table.emul_efuse
        if partition is None:
            return None
        blocks = emulated_efuses(self._chip, self._read(partition.offset, partition.size))
        return 0 if blocks is None else blocks.secure_version

    def otadata(self) -> bytes:
        """Both sectors of the otadata partition; empty where the layout has none."""
        partition = self._table.otadata
        return b"" if partition is None else self._read(partition.offset, partition.size)

    def slots(self) -> dict[str, Slot]:
        """Every application slot by name; its digest speaks for every byte of the partition."""
        raw = self.otadata()
        return {partition.slot_name: self._slot(partition, raw) for partition in self._apps}

    def states(self) -> dict[str, tuple[int | None, str | None]]:
        """State and version of every application slot by name, as in `Slot`: what is quick to read."""
        raw, found = self.otadata(), {}
        for partition in self._apps:
            described = _described(self._read(partition.offset, SECTOR))
            found[partition.slot_name] = self._entries(partition, raw)[0], described.version if described else None
        return found

    @property
    def _apps(self) -> list[Partition]:
        return [partition for partition in (self._table.factory, *self._table.ota_slots) if partition is not None]

    def _named(self, slot: str) -> Partition:
        for partition in self._apps:
            if partition.slot_name == slot:
                return partition
        raise BenchError(f"the partition table has no {slot!r}")

    def _slot(self, partition: Partition, otadata: bytes) -> Slot:
        head = self._read(partition.offset, SECTOR)
        described = _described(head)
        state, entries = self._entries(partition, otadata)
        return Slot(
            label=partition.label,
            offset=partition.offset,
            state=state,
            otadata=entries,
            version=described.version if described else None,
            secure_version=described.secure_version if described else None,
            project_name=described.project_name if described else None,
            blank=head == b"\xff" * SECTOR,
            digest=self._digest(partition.offset, partition.size),
        )

    def _entries(self, partition: Partition, otadata: bytes) -> tuple[int | None, tuple[bytes, ...]]:
        """The state of the slot's newest valid otadata entry, and the raw entries that speak of the slot."""
        slots = self._table.ota_slots
        if not otadata or partition not in slots:
            return None, ()
        number = slots.index(partition)
        data = OtaData.parse(otadata)
        newest = data.entry_of_slot(number, len(slots))
        raw = tuple(
            entry.to_bytes()
            for entry in data.entries
            if not entry.is_erased and entry.slot(len(slots)) == number and entry.crc == crc_of_seq(entry.ota_seq)
        )
        return (newest.state if newest else None), raw


def _described(head: bytes) -> AppDesc | None:
    """What the application that begins like this says of itself; None where it is none that parses."""
    try:
        return AppDesc.parse(head[DESCRIPTION:]) if head[0] == ImageHeader.MAGIC else None
    except FormatError:
        return None
