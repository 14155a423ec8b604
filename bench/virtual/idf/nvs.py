"""components/nvs_flash in the application: one namespace of the partition `nvs`.

Source: src/nvs_api.cpp. Every change goes to flash in the device's order, one operation after the other, so that a
power cut can fall between any two of them.
"""

from __future__ import annotations

from bench.flash.nvs import Erase, Nvs, Operation
from bench.virtual.idf.err import EspErr, EspError
from bench.virtual.running import Running

__all__ = ["NvsHandle"]

_PARTITION = "nvs"
_PURPOSE = "nvs"
_ERASE_MS = 12


class NvsHandle:
    """nvs_handle_t; making one is nvs_flash_init, which mends what a power cut left half done, and nvs_open.

    Args:
        namespace: at most 15 bytes

    Raises (on making):
        EspError: ESP_ERR_NOT_FOUND where the table has no partition `nvs`
    """

    def __init__(self, running: Running, namespace: str) -> None:
        partition = running.table.by_label(_PARTITION)
        if partition is None:
            raise EspError(EspErr.ESP_ERR_NOT_FOUND)
        self._machine = running.machine
        self._at = partition.offset
        self._namespace = namespace
        self._nvs = Nvs(self._machine.flash.read(partition.offset, partition.size))
        self._apply(self._nvs.opened())

    def get_u16(self, key: str) -> int | None:
        """nvs_get_u16; None for ESP_ERR_NVS_NOT_FOUND."""
        return self._nvs.get_number(self._namespace, key)

    def get_str(self, key: str) -> str | None:
        """nvs_get_str; None for ESP_ERR_NVS_NOT_FOUND."""
        return self._nvs.get_string(self._namespace, key)

    def set_u16(self, key: str, value: int) -> None:
        """nvs_set_u16."""
        self._apply(self._nvs.set_u16(self._namespace, key, value))

    def set_str(self, key: str, value: str) -> None:
        """nvs_set_str."""
        self._apply(self._nvs.set_string(self._namespace, key, value))

    def erase_all(self) -> None:
        """nvs_erase_all."""
        self._apply(self._nvs.erase_all(self._namespace))

    def _apply(self, operations: list[Operation]) -> None:
        flash = self._machine.flash
        for one in operations:
            if isinstance(one, Erase):
                flash.erase(self._at + one.offset, 4096, _PURPOSE)
                self._machine.clock.sleep(_ERASE_MS)
            else:
                flash.program(self._at + one.offset, one.data, _PURPOSE)
