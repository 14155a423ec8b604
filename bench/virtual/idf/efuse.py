"""components/efuse in the application: the secure version, in the chip's eFuses or in emulated ones kept in flash.

Sources: esp_efuse_fields.c, esp_efuse_utility.c, esp32c3/esp_efuse_utility.c (esp_efuse_utility_burn_chip).
"""

from __future__ import annotations

from bench.flash.efuse_fields import EfuseBlocks
from bench.flash.emul_efuse import emulated_efuses, partition_bytes
from bench.flash.partition import Partition
from bench.virtual.idf.err import EspErr, EspError
from bench.virtual.running import Running

__all__ = ["SecureVersion"]

_TAG = "efuse"
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
        log = self._running.log
        size = min(32, self._running.machine.efuse.secure_version_bits)
        if secure_version > size:
            log.error(_TAG, f"Max secure version is {size}. Given {secure_version} version can not be written.")
            raise EspError(EspErr.ESP_ERR_INVALID_ARG)
        present = self.read()
        if present > secure_version:
            log.error(_TAG, f"Anti-rollback is not set. secure_version of app is lower that eFuse field({present}).")
            raise EspError(EspErr.ESP_FAIL)
        if present < secure_version:
            self._burn(secure_version, (1 << secure_version) - (1 << present))
            log.info(_TAG, f"Anti-rollback is set. eFuse field is updated({secure_version}).")

    def _burn(self, secure_version: int, new_bits: int) -> None:
        machine = self._running.machine
        blocks = self._emulated()
        if self._partition is None or blocks is None:
            machine.efuse.burn_field("SECURE_VERSION", new_bits, "secure_version")
            return
        self._running.log.warn(_TAG, _NOT_REALLY)
        where, size = self._partition.offset, self._partition.size
        data = partition_bytes(blocks.with_secure_version(secure_version), size)
        machine.flash.erase(where, size, "efuse:emulated")
        machine.flash.program(where, data.rstrip(b"\xff"), "efuse:emulated")
        machine.clock.sleep(10)

    def _emulated(self) -> EfuseBlocks | None:
        if self._partition is None:
            return None
        machine = self._running.machine
        data = machine.flash.read(self._partition.offset, self._partition.size)
        return emulated_efuses(machine.chip.name, data)
