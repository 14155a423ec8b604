"""Download mode: what the ROM does when IO0 is low as the chip comes out of reset."""

from __future__ import annotations

from typing import NoReturn

from bench.virtual.machine import Machine
from bench.virtual.rom.loader import SerialLoader

__all__ = ["run"]


def run(machine: Machine) -> NoReturn:
    """Print the ROM's banner and serve the serial loader; leaves by `Halted`, `PowerLost` or `Restart`."""
    banner = machine.chip.rom_banner(machine.reset_reason, download=True) + "waiting for download\r\n"
    machine.uart.write(banner.encode())
    SerialLoader(machine).serve()
