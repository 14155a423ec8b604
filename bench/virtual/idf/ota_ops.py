"""components/app_update: write an image into a slot, choose what to boot, confirm or give up what runs.

Source: esp_ota_ops.c. Every change of flash is made in the device's order and pieces, so that a power cut can
fall between any two of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.errors import FormatError
from bench.flash.otadata import SECTOR_SIZE, OtaData, OtaImgState, SelectEntry
from bench.flash.partition import Partition
from bench.images import AppDesc, Defect
from bench.virtual.bootloader.verify import ImageVerifier
from bench.virtual.cipher import BLOCK
from bench.virtual.idf.efuse import SecureVersion
from bench.virtual.idf.err import EspErr, EspError
from bench.virtual.idf.secure_boot import signatures_of
from bench.virtual.machine import ResetReason
from bench.virtual.running import Running

__all__ = ["OTA_SIZE_UNKNOWN", "OTA_WITH_SEQUENTIAL_WRITES", "OtaHandle", "OtaOps"]

OTA_SIZE_UNKNOWN = 0xFFFF_FFFF
OTA_WITH_SEQUENTIAL_WRITES = 0xFFFF_FFFE

_TAG = "esp_ota_ops"
_IMAGE_MAGIC = 0xE9
_APP_DESC_AT = 24 + 8
_APP_DESC_SIZE = 256
_ERASE_MS = 12
_PROGRAM_MS_PER_KIB = 1.5
_VERIFY_MS = 30

_NOT_CONFIRMED = "Running app has not confirmed state (ESP_OTA_IMG_PENDING_VERIFY)"
_TOO_LOW = (
    "This a new partition can not be booted due to a secure version is lower than stored in efuse."
    " Partition will be erased."
)


@dataclass
class OtaHandle:
    """esp_ota_handle_t: one update being written."""

    partition: Partition
    need_erase: bool
    wrote: int = 0
    partial: bytes = b""
    """On a board with flash encryption: what does not fill a block of 16 bytes yet."""


class OtaOps:
    """The functions of esp_ota_ops.h for one running application.

    What the build can do is read out of its image: the log lines of CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE and
    CONFIG_BOOTLOADER_APP_ANTI_ROLLBACK are compiled in, or they are not.
    """

    def __init__(self, running: Running) -> None:
        self._running = running
        self._flash = running.machine.flash
        self._clock = running.machine.clock
        self._log = running.log
        self._slots = running.table.ota_slots
        self.rollback = running.log.has(_NOT_CONFIRMED)
        self.anti_rollback = running.log.has(_TOO_LOW)
        self.secure_version = SecureVersion(running)
        self._defect = running.defect
        self._verifier = ImageVerifier(
            running.machine, running.log, running.release, signatures=signatures_of(running), defect=running.defect
        )

    # -- writing an image

    def begin(self, partition: Partition, image_size: int) -> OtaHandle:
        """esp_ota_begin: check that the slot may be written, and erase it unless that is done while writing.

        Raises:
            EspError: ESP_ERR_OTA_PARTITION_CONFLICT on the running slot, …_ROLLBACK_INVALID_STATE while the running
                image is not confirmed, ESP_ERR_INVALID_ARG where it is no OTA slot
        """
        if partition.ota_slot is None:
            raise EspError(EspErr.ESP_ERR_INVALID_ARG)
        running = self._running.partition
        if partition == running:
            raise EspError(EspErr.ESP_ERR_OTA_PARTITION_CONFLICT)
        pending = self.rollback and self.state_of(running) == OtaImgState.PENDING_VERIFY
        if pending and self._defect is not Defect.UPDATE_WHILE_PENDING:
            self._log.error(_TAG, _NOT_CONFIRMED)
            raise EspError(EspErr.ESP_ERR_OTA_ROLLBACK_INVALID_STATE)
        if self._defect is Defect.SPOIL_OTADATA:
            self.forget()
        if self._defect is Defect.SWITCH_BEFORE_DOWNLOAD:
            self._rewrite_ota_data(partition.ota_slot)
        sequential = image_size == OTA_WITH_SEQUENTIAL_WRITES
        if not sequential:
            whole = image_size in (0, OTA_SIZE_UNKNOWN)
            size = partition.size if whole else -(-image_size // SECTOR_SIZE) * SECTOR_SIZE
            self._erase(partition, 0, size)
        if self.rollback and self._running.release.at_least(5, 5):
            self._invalidate_inactive_entry()
        return OtaHandle(partition, need_erase=sequential)

    def resume(self, partition: Partition, offset: int) -> OtaHandle:
        """esp_ota_resume (since v5.5), with sequential writes: go on behind what was written before a reset.

        Raises:
            EspError: ESP_ERR_OTA_PARTITION_CONFLICT on the running slot, ESP_ERR_INVALID_ARG beyond the slot
        """
        if partition.ota_slot is None or offset > partition.size:
            raise EspError(EspErr.ESP_ERR_INVALID_ARG)
        if partition == self._running.partition:
            raise EspError(EspErr.ESP_ERR_OTA_PARTITION_CONFLICT)
        return OtaHandle(partition, need_erase=True, wrote=offset)

    def write(self, handle: OtaHandle, data: bytes) -> None:
        """esp_ota_write: append to the slot; with sequential writes erase each sector as it is reached.

        Raises:
            EspError: ESP_ERR_INVALID_SIZE beyond the slot, ESP_ERR_OTA_VALIDATE_FAILED where the first byte is not
                the image magic (and by then the first sector is erased)
        """
        if not data:
            return
        wrote, size, partition = handle.wrote, len(data), handle.partition
        if handle.need_erase and self._defect is not Defect.FORGET_TO_ERASE:
            first, last = wrote // SECTOR_SIZE, (wrote + size - 1) // SECTOR_SIZE
            if wrote % SECTOR_SIZE == 0:
                self._erase(partition, wrote, (last - first + 1) * SECTOR_SIZE)
            elif first != last:
                self._erase(partition, (first + 1) * SECTOR_SIZE, (last - first) * SECTOR_SIZE)
        magic = data[0] == _IMAGE_MAGIC or self._defect in (Defect.ANY_MAGIC, Defect.ANY_CONTENT)
        if wrote == 0 and not handle.partial and not magic:
            self._log.error(_TAG, f"OTA image has invalid magic byte (expected 0xE9, saw 0x{data[0]:02x})")
            raise EspError(EspErr.ESP_ERR_OTA_VALIDATE_FAILED)
        if self._beyond(partition, wrote + size):
            raise EspError(EspErr.ESP_ERR_INVALID_SIZE)
        if self._defect is Defect.LAST_BYTES_LOST:
            data = data[: len(data) // BLOCK * BLOCK]
        if self._flash.cipher is not None:
            data = handle.partial + data
            size = len(data) // BLOCK * BLOCK
            data, handle.partial = data[:size], data[size:]
        self._append(handle, data)

    def write_with_offset(self, handle: OtaHandle, data: bytes, offset: int) -> None:
        """esp_ota_write_with_offset: write anywhere in the slot, which was erased when the update was begun.

        Raises:
            EspError: ESP_ERR_INVALID_ARG for a part of a block of 16 bytes on a board with flash encryption,
                ESP_ERR_INVALID_SIZE beyond the slot
        """
        assert not handle.need_erase, "must erase the partition before writing to it"
        if self._flash.cipher is not None and len(data) % BLOCK:
            self._log.error(_TAG, "Size should be 16byte aligned for flash encryption case")
            raise EspError(EspErr.ESP_ERR_INVALID_ARG)
        if offset + len(data) > handle.partition.size:
            raise EspError(EspErr.ESP_ERR_INVALID_SIZE)
        self._flash.program(handle.partition.offset + offset, data, "ota:write")
        self._clock.sleep(len(data) / 1024 * _PROGRAM_MS_PER_KIB)
        handle.wrote += len(data)

    def _append(self, handle: OtaHandle, data: bytes) -> None:
        """esp_partition_write of the next bytes; behind a part of a block (a resumed update) nothing is encrypted."""
        if not data:
            return
        if self._flash.cipher is not None and handle.wrote % BLOCK:
            raise EspError(EspErr.ESP_ERR_INVALID_ARG)
        at = handle.partition.offset + handle.wrote
        if self._flash.cipher is not None and self._defect is Defect.PLAIN_IN_FLASH:
            data = self._flash.cipher.seen(at, data)  # which is encrypted to what came
        self._flash.program(at, data, "ota:write")
        self._clock.sleep(len(data) / 1024 * _PROGRAM_MS_PER_KIB)
        handle.wrote += len(data)

    def end(self, handle: OtaHandle) -> None:
        """esp_ota_end: verify what was written.

        Raises:
            EspError: ESP_ERR_INVALID_ARG where nothing was, ESP_ERR_OTA_VALIDATE_FAILED
        """
        if handle.wrote == 0:
            raise EspError(EspErr.ESP_ERR_INVALID_ARG)
        if handle.partial:
            self._append(handle, handle.partial.ljust(BLOCK, b"\xff"))
            handle.partial = b""
        if not self._verify(handle.partition):
            self._log.error(_TAG, "New image failed verification")  # since v5.5
            raise EspError(EspErr.ESP_ERR_OTA_VALIDATE_FAILED)

    def _erase(self, partition: Partition, offset: int, size: int) -> None:
        """esp_partition_erase_range."""
        if self._beyond(partition, offset + size):
            raise EspError(EspErr.ESP_ERR_INVALID_SIZE)
        self._flash.erase(partition.offset + offset, size, "ota:erase")
        self._clock.sleep(size // SECTOR_SIZE * _ERASE_MS)

    def _beyond(self, partition: Partition, end: int) -> bool:
        """Does what ends there reach beyond the slot?"""
        if self._defect is Defect.WRITE_PAST_SLOT:
            return False
        return end > partition.size - (self._defect is Defect.FULL_SLOT_REFUSED)

    # -- choosing what boots

    def next_update_partition(self, start_from: Partition | None = None) -> Partition | None:
        """esp_ota_get_next_update_partition: the OTA slot behind the running one, else the first."""
        start = start_from or self._running.partition
        if not self._slots:
            return None
        if self._defect is Defect.LAST_SLOT_ALWAYS:
            return self._slots[-1]
        if start in self._slots and start != self._slots[-1]:
            return self._slots[self._slots.index(start) + 1]
        return self._slots[0]

    def boot_partition(self) -> Partition | None:
        """esp_ota_get_boot_partition: what otadata selects, else the first that the bootloader tries.

        None, after the line that says so, for a table without otadata (read_otadata).
        """
        try:
            active = self._read_otadata().active
        except EspError:
            return None
        if active is not None and self._slots:
            return self._slots[active.slot(len(self._slots))]
        return self._running.table.factory or next(iter(self._slots), None)

    def last_invalid_partition(self) -> Partition | None:
        """esp_ota_get_last_invalid_partition: the sound image that was rolled back from, or None."""
        if not self._slots:
            return None
        bad = [
            entry
            for entry in self._read_otadata().entries
            if entry.ota_seq != 0xFFFF_FFFF
            and entry.crc == SelectEntry.for_seq(entry.ota_seq).crc
            and entry.state in (OtaImgState.INVALID, OtaImgState.ABORTED)
        ]
        if not bad:
            return None
        partition = self._slots[min(bad, key=lambda entry: entry.ota_seq).slot(len(self._slots))]
        return partition if self._verify(partition, silent=True) else None

    def set_boot_partition(self, partition: Partition) -> None:
        """esp_ota_set_boot_partition: verify the slot, and write the other otadata entry for it.

        Raises:
            EspError: ESP_ERR_OTA_VALIDATE_FAILED; ESP_ERR_OTA_SMALL_SEC_VER, with the slot erased; ESP_ERR_NOT_FOUND
                without otadata
        """
        if not self._verify(partition):
            raise EspError(EspErr.ESP_ERR_OTA_VALIDATE_FAILED)
        if partition.ota_slot is None:
            self.forget()
            return
        if self.anti_rollback and self._defect is Defect.BURN_EARLY:
            self.secure_version.update(self.description_of(partition).secure_version)
        if self._defect is Defect.REPORT_WITHOUT_SWITCH:
            return
        if self.anti_rollback:
            description = self.description_of(partition)
            if not self.secure_version.allows(description.secure_version):
                self._log.error(_TAG, _TOO_LOW)
                if self._defect is not Defect.TOO_OLD_KEPT:
                    self._erase(partition, 0, partition.size)
                raise EspError(EspErr.ESP_ERR_OTA_SMALL_SEC_VER)
        self._rewrite_ota_data(partition.ota_slot)

    def _rewrite_ota_data(self, slot: int) -> None:
        """esp_rewrite_ota_data: the next sequence number that selects the slot, into the entry that is not active.

        From v6.0 on, an active entry that names the slot already is kept, and only its state is written anew.
        """
        data, count = self._read_otadata(), len(self._slots)
        if slot >= count:
            raise EspError(EspErr.ESP_ERR_INVALID_ARG)
        state = OtaImgState.NEW if self.rollback else OtaImgState.UNDEFINED
        if self._defect is Defect.SWITCH_AS_VALID:
            state = OtaImgState.VALID
        active = data.active_index
        if self._defect is Defect.BOTH_ENTRIES_ERASED:
            self.forget()
        if active is None:
            self._rewrite_entry(data, 0, slot + 1, state, "otadata")
            return
        if self._running.release.at_least(6, 0) and data.entries[active].slot(count) == slot:
            self._rewrite_entry(data, active, data.entries[active].ota_seq, state, "otadata")
            return
        seq, present = (slot + 1) % count, data.entries[active].ota_seq
        if self._defect is Defect.SEQUENCE_NOT_RAISED:
            present = 1
        if self._defect is Defect.ACTIVE_ENTRY_OVERWRITTEN:
            active = 1 - active
        seq += -(-max(0, present - seq) // count) * count  # C counts up to it, which takes minutes near the top
        self._rewrite_entry(data, 1 - active, seq & 0xFFFF_FFFF, state, "otadata")

    def _rewrite_entry(self, data: OtaData, index: int, seq: int, state: int, purpose: str) -> None:
        """rewrite_ota_seq: erase the sector, write the 32 bytes; the label stays what it was."""
        entry = replace(SelectEntry.for_seq(seq, state), seq_label=data.entries[index].seq_label)
        where = self._otadata_partition().offset + index * SECTOR_SIZE
        self._flash.erase(where, SECTOR_SIZE, purpose)
        self._flash.program(where, entry.to_bytes(), purpose)
        self._clock.sleep(_ERASE_MS)

    def _invalidate_inactive_entry(self) -> None:
        """esp_ota_invalidate_inactive_ota_data_slot, which esp_ota_begin calls since v5.5."""
        data, count = self._read_otadata(), len(self._slots)
        active = data.active_index
        if active is None or count == 0:
            return
        inactive = data.entries[1 - active]
        if inactive.ota_seq == 0xFFFF_FFFF or inactive.crc != SelectEntry.for_seq(inactive.ota_seq).crc:
            return
        if self._slots[inactive.slot(count)] == self._running.partition:
            return
        where = self._otadata_partition().offset + (1 - active) * SECTOR_SIZE
        self._flash.erase(where, SECTOR_SIZE, "otadata")

    # -- confirming what runs

    def state_of(self, partition: Partition) -> int | None:
        """esp_ota_get_state_partition: an `OtaImgState`, or None where no entry speaks of that slot."""
        if partition.ota_slot is None or not self._slots or self._running.table.otadata is None:
            return None
        for entry in self._read_otadata().entries:
            of_slot = entry.slot(len(self._slots)) == partition.ota_slot
            if of_slot and entry.crc == SelectEntry.for_seq(entry.ota_seq).crc:
                return entry.state
        return None

    def mark_app_valid_cancel_rollback(self) -> None:
        """esp_ota_mark_app_valid_cancel_rollback; with anti-rollback the secure version is raised as well.

        Raises:
            EspError: ESP_FAIL where the factory app runs; as `SecureVersion.update`
        """
        data, active = self._active_entry()
        entry = data.entries[active]
        if entry.state == OtaImgState.VALID or self._defect is Defect.CONFIRM_IN_WORDS:
            return
        self._rewrite_entry(data, active, entry.ota_seq, OtaImgState.VALID, "otadata:confirm")
        if self.anti_rollback and self._defect is not Defect.BURN_NEVER:
            version = self.description_of(self._running.partition).secure_version
            self.secure_version.update(version - (self._defect is Defect.BURN_TOO_LITTLE))

    def mark_app_invalid_rollback_and_reboot(self) -> None:
        """esp_ota_mark_app_invalid_rollback_and_reboot: comes back only where it is not possible.

        Raises:
            EspError: ESP_ERR_OTA_ROLLBACK_FAILED, ESP_FAIL
        """
        data, active = self._active_entry()
        if not self._rollback_is_possible() and self._defect is not Defect.GIVE_UP_ANYWAY:
            self._log.error(_TAG, "Rollback is not possible, do not have any suitable apps in slots")
            raise EspError(EspErr.ESP_ERR_OTA_ROLLBACK_FAILED)
        if self._defect is not Defect.GIVE_UP_IN_WORDS:
            self._rewrite_entry(data, active, data.entries[active].ota_seq, OtaImgState.INVALID, "otadata")
        restart = " Restart." if self._running.release.before(5, 5) else ""
        self._log.info(_TAG, f"Rollback to previously worked partition.{restart}")
        self._running.machine.restart(ResetReason.SW_CPU)

    def _active_entry(self) -> tuple[OtaData, int]:
        data = self._read_otadata()
        active = data.active_index
        if active is None or not self._slots:
            self._log.error(_TAG, "Running firmware is factory")
            raise EspError(EspErr.ESP_FAIL)
        return data, active

    def _rollback_is_possible(self) -> bool:
        """esp_ota_check_rollback_is_possible."""
        data, count = self._read_otadata(), len(self._slots)
        active = data.active_index
        if active is None or count == 0:
            return False
        other = data.entries[1 - active]
        if not other.is_valid:
            factory = self._running.table.factory
            return not self.anti_rollback and factory is not None and self._verify(factory, silent=True)
        slot = self._slots[other.slot(count)]
        if not self._verify(slot, silent=True):
            return False
        return not self.anti_rollback or self.secure_version.allows(self.description_of(slot).secure_version)

    # -- reading

    def _verify(self, partition: Partition, *, silent: bool = False) -> bool:
        """esp_image_verify of a partition's content."""
        if self._defect is Defect.TRUST_ANY_IMAGE:
            return True
        self._clock.sleep(_VERIFY_MS)
        return self._verifier.verify(partition.offset, partition.size, silent=silent) is not None

    def description_of(self, partition: Partition) -> AppDesc:
        """esp_ota_get_partition_description.

        Raises:
            EspError: ESP_ERR_NOT_FOUND where there is none
        """
        data = self._flash.read(partition.offset + _APP_DESC_AT, _APP_DESC_SIZE)
        try:
            return AppDesc.parse(data)
        except FormatError as error:
            raise EspError(EspErr.ESP_ERR_NOT_FOUND) from error

    def forget(self) -> None:
        """Erase both otadata entries: what boots is what would boot on a new device."""
        otadata = self._otadata_partition()
        self._flash.erase(otadata.offset, otadata.size, "otadata")

    def _otadata_partition(self) -> Partition:
        otadata = self._running.table.otadata
        if otadata is None:
            self._log.error(_TAG, "not found otadata")
            raise EspError(EspErr.ESP_ERR_NOT_FOUND)
        return otadata

    def _read_otadata(self) -> OtaData:
        return OtaData.parse(self._flash.read(self._otadata_partition().offset, 2 * SECTOR_SIZE))
