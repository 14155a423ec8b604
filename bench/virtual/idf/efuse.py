"""components/efuse in the application: the secure version, in the chip's eFuses or in emulated ones kept in flash.

Sources: esp_efuse_fields.c, esp_efuse_utility.c, esp32c3/esp_efuse_utility.c (esp_efuse_utility_burn_chip).
"""

from __future__ import annotations

from functools import partial

from bench.flash.efuse_fields import EfuseBlocks
from bench.flash.emul_efuse import emulated_efuses, partition_bytes
from bench.flash.partition import Partition
from bench.virtual import panic
from bench.virtual.emulated_efuse import Efuses
from bench.virtual.idf.err import EspErr, EspError
from bench.virtual.running import Running

__all__ = ["SecureVersion"]

_TAG = "efuse"
_PURPOSE = "efuse:secure_version"
_NOT_REALLY = "Virtual efuses enabled: Not really burning eFuses"


class SecureVersion:
    """The anti-rollback counter as this application sees it.

    A build with CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH (seen by its warning in the image) uses the partition `efuse`
    and leaves the chip alone.
    """

    def __init__(self, running: Running) -> None:
        self._running = running
        self._partition: Partition | None = None
        if running.log.has(_NOT_REALLY):
            self._partition = running.table.emul_efuse

    def read(self) -> int:
        """esp_efuse_read_secure_version."""
        blocks = self._emulated()
        return self._running.machine.efuse.secure_version if blocks is None else blocks.secure_version

    def allows(self, secure_version: int) -> bool:
        """esp_efuse_check_secure_version: may an image of that version run?"""
        return secure_version >= self.read()

    def update(self, secure_version: int) -> None:
        """esp_efuse_update_secure_version: raise the counter, never lower it.

        Raises:
            EspError: ESP_ERR_INVALID_ARG beyond the field's bits, ESP_FAIL below the counter
        """
        machine, release, log = self._running.machine, self._running.release, self._running.log
        present, blocks = self.read(), self._emulated()
        if self._partition is None or blocks is None:
            abort = partial(panic.abort, self._running) if log.has(_NOT_REALLY) else None
            Efuses(machine, release, log, purpose=_PURPOSE, abort=abort).update_secure_version(secure_version)
        elif present < secure_version <= blocks.max_secure_version:
            log.warn(_TAG, _NOT_REALLY)
            where, size = self._partition.offset, self._partition.size
            data = partition_bytes(blocks.with_secure_version(secure_version), size)
            machine.flash.erase(where, size, _PURPOSE)
            machine.flash.program(where, data.rstrip(b"\xff"), _PURPOSE)
            machine.clock.sleep(10)
            log.info(_TAG, f"Anti-rollback is set. eFuse field is updated({secure_version}).")
        if self.read() < secure_version:
            raise EspError(EspErr.ESP_ERR_INVALID_ARG)
        if present > secure_version:
            raise EspError(EspErr.ESP_FAIL)

    def _emulated(self) -> EfuseBlocks | None:
        if self._partition is None:
            return None
        machine = self._running.machine
        data = machine.flash.read(self._partition.offset, self._partition.size)
        return emulated_efuses(machine.chip.name, data)
