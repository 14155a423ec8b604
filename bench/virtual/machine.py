"""The machine that firmware runs on: one life of the processor, from a reset to the next.

Firmware runs synchronously in one thread and reads like the C that it models. Every method of every part below
raises `Halted` or `PowerLost` when EN is low or the power is gone; both, and `Restart`, are no `Exception`s, so that
firmware that handles errors does not handle them by accident.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from bench.virtual.chips import CHIPS, Chip
from bench.virtual.clock import Clock
from bench.virtual.door import Door
from bench.virtual.efuse import EFuse
from bench.virtual.network import Network
from bench.virtual.nor import NorFlash
from bench.virtual.resets import Halted, PowerLost, ResetReason, Restart
from bench.virtual.rodata import Library
from bench.virtual.supply import Supply
from bench.virtual.uart import Uart

__all__ = ["Halted", "Machine", "PowerLost", "ResetReason", "Restart"]


@dataclass(eq=False)
class Machine:
    """All that firmware sees. `reset_reason` says how this life began; `rtc` survives all but power-on and EN."""

    chip: Chip
    supply: Supply
    flash: NorFlash
    efuse: EFuse
    clock: Clock
    uart: Uart
    network: Network
    reset_reason: ResetReason = ResetReason.POWERON
    download: bool = False
    """Was IO0 low when EN rose?"""
    rtc: dict[str, int] = field(default_factory=dict)
    library: Library = field(default_factory=Library)

    @classmethod
    def assemble(
        cls,
        chip: str,
        *,
        flash: Path | None = None,
        efuse: Path | None = None,
        realtime: bool = False,
        console: Callable[[bytes], None] | None = None,
        supply: Supply | None = None,
        flash_size: int | None = None,
    ) -> Machine:
        """Put the parts of a machine together; it can be used at once, with no board around it.

        Args:
            chip: name, a key of `CHIPS`
            flash, efuse: files that keep the content
            realtime: sleep in real time
            console: is given what the processor writes to UART0
            supply: another one than usual
            flash_size: bytes, of a smaller flash than usual
        """
        table = CHIPS[chip]
        supply = Supply() if supply is None else supply

        def cut(back: bool) -> None:
            if back:
                supply.set_enable(False)
                supply.set_enable(True)
            else:
                supply.set_power(False)
            supply.check()

        door = Door(cut)
        size = table.flash_size if flash_size is None else flash_size
        nor = NorFlash(size, door=door, check=supply.check, path=flash, what=f"flash file of an {chip}")
        try:
            fuses = EFuse(table, door=door, check=supply.check, path=efuse)
        except BaseException:
            nor.close()
            raise
        clock = Clock(supply, realtime=realtime)
        uart = Uart(supply)
        uart.listen(console)
        return cls(table, supply, nor, fuses, clock, uart, Network(supply, clock))

    def restart(self, reason: ResetReason = ResetReason.SW_CPU) -> NoReturn:
        """Reset the processor, as `esp_restart` does. RTC memory stays."""
        self.check()
        raise Restart(reason)

    def check(self) -> None:
        """Raise `PowerLost` or `Halted` when the power is gone or EN is low."""
        self.supply.check()

    def idle(self) -> NoReturn:
        """Do nothing until reset or power loss: the end of every firmware that has nothing left to do."""
        while True:
            self.supply.wait_for_halt()

    def close(self) -> None:
        """Flush and let go of the files."""
        self.flash.close()
        self.efuse.close()
