"""The eFuse controller's registers, as `espefuse` and the ROM use them: a read window and a programming command.

Sources: soc/<chip>/register/soc/efuse_reg.h and the register definitions of espefuse (`mem_definition.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.virtual.efuse import EFuse

__all__ = ["FuseController", "FuseLayout"]

_WRITE_OP, _READ_OP = 0x5A5A, 0x5AA5


@dataclass(frozen=True)
class FuseLayout:
    """Register addresses.

    Attributes:
        base, size: of the controller
        read: the read window of each block, in order
        program: where the bits to burn are written: one place for each block (ESP32), or one for all
        conf, command: operation code and start
        program_bit, read_bit: of the command
        first_readable_lock: block that bit 0 of RD_DIS locks against reading
    """

    base: int
    size: int
    read: tuple[int, ...]
    program: tuple[int, ...]
    conf: int
    command: int
    program_bit: int = 0x2
    read_bit: int = 0x1
    first_readable_lock: int = 4


class FuseController:
    """Reads come from a shadow that is loaded at reset and by the read command, as on the chip."""

    def __init__(self, layout: FuseLayout, efuse: EFuse) -> None:
        self._layout = layout
        self._efuse = efuse
        self._registers: dict[int, int] = {}
        self._load()

    def covers(self, address: int) -> bool:
        return self._layout.base <= address < self._layout.base + self._layout.size

    def read(self, address: int) -> int:
        return self._registers.get(address, 0)

    def write(self, address: int, value: int) -> None:
        if address != self._layout.command:
            self._registers[address] = value
            return
        # the command bits clear themselves when the operation is done, which here is at once
        code = self._registers.get(self._layout.conf, 0)
        if value & self._layout.program_bit and code == _WRITE_OP:
            self._program(value >> 2 & 0xF)
        if value & self._layout.read_bit and code == _READ_OP:
            self._load()

    def _program(self, chosen: int) -> None:
        layout, words = self._layout, self._efuse.chip.efuses.block_words
        blocks = [chosen] if len(layout.program) == 1 else range(len(layout.program))
        for block in blocks:
            if block >= len(words):
                continue
            start = layout.program[0] if len(layout.program) == 1 else layout.program[block]
            places = range(start, start + 4 * words[block], 4)
            bits = b"".join(self._registers.get(at, 0).to_bytes(4, "little") for at in places)
            if any(bits):
                self._efuse.burn(block, bits, f"rom:block{block}")

    def _load(self) -> None:
        locked = self._efuse.field("RD_DIS")
        for block, start in enumerate(self._layout.read):
            lock = block - self._layout.first_readable_lock
            content = self._efuse.read_block(block)
            if lock >= 0 and locked >> lock & 1:
                content = bytes(len(content))
            for at in range(0, len(content), 4):
                self._registers[start + at] = int.from_bytes(content[at : at + 4], "little")
