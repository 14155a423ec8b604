"""eFuses as ESP-IDF's code sees them, the chip's own or emulated ones kept in flash, in the words of components/efuse.

Source: esp_efuse_utility.c (virtual mode), esp_efuse_fields.c (secure version), <chip>/esp_efuse_utility.c (burning).
Bootloader and application have the same code, so both use this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from bench.flash import EfuseBlocks, Partition
from bench.flash.emul_efuse import emulated_efuses, partition_bytes
from bench.virtual.log import Log
from bench.virtual.loops import hopeless_reset
from bench.virtual.machine import Machine
from bench.virtual.release import Release
from bench.virtual.resets import ResetReason

__all__ = ["VIRTUAL_EFUSE_WARNING", "Efuses"]

VIRTUAL_EFUSE_WARNING = (
    "eFuse virtual mode is enabled. If Secure boot or Flash encryption is enabled then it does not provide any "
    "security. FOR TESTING ONLY!"
)
_TAG = "efuse"
_SECTOR = 0x1000
_ESP_ERR_INVALID_ARG = 0x102


class Efuses:
    """One program's view of the eFuses.

    Args:
        machine: the chip
        release: of ESP-IDF, for the words
        log: where to say them
        purpose: what for the emulated eFuses are written, e.g. ``"efuse:bootloader"``
        abort: how this program ends where it was built to keep emulated eFuses in flash and there is no partition
            for them; None for one that uses the chip's own
    """

    def __init__(
        self,
        machine: Machine,
        release: Release,
        log: Log,
        *,
        purpose: str,
        abort: Callable[[], NoReturn] | None = None,
    ) -> None:
        self._abort = abort
        self._machine = machine
        self._release = release
        self._log = log
        self._purpose = purpose
        self._partition: Partition | None = None
        self._emulated: EfuseBlocks | None = None

    @property
    def blocks(self) -> EfuseBlocks:
        """All blocks as this program reads them."""
        return self._machine.efuse.blocks if self._emulated is None else self._emulated

    def init_virtual_mode_in_flash(self, partition: Partition) -> None:
        """esp_efuse_init_virtual_mode_in_flash: load the emulated eFuses, or begin them with a copy of the chip's."""
        machine, release = self._machine, self._release
        prefix = "[Virtual] " if release.at_least(5, 1) else ""
        if partition.offset % _SECTOR or partition.size % _SECTOR or not partition.size:
            self._log.error(_TAG, f"{prefix}Failed to erase flash. err = 0x{_ESP_ERR_INVALID_ARG:x}", default=True)
            hopeless_reset(machine, ResetReason.RTCWDT_RTC)  # abort(), and nobody there but the watchdog
        self._partition = partition
        if prefix:
            self._warn(f"{prefix}try loading efuses from flash: 0x{partition.offset:x} (offset)")
        found = emulated_efuses(machine.chip.name, machine.flash.read(partition.offset, partition.size))
        if found is not None:
            self._warn(f"{prefix}Loading virtual efuse blocks from flash")
            self._emulated = found
        else:
            if prefix:
                self._warn(f"{prefix}no efuses found in flash")
            self._warn(f"{prefix}Loading virtual efuse blocks from real efuses")
            self._emulated = machine.efuse.blocks
            self._write()
        self._dump()

    def check_secure_version(self, secure_version: int) -> bool:
        """esp_efuse_check_secure_version: may an application of that version run?"""
        return secure_version >= self.blocks.secure_version

    def update_secure_version(self, secure_version: int) -> None:
        """esp_efuse_update_secure_version: raise the counter to that of the application; it is never lowered."""
        blocks, log = self.blocks, self._log
        size = min(32, blocks.max_secure_version)
        present = blocks.secure_version
        if secure_version > size:
            message = f"Max secure version is {size}. Given {secure_version} version can not be written."
            log.error(_TAG, message, default=True)
        elif secure_version > present:
            added = ((1 << secure_version) - 1) - ((1 << present) - 1)
            self._burn(added)
            message = f"Anti-rollback is set. eFuse field is updated({secure_version})."
            log.info(_TAG, message, default=True)
        elif secure_version < present:
            message = f"Anti-rollback is not set. secure_version of app is lower that eFuse field({present})."
            log.error(_TAG, message, default=True)

    def _burn(self, added: int) -> None:
        log = self._log
        if self._emulated is None and self._abort is not None:
            prefix = "[Virtual] " if self._release.at_least(5, 1) else ""
            log.warn(_TAG, "Virtual efuses enabled: Not really burning eFuses", default=True)
            missing = f"{prefix}no efuse partition in partition_table? (Flash is not updated)"
            log.error(_TAG, missing, default=True)
            self._abort()
        if self._emulated is not None:
            log.warn(_TAG, "Virtual efuses enabled: Not really burning eFuses", default=True)
            self._emulated = self._emulated.burnt("SECURE_VERSION", added)
            self._write()
            return
        block = self._machine.efuse.blocks.layout.field("SECURE_VERSION").pieces[0].block
        log.info(_TAG, f"BURN BLOCK{block}", default=True)
        virgin = not any(self._machine.efuse.read_block(block))
        self._machine.efuse.burn_field("SECURE_VERSION", added, self._purpose)
        how = "write block == read block" if virgin else "all write block bits are set"
        log.info(_TAG, f"BURN BLOCK{block} - OK ({how})", default=True)

    def _write(self) -> None:
        """esp_efuse_utility_write_efuses_to_flash: erase the whole partition, write the blocks."""
        assert self._partition is not None
        assert self._emulated is not None
        start, size = self._partition.offset, self._partition.size
        data = partition_bytes(self._emulated, size)
        self._machine.flash.erase(start, size, self._purpose)
        self._machine.flash.program(start, data[: len(self._emulated.to_bytes())], self._purpose)

    def _warn(self, message: str) -> None:
        self._log.warn(_TAG, message, default=True)

    def _dump(self) -> None:
        """esp_efuse_utility_debug_dump_blocks."""
        blocks = self.blocks
        lines = ["EFUSE_BLKx:\n"]
        for number, (words, block) in enumerate(zip(blocks.layout.block_words, blocks.blocks, strict=True)):
            values = (int.from_bytes(block[at : at + 4], "little") for at in range(0, 4 * words, 4))
            lines.append(f"{number}) " + "".join(self._release.efuse_word(value) for value in values) + "\n")
        self._log.raw("".join([*lines, "\n"]))
