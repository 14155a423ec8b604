"""The address space that READ_REG and WRITE_REG reach: a table for each chip, and memory for all the rest.

Addresses: esptool's `targets/*.py`, soc/<chip>/register/soc/*_reg.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.virtual.machine import Machine
from bench.virtual.rom.fuses import FuseController, FuseLayout
from bench.virtual.rom.spi import SpiController, SpiLayout

__all__ = ["Registers"]

_MAGIC = 0x40001000
_WDT_KEY = 0x50D83AA1
_WDT_ENABLE = 1 << 31


@dataclass(frozen=True)
class _Layout:
    """What there is on one chip.

    Attributes:
        constants: registers that always read the same
        uart_clkdiv: divider of UART0's clock, from the crystal
        wdt_config, wdt_protect: the RTC watchdog, with which esptool can reset the chip; None where it does not
    """

    spi: SpiLayout
    fuses: FuseLayout
    uart_clkdiv: int
    constants: Mapping[int, int]
    wdt_config: int | None = None
    wdt_protect: int | None = None


_ESP32_FUSES = 0x3FF5A000


def _later_fuses(base: int) -> FuseLayout:
    """ESP32-C3 and ESP32-S3 differ in nothing but the base."""
    sizes = (24, 24, *(32,) * 9)
    read, at = [], base + 0x2C
    for size in sizes:
        read.append(at)
        at += size
    return FuseLayout(base, 0x200, tuple(read), (base,), base + 0x1CC, base + 0x1D4)


_LAYOUTS: Mapping[str, _Layout] = MappingProxyType(
    {
        "esp32": _Layout(
            SpiLayout(0x3FF42000, addr=0x04, usr1=0x20, usr2=0x24, miso_dlen=0x2C, w0=0x80, address_msb=True),
            FuseLayout(
                _ESP32_FUSES,
                0x120,
                tuple(_ESP32_FUSES + offset for offset in (0x00, 0x38, 0x58, 0x78)),
                tuple(_ESP32_FUSES + offset for offset in (0x1C, 0x98, 0xB8, 0xD8)),
                _ESP32_FUSES + 0xFC,
                _ESP32_FUSES + 0x104,
                first_readable_lock=1,
            ),
            uart_clkdiv=0x3FF40014,
            constants=MappingProxyType(
                {
                    _MAGIC: 0x00F01D83,
                    0x3FF6607C: 1 << 31 | 0x16042000,  # APB_CTL_DATE: bit 31 is the third revision bit
                    0x3FF5F06C: 2008 << 7,  # RTCCALICFG1: with CK8M_FREQ 51 a crystal of 40 MHz
                    0x3FF44038: 0x3,  # GPIO_STRAP: download mode, 3.3 V flash
                }
            ),
        ),
        "esp32c3": _Layout(
            SpiLayout(0x60002000, addr=0x04, usr1=0x1C, usr2=0x20, miso_dlen=0x28, w0=0x58, address_msb=False),
            _later_fuses(0x60008800),
            uart_clkdiv=0x60000014,
            constants=MappingProxyType({_MAGIC: 0x1B31506F, 0x60004038: 0x4}),
            wdt_config=0x60008090,
            wdt_protect=0x600080A8,
        ),
        "esp32s3": _Layout(
            SpiLayout(0x60002000, addr=0x04, usr1=0x1C, usr2=0x20, miso_dlen=0x28, w0=0x58, address_msb=False),
            _later_fuses(0x60007000),
            uart_clkdiv=0x60000014,
            constants=MappingProxyType({_MAGIC: 0x00000009, 0x60004038: 0x0}),
            wdt_config=0x60008098,
            wdt_protect=0x600080B0,
        ),
    }
)


class Registers:
    """Reads and writes of 32-bit words. What no peripheral covers is plain memory that begins as 0."""

    def __init__(self, machine: Machine) -> None:
        self._layout = _LAYOUTS[machine.chip.name]
        self._machine = machine
        self._spi = SpiController(self._layout.spi, machine.flash, machine.chip.flash_id)
        self._fuses = FuseController(self._layout.fuses, machine.efuse)
        self._words: dict[int, int] = {}

    def read(self, address: int) -> int:
        """The word at an address that is a multiple of 4."""
        if address == self._layout.uart_clkdiv:
            return self._machine.chip.xtal_mhz * 1_000_000 // max(1, self._machine.uart.host_baud)
        if address in self._layout.constants:
            return self._layout.constants[address]
        if self._fuses.covers(address):
            return self._fuses.read(address)
        return self._words.get(address, 0)

    def write(self, address: int, value: int, mask: int = 0xFFFFFFFF) -> None:
        """Set the bits of a word that are 1 in `mask`."""
        value = self.read(address) & ~mask & 0xFFFFFFFF | value & mask
        if self._fuses.covers(address):
            self._fuses.write(address, value)
            return
        self._words[address] = value
        if self._spi.covers(address):
            self._spi.run(self._words)

    @property
    def watchdog_bites(self) -> bool:
        """Has the RTC watchdog been armed and its registers been locked again?"""
        layout = self._layout
        if layout.wdt_config is None or layout.wdt_protect is None:
            return False
        armed = self._words.get(layout.wdt_config, 0) & _WDT_ENABLE
        return bool(armed) and self._words.get(layout.wdt_protect, 0) != _WDT_KEY
