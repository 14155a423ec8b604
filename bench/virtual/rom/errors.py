"""What can be wrong with a command, how ROM and stub say so, and the checksum of data blocks.

Codes: esptool's "Serial Protocol" documentation (ROM) and its flasher stub's error list.
"""

from __future__ import annotations

import enum

__all__ = ["CommandFailed", "Fault", "checksum", "status"]


class Fault(enum.Enum):
    """(code of the ROM, code of the stub)"""

    INVALID_MESSAGE = (0x05, 0xC0)
    UNSUPPORTED = (0x05, 0xFF)
    NOT_IN_FLASH_MODE = (0x06, 0xC6)
    CHECKSUM = (0x07, 0xC1)
    FLASH_WRITE = (0x08, 0xC4)
    FLASH_READ = (0x09, 0xC4)
    READ_LENGTH = (0x0A, 0xC2)
    INFLATE = (0x0B, 0xC7)
    NOT_ENOUGH_DATA = (0x06, 0xC8)
    TOO_MUCH_DATA = (0x0B, 0xC9)


class CommandFailed(Exception):
    """A command is answered with an error."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


def status(fault: Fault | None, *, stub: bool) -> bytes:
    """The status bytes at the end of an answer: two from the stub, four from the ROM; 0 first is success."""
    if stub:
        return b"\x00\x00" if fault is None else bytes((fault.value[1], 0))
    return b"\x00\x00\x00\x00" if fault is None else bytes((1, fault.value[0], 0, 0))


def checksum(data: bytes) -> int:
    """0xEF and all bytes, exclusive-or."""
    # folding one big integer in halves is a hundred times faster than a loop over bytes
    size = 1 << max(0, len(data) - 1).bit_length()
    number = int.from_bytes(data, "little")
    while size > 1:
        size //= 2
        number = (number >> 8 * size) ^ (number & (1 << 8 * size) - 1)
    return 0xEF ^ number
