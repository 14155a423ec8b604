"""The serial loader of the ROM, and of the stub that esptool puts into RAM: commands in, answers out.

Protocol: esptool's "Serial Protocol" documentation and `loader.py`. The stub is recognised, not executed: code that
is uploaded and started, and is no larger than a stub, is taken for one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import NoReturn

from bench.virtual.machine import Machine, ResetReason
from bench.virtual.rom import errors, security
from bench.virtual.rom.errors import CommandFailed, Fault
from bench.virtual.rom.reading import send_flash
from bench.virtual.rom.registers import Registers
from bench.virtual.rom.slip import SlipReader, encode
from bench.virtual.rom.writing import FlashWrite, Overfull

__all__ = ["SerialLoader"]

_SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32
_LARGEST_STUB = 64 * 1024
_SLOW_READ = 64
_PURPOSE = "rom"


class SerialLoader:
    """Answers one host until the chip is reset. It begins as the ROM and may become the stub."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._flash = machine.flash
        self._registers = Registers(machine)
        self._frames: list[bytes] = []
        self._slip = SlipReader()
        self._stub = False
        self._upload: list[tuple[int, int]] = []
        self._write: FlashWrite | None = None
        self._deflated = False
        rom: dict[int, Callable[[bytes], bytes | None]] = {
            0x02: lambda data: self._flash_begin(data, deflated=False),
            0x03: lambda data: self._flash_data(data, deflated=False),
            0x04: self._flash_end,
            0x05: self._mem_begin,
            0x06: self._mem_end,
            0x07: self._mem_data,
            0x08: self._sync,
            0x09: self._write_reg,
            0x0A: self._read_reg,
            0x0B: lambda data: _accepted(data, 24),
            0x0D: lambda data: _accepted(data, 4),
            0x0E: self._read_flash_slow,
            0x0F: self._change_baud,
            0x10: lambda data: self._flash_begin(data, deflated=True),
            0x11: lambda data: self._flash_data(data, deflated=True),
            0x12: self._flash_end,
            0x13: self._flash_md5,
        }
        if machine.chip.name != "esp32":
            rom[0x14] = lambda _: security.security_info(machine)
        self._rom = rom
        self._only_stub: dict[int, Callable[[bytes], bytes | None]] = {
            0xD0: lambda _: self._erase(0, self._flash.size),
            0xD1: self._erase_region,
            0xD2: self._read_flash,
            0xD3: lambda _: self._machine.restart(ResetReason.SW_CPU),
        }

    def serve(self) -> NoReturn:
        """Answer commands until reset or power loss (or until a command leaves the loader: `Restart`)."""
        while True:
            self._answer(self._next_frame())

    def _next_frame(self) -> bytes:
        while not self._frames:
            self._frames = self._slip.feed(self._machine.uart.read())
        return self._frames.pop(0)

    # -- frames

    def _answer(self, frame: bytes) -> None:
        if len(frame) < 8 or frame[0] != 0:
            return
        command, length, checksum = struct.unpack_from("<xBHI", frame)
        data = frame[8:]
        handlers = {**self._rom, **self._only_stub} if self._stub else self._rom
        self._command, self._checksum, self._value = command, checksum, 0
        try:
            if len(data) != length:
                raise CommandFailed(Fault.INVALID_MESSAGE)
            if (handler := handlers.get(command)) is None:
                raise CommandFailed(Fault.UNSUPPORTED)
            answer = handler(data)
        except CommandFailed as failed:
            self._reply(failed.fault, b"")
            return
        if answer is not None:
            self._reply(None, answer)

    def _reply(self, fault: Fault | None, data: bytes) -> None:
        status = errors.status(fault, stub=self._stub)
        head = struct.pack("<BBHI", 1, self._command, len(data) + len(status), self._value)
        self._machine.uart.write(encode(head + data + status))

    # -- commands; each returns the data of its answer, or None when it has answered itself

    def _sync(self, data: bytes) -> None:
        if data != _SYNC:
            raise CommandFailed(Fault.INVALID_MESSAGE)
        # esptool tells the ROM from the stub by this value; and it reads eight answers
        self._value = 0 if self._stub else 0x20120707
        for _ in range(8):
            self._reply(None, b"")

    def _read_reg(self, data: bytes) -> bytes:
        _sized(data, 4)
        self._value = self._registers.read(struct.unpack_from("<I", data)[0] & ~3)
        return b""

    def _write_reg(self, data: bytes) -> None:
        if not data or len(data) % 16:
            raise CommandFailed(Fault.INVALID_MESSAGE)
        for address, value, mask, _delay in struct.iter_unpack("<IIII", data):
            self._registers.write(address & ~3, value, mask)
        self._reply(None, b"")
        if self._registers.watchdog_bites:
            self._machine.restart(ResetReason.RTCWDT_RTC)

    def _mem_begin(self, data: bytes) -> bytes:
        _sized(data, 16)
        size, _blocks, _block_size, address = struct.unpack_from("<IIII", data)
        self._upload.append((address, size))
        return b""

    def _mem_data(self, data: bytes) -> bytes:
        self._payload(data)
        if not self._upload:
            raise CommandFailed(Fault.NOT_IN_FLASH_MODE)
        return b""

    def _mem_end(self, data: bytes) -> None:
        _sized(data, 8)
        _stay, entry = struct.unpack_from("<II", data)
        uploaded, self._upload = self._upload, []
        self._reply(None, b"")
        if not entry:
            return
        inside = any(address <= entry < address + size for address, size in uploaded)
        if not inside or sum(size for _, size in uploaded) > _LARGEST_STUB:
            self._machine.idle()  # an application in RAM: the board has no processor to run it
        self._stub = True
        self._write = None
        self._machine.uart.write(encode(b"OHAI"))

    def _flash_begin(self, data: bytes, *, deflated: bool) -> bytes:
        _sized(data, 16)
        size, _blocks, _block_size, offset = struct.unpack_from("<IIII", data)
        if len(data) >= 20 and struct.unpack_from("<I", data, 16)[0]:
            raise CommandFailed(Fault.UNSUPPORTED)  # write encrypted
        try:
            self._write = FlashWrite(self._flash, offset, size, deflated=deflated, erase_ahead=not self._stub)
        except ValueError:
            raise CommandFailed(Fault.FLASH_WRITE) from None
        self._deflated = deflated
        return b""

    def _flash_data(self, data: bytes, *, deflated: bool) -> None:
        payload = self._payload(data)
        if self._write is None or self._deflated is not deflated:
            raise CommandFailed(Fault.NOT_IN_FLASH_MODE)
        try:
            self._write.write(payload)
        except zlib.error:
            raise CommandFailed(Fault.INFLATE) from None
        except Overfull:
            raise CommandFailed(Fault.TOO_MUCH_DATA) from None
        self._reply(None, b"")

    def _flash_end(self, data: bytes) -> None:
        _sized(data, 4)
        stay = struct.unpack_from("<I", data)[0]
        if self._stub and self._write is not None and not self._write.complete:
            self._write = None
            raise CommandFailed(Fault.NOT_ENOUGH_DATA)
        self._write = None
        self._reply(None, b"")
        if not self._stub:
            self._machine.restart(ResetReason.SW_CPU)  # the ROM goes on to the application, whatever the argument
        if not stay:
            self._stub = False  # the stub gives way to the ROM's loader again

    def _flash_md5(self, data: bytes) -> bytes:
        _sized(data, 16)
        offset, size = struct.unpack_from("<II", data)
        try:
            digest = self._flash.md5(offset, size)
        except ValueError:
            raise CommandFailed(Fault.FLASH_READ) from None
        return digest if self._stub else digest.hex().encode()

    def _read_flash_slow(self, data: bytes) -> bytes:
        if self._stub:
            raise CommandFailed(Fault.UNSUPPORTED)
        _sized(data, 8)
        offset, length = struct.unpack_from("<II", data)
        if length > _SLOW_READ:
            raise CommandFailed(Fault.READ_LENGTH)
        try:
            return self._flash.read(offset, length).ljust(_SLOW_READ, b"\x00")
        except ValueError:
            raise CommandFailed(Fault.FLASH_READ) from None

    def _change_baud(self, data: bytes) -> bytes:
        # nothing to do: the line carries bytes, not bits; the host says by itself at which rate it listens
        _sized(data, 8)
        return b""

    def _erase_region(self, data: bytes) -> bytes:
        _sized(data, 8)
        offset, size = struct.unpack_from("<II", data)
        return self._erase(offset, size)

    def _erase(self, offset: int, size: int) -> bytes:
        try:
            self._flash.erase(offset, size, _PURPOSE)
        except ValueError:
            raise CommandFailed(Fault.FLASH_WRITE) from None
        return b""

    def _read_flash(self, data: bytes) -> None:
        _sized(data, 16)
        offset, length, block, window = struct.unpack_from("<IIII", data)
        if offset + length > self._flash.size or not block or not window:
            raise CommandFailed(Fault.FLASH_READ)
        self._reply(None, b"")
        send_flash(
            self._flash.read(offset, length),
            block=block,
            window=window,
            send=lambda payload: self._machine.uart.write(encode(payload)),
            receive=self._next_frame,
        )

    def _payload(self, data: bytes) -> bytes:
        """The bytes of a data command, after its header and checksum were checked."""
        _sized(data, 16)
        size = struct.unpack_from("<I", data)[0]
        payload = data[16:]
        if size != len(payload):
            raise CommandFailed(Fault.INVALID_MESSAGE)
        if errors.checksum(payload) != self._checksum & 0xFF:
            raise CommandFailed(Fault.CHECKSUM)
        return payload


def _sized(data: bytes, least: int) -> None:
    if len(data) < least:
        raise CommandFailed(Fault.INVALID_MESSAGE)


def _accepted(data: bytes, least: int) -> bytes:
    """Of a command that sets up what this flash does not need."""
    _sized(data, least)
    return b""
