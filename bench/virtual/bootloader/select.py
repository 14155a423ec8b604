"""Which application to boot, and what is written to otadata on the way.

Source: components/bootloader_support/src/bootloader_utility.c (bootloader_utility_get_selected_boot_partition,
bootloader_utility_load_boot_image); function by function, in its order.
"""

from __future__ import annotations

from bench.errors import FormatError
from bench.flash import OtaImgState, Partition, SelectEntry
from bench.flash.otadata import ENTRY_SIZE, SECTOR_SIZE
from bench.images import AppDesc, BootDefect, Image, ImageHeader, SegmentHeader
from bench.virtual.bootloader.options import Options
from bench.virtual.bootloader.table import BootState
from bench.virtual.bootloader.verify import ImageVerifier
from bench.virtual.emulated_efuse import Efuses
from bench.virtual.log import Log
from bench.virtual.machine import Machine

__all__ = ["FACTORY_INDEX", "INVALID_INDEX", "Selection"]

_TAG = "boot"
_PURPOSE = "otadata:bootloader"
FACTORY_INDEX = -1
INVALID_INDEX = -99
_MAX_OTA_SLOTS = 16
_ESP_ERR_INVALID_ARG = 0x102
_ESP_ERR_NOT_FOUND = 0x105
_DESC_AT = ImageHeader.SIZE + SegmentHeader.SIZE


class Selection:
    """One boot's choice of an application.

    Args:
        machine: the flash
        options: of the bootloader
        state: what the partition table said
        efuses: secure version, real or emulated
        verifier: loads images
        log: the bootloader's
    """

    def __init__(
        self,
        machine: Machine,
        options: Options,
        state: BootState,
        efuses: Efuses,
        verifier: ImageVerifier,
        log: Log,
    ) -> None:
        self._machine = machine
        self._options = options
        self._state = state
        self._efuses = efuses
        self._verifier = verifier
        self._log = log
        self._initial_contents = False
        self._new = False
        self._defect = options.defect

    # -- bootloader_utility_get_selected_boot_partition

    def start_index(self) -> int:
        """The slot that otadata names: its number, FACTORY_INDEX, or INVALID_INDEX where nothing can be decided."""
        state, log, options = self._state, self._log, self._options
        if state.ota_info is None:
            return FACTORY_INDEX
        if state.ota_info.size < 2 * SECTOR_SIZE:
            size = f"{state.ota_info.size} is too small (minimum {2 * SECTOR_SIZE} bytes)"
            log.error(_TAG, f"ota_info partition size {size}", default=True)
            return INVALID_INDEX
        entries = [self._read_entry(state.ota_info, index) for index in (0, 1)]
        self._new = all(entry.is_erased for entry in entries)
        for index, entry in enumerate(entries):
            log.debug(_TAG, f"otadata[{index}]: sequence values 0x{entry.ota_seq:08x}")
        if options.rollback:
            for index, entry in enumerate(entries):
                if self._is_given_up(entry):
                    log.debug(_TAG, f"otadata[{index}] is marking as ABORTED")
                    entries[index] = self._write(index, entry.with_state(self._state_given_up))
        if options.anti_rollback:
            log.info(_TAG, "Enabled a check secure version of app for anti rollback", default=True)
            secure_version = self._efuses.blocks.secure_version
            log.info(_TAG, f"Secure version (from eFuse) = {secure_version}", default=True)
            if _both_initial(entries):
                log.info(_TAG, "otadata[0..1] in initial state", default=True)
                self._initial_contents = True
                return FACTORY_INDEX
        elif (entries[0].is_invalid and entries[1].is_invalid) or state.app_count == 0:
            if state.factory is not None:
                log.info(_TAG, "Defaulting to factory image", default=True)
                return FACTORY_INDEX
            log.info(_TAG, "No factory image, trying OTA 0", default=True)
            self._initial_contents = _both_initial(entries)
            return 0
        return self._index_of_active(entries)

    def _is_given_up(self, entry: SelectEntry) -> bool:
        """Did its image run without confirming itself?"""
        if self._defect is BootDefect.VALID_ABORTED and entry.ota_seq not in (1, 0xFFFF_FFFF):
            return entry.state in (OtaImgState.PENDING_VERIFY, OtaImgState.VALID)
        return entry.state == OtaImgState.PENDING_VERIFY and self._defect is not BootDefect.PENDING_BOOTED_AGAIN

    @property
    def _state_given_up(self) -> OtaImgState:
        return OtaImgState.VALID if self._defect is BootDefect.PENDING_CONFIRMED else OtaImgState.ABORTED

    def _index_of_active(self, entries: list[SelectEntry]) -> int:
        state, log = self._state, self._log
        valid = [entry.is_valid or self._takes(entry) for entry in entries]
        if self._options.anti_rollback:
            valid = [
                ok and state.app_count > 0 and self._allowed(state.ota.get(entry.slot(state.app_count)))
                for ok, entry in zip(valid, entries, strict=True)
            ]
        active = _active(entries, valid)
        if self._defect is BootDefect.LOWEST_SEQUENCE and all(valid):
            active = 0 if entries[0].ota_seq < entries[1].ota_seq else 1
        if active is None:
            if state.factory is not None:
                log.error(_TAG, "ota data partition invalid, falling back to factory", default=True)
            else:
                message = "ota data partition invalid and no factory, will try all partitions"
                log.error(_TAG, message, default=True)
            return FACTORY_INDEX
        log.debug(_TAG, f"Active otadata[{active}]")
        entry = entries[active]
        boot_index = entry.slot(state.app_count)
        log.debug(_TAG, f"Mapping seq {entry.ota_seq - 1} -> OTA slot {boot_index}")
        if self._options.rollback and entry.state == OtaImgState.NEW:
            log.debug(_TAG, f"otadata[{active}] is selected as new and marked PENDING_VERIFY state")
            entry = self._write(active, entry.with_state(OtaImgState.PENDING_VERIFY))
        burns = entry.state == OtaImgState.VALID or self._defect is BootDefect.BURN_PENDING
        if self._options.anti_rollback and burns and self._defect is not BootDefect.BURN_NEVER:
            self._update_anti_rollback(state.ota.get(boot_index))
        return boot_index

    def _takes(self, entry: SelectEntry) -> bool:
        """Does only a defective bootloader take this entry?"""
        if self._defect is BootDefect.ANY_CRC:
            return not entry.is_invalid and entry.ota_seq != 0
        return self._defect is BootDefect.ABORTED_BOOTED and _crc_is_right(entry)

    # -- bootloader_utility_load_boot_image

    def load(self, start_index: int) -> tuple[Image, Partition] | None:
        """The first bootable application: backwards from `start_index` to factory, then forwards, then the test app.

        None where there is none, after saying so.
        """
        log, state = self._log, self._state
        for index in (*range(start_index, FACTORY_INDEX - 1, -1), *range(start_index + 1, state.app_count)):
            partition = self._partition(index)
            if partition is None or partition.size == 0:
                continue
            where = f"index {index} offs 0x{partition.offset:x} size 0x{partition.size:x}"
            log.debug(_TAG, f"Trying partition {where}")
            image = self._try(partition)
            if image is not None:
                self._set_actual_ota_seq(index)
                return image, partition
            log.error(_TAG, f"{_index_name(index)} is not bootable", default=True)
            if self._defect is BootDefect.NO_FALL_BACK:
                break
            if self._defect is BootDefect.FALL_BACK_FORGETS and state.ota_info is not None:
                self._machine.flash.erase(state.ota_info.offset, state.ota_info.size, _PURPOSE)
        image = self._try(state.test)
        if image is not None and state.test is not None:
            log.warn(_TAG, "Falling back to test app as only bootable partition", default=True)
            return image, state.test
        if self._defect is not BootDefect.SILENT:
            log.error(_TAG, "No bootable app partitions in the partition table", default=True)
        return None

    def _partition(self, index: int) -> Partition | None:
        if index == FACTORY_INDEX:
            return self._state.factory if self._defect is not BootDefect.NO_FACTORY or self._new else None
        return self._state.ota.get(index) if 0 <= index < min(_MAX_OTA_SLOTS, self._state.app_count) else None

    def _try(self, partition: Partition | None) -> Image | None:
        if not self._allowed(partition) or partition is None or partition.size == 0:
            return None
        image = self._verifier.verify(partition.offset, partition.size)
        if image is not None:
            self._log.info(_TAG, f"Loaded app from partition at offset 0x{partition.offset:x}", default=True)
        return image

    def _set_actual_ota_seq(self, index: int) -> None:
        if self._defect is BootDefect.FIRST_ENTRY_FORGOTTEN:
            return
        if index > FACTORY_INDEX and self._initial_contents:
            self._write(0, SelectEntry.for_seq(index + 1, OtaImgState.VALID))
            self._log.info(_TAG, f"Set actual ota_seq={index + 1} in otadata[0]", default=True)
            if self._options.anti_rollback:
                self._update_anti_rollback(self._state.ota.get(index))

    # -- anti-rollback

    def _allowed(self, partition: Partition | None) -> bool:
        """check_anti_rollback."""
        if not self._options.anti_rollback:
            return True
        desc = self._description(partition)
        return desc is not None and self._efuses.check_secure_version(desc.secure_version)

    def _update_anti_rollback(self, partition: Partition | None) -> None:
        desc = self._description(partition)
        if desc is not None:
            self._efuses.update_secure_version(desc.secure_version)

    def _description(self, partition: Partition | None) -> AppDesc | None:
        """bootloader_common_get_partition_description: the description, whether or not the image is valid."""
        error = _ESP_ERR_INVALID_ARG
        if partition is not None and partition.offset != 0:
            try:
                return AppDesc.parse(self._machine.flash.read(partition.offset + _DESC_AT, AppDesc.SIZE))
            except FormatError:
                error = _ESP_ERR_NOT_FOUND
        self._log.error(_TAG, f"Failed to get partition description {error}", default=True)
        return None

    # -- otadata

    def _read_entry(self, ota_info: Partition, index: int) -> SelectEntry:
        at = ota_info.offset + index * SECTOR_SIZE
        return SelectEntry.parse(self._machine.flash.read(at, ENTRY_SIZE), at=index * SECTOR_SIZE)

    def _write(self, index: int, entry: SelectEntry) -> SelectEntry:
        """write_otadata: erase the sector, program the 32 bytes of the entry."""
        assert self._state.ota_info is not None
        at = self._state.ota_info.offset + index * SECTOR_SIZE
        if self._defect is not BootDefect.ABORT_NOT_ERASED:
            self._machine.flash.erase(at // SECTOR_SIZE * SECTOR_SIZE, SECTOR_SIZE, _PURPOSE)
        self._machine.flash.program(at, entry.to_bytes(), _PURPOSE)
        return entry


def _both_initial(entries: list[SelectEntry]) -> bool:
    """Both erased, or with a wrong CRC: then the bootloader writes a first entry itself."""
    return all(entry.is_erased or not _crc_is_right(entry) for entry in entries)


def _crc_is_right(entry: SelectEntry) -> bool:
    return entry.ota_seq != 0xFFFF_FFFF and entry.crc == SelectEntry.for_seq(entry.ota_seq).crc


def _active(entries: list[SelectEntry], valid: list[bool]) -> int | None:
    """bootloader_common_select_otadata: of two valid ones that with the higher number, the first if they are equal."""
    if all(valid):
        return 0 if entries[0].ota_seq >= entries[1].ota_seq else 1
    return valid.index(True) if any(valid) else None


def _index_name(index: int) -> str:
    """log_invalid_app_partition."""
    return "Factory app partition" if index == FACTORY_INDEX else f"OTA app partition slot {index}"
