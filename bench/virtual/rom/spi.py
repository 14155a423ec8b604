"""The SPI controller's "user command" registers, through which esptool speaks to the flash chip directly.

Register offsets: soc/<chip>/register/soc/spi_mem_reg.h (ESP32: spi_reg.h), as esptool's `run_spiflash_command` uses
them. The flash chip behind answers as a Winbond W25Q does.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.virtual.nor import NorFlash

__all__ = ["SpiController", "SpiLayout"]

_CMD_USR = 1 << 18
_WRITE_ENABLE_LATCH = 0x02


@dataclass(frozen=True)
class SpiLayout:
    """Where the registers are; `address_msb`: is a 24-bit address left-aligned in its register?"""

    base: int
    addr: int
    usr1: int
    usr2: int
    miso_dlen: int
    w0: int
    address_msb: bool


class SpiController:
    """Runs the commands that do not change the flash array; those that would are left to the loader's own."""

    def __init__(self, layout: SpiLayout, flash: NorFlash, flash_id: tuple[int, int, int]) -> None:
        self._layout = layout
        self._flash = flash
        self._id = flash_id
        self._status = [0x00, 0x02, 0x00]
        self._latched = False

    def covers(self, address: int) -> bool:
        return self._layout.base <= address < self._layout.base + 0x100

    def run(self, registers: dict[int, int]) -> None:
        """Run the command that the registers describe, if CMD says so; the answer is put into W0."""
        layout = self._layout
        if not registers.get(layout.base, 0) & _CMD_USR:
            return
        registers[layout.base] = 0
        command = registers.get(layout.base + layout.usr2, 0) & 0xFF
        address = registers.get(layout.base + layout.addr, 0)
        if layout.address_msb:
            address >>= 8
        w0 = layout.base + layout.w0
        bits = (registers.get(layout.base + layout.miso_dlen, 0) & 0x3FF) + 1
        answer = self._answer(command, address & 0xFFFFFF, registers.get(w0, 0))
        if answer is not None:
            registers[w0] = int.from_bytes(answer[:4], "little") & (1 << min(bits, 32)) - 1

    def _answer(self, command: int, address: int, written: int) -> bytes | None:
        if command == 0x9F:
            return bytes(self._id)
        if command == 0x5A:
            return self._sfdp()[address : address + 4].ljust(4, b"\xff")
        if command in (0x05, 0x35, 0x15):
            latch = _WRITE_ENABLE_LATCH if command == 0x05 and self._latched else 0
            return bytes([self._status[(0x05, 0x35, 0x15).index(command)] | latch])
        if command == 0x03:
            return self._flash.read(address, 4) if address + 4 <= self._flash.size else b"\xff" * 4
        if command in (0x06, 0x50):
            self._latched = True
        elif command == 0x04:
            self._latched = False
        elif command in (0x01, 0x31, 0x11) and self._latched:
            self._status[(0x01, 0x31, 0x11).index(command)] = written & 0xFF
            self._latched = False
        return None

    def _sfdp(self) -> bytes:
        """JESD216: signature, one parameter table at 0x80, a header by the manufacturer."""
        header = b"SFDP" + bytes((5, 1, 0, 0xFF)) + bytes((0x00, 5, 1, 16, 0x80, 0, 0, 0xFF))
        maker = bytes((self._id[0], 0, 1, 4, 0x80, 0, 0, 0xFF))
        density = (self._flash.size * 8 - 1).to_bytes(4, "little")
        return (header + maker).ljust(0x80, b"\xff") + bytes.fromhex("e520f9ff") + density
