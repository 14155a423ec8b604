"""The serial loader, frame by frame: what ROM and stub answer, and how they refuse."""

from __future__ import annotations

import hashlib
import queue
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.virtual import rom
from bench.virtual.board import Board
from bench.virtual.chips import CHIPS
from bench.virtual.machine import Machine
from bench.virtual.rom.errors import checksum
from bench.virtual.rom.slip import SlipReader, encode
from bench.virtual.rom.writing import FlashWrite, Overfull
from tests.virtual.benchtop import PATIENCE, echo

SECTOR = 4096


class Host:
    """The other end of the serial line."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.machine = board.machine
        self.heard: queue.Queue[bytes] = queue.Queue()
        self._slip = SlipReader()
        self._frames: list[bytes] = []
        board.machine.uart.listen(self.heard.put)

    def text(self) -> str:
        """What is printed next."""
        return self.heard.get(timeout=PATIENCE).decode()

    def frame(self) -> bytes:
        while not self._frames:
            self._frames += self._slip.feed(self.heard.get(timeout=PATIENCE))
        return self._frames.pop(0)

    def send(self, command: int, data: bytes = b"", check: int = 0) -> None:
        self.board.feed(encode(struct.pack("<BBHI", 0, command, len(data), check) + data))

    def ask(self, command: int, data: bytes = b"", check: int = 0) -> tuple[int, bytes]:
        """Value and data of the answer, status bytes included."""
        self.send(command, data, check)
        return self.answer(command)

    def answer(self, command: int) -> tuple[int, bytes]:
        direction, answered, length, value = struct.unpack_from("<BBHI", frame := self.frame())
        assert (direction, answered, length) == (1, command, len(frame) - 8)
        return value, frame[8:]

    def block(self, command: int, data: bytes, sequence: int = 0) -> bytes:
        head = struct.pack("<IIII", len(data), sequence, 0, 0)
        return self.ask(command, head + data, checksum(data))[1]

    def start_stub(self, entry: int = 0x40380E9A, size: int = 8000) -> None:
        text = bytes(size)
        assert self.ask(0x05, struct.pack("<IIII", size, 2, 0x1800, entry & ~0xFFF))[1] == OK_ROM
        for at in range(0, size, 0x1800):
            assert self.block(0x07, text[at : at + 0x1800]) == OK_ROM
        assert self.ask(0x06, struct.pack("<II", 0, entry))[1] == OK_ROM
        assert self.frame() == b"OHAI"


OK_ROM, OK_STUB = bytes(4), bytes(2)


@contextmanager
def download_mode(chip: str) -> Iterator[Host]:
    """A host at a board whose ROM waits for download."""
    board = Board(Machine.assemble(chip), firmware=echo, download=rom.run)
    board.set_lines(dtr=False, rts=True)
    board.set_lines(dtr=True, rts=False)
    board.set_lines(dtr=False, rts=False)
    host = Host(board)
    with board:
        assert host.text().endswith("waiting for download\r\n")
        yield host


@pytest.fixture(params=CHIPS)
def chip(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


BANNERS = {
    "esp32": "ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x3 "
    "(DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\nwaiting for download\r\n",
    "esp32c3": "ESP-ROM:esp32c3-api1-20210207\r\nBuild:Feb  7 2021\r\nrst:0x1 (POWERON),boot:0x4 "
    "(DOWNLOAD(USB/UART0/1))\r\nwaiting for download\r\n",
    "esp32s3": "ESP-ROM:esp32s3-20210327\r\nBuild:Mar 27 2021\r\nrst:0x1 (POWERON),boot:0x0 "
    "(DOWNLOAD(USB/UART0))\r\nwaiting for download\r\n",
}


def test_banner(chip: str) -> None:
    heard: queue.Queue[bytes] = queue.Queue()
    board = Board(Machine.assemble(chip), firmware=echo, download=rom.run)
    board.machine.uart.listen(heard.put)
    board.set_lines(dtr=False, rts=True)
    board.set_lines(dtr=True, rts=False)
    with board:
        assert heard.get(timeout=PATIENCE).decode() == BANNERS[chip]


def test_sync_is_answered_eight_times_and_tells_rom_from_stub(chip: str) -> None:
    with download_mode(chip) as host:
        for value, ok in ((0x20120707, OK_ROM), (0, OK_STUB)):
            host.send(0x08, b"\x07\x07\x12\x20" + 32 * b"\x55")
            assert [host.answer(0x08) for _ in range(8)] == [(value, ok)] * 8
            if value:
                host.start_stub()


def test_registers_keep_what_is_written(chip: str) -> None:
    with download_mode(chip) as host:
        assert host.ask(0x09, struct.pack("<IIII", 0x3FFB0000, 0x12345678, 0xFFFFFFFF, 0))[1] == OK_ROM
        assert host.ask(0x09, struct.pack("<IIII", 0x3FFB0000, 0xFFFFFFFF, 0x0000FF00, 0))[1] == OK_ROM
        assert host.ask(0x0A, struct.pack("<I", 0x3FFB0000)) == (0x1234FF78, OK_ROM)


def test_security_info() -> None:
    for name, chip_id in (("esp32c3", 5), ("esp32s3", 9)):
        with download_mode(name) as host:
            _, data = host.ask(0x14)
            assert struct.unpack("<IB7BII", data[:20])[9] == chip_id
            assert data[20:] == OK_ROM
            efuse = host.machine.efuse
            efuse.put(efuse.blocks.burnt("WAFER_VERSION_MINOR", 7).to_bytes())
            assert struct.unpack("<IB7BII", host.ask(0x14)[1][:20])[10] == 7
    with download_mode("esp32") as host:
        assert host.ask(0x14)[1] == b"\x01\x05\x00\x00"


@pytest.mark.parametrize("stub", [False, True])
def test_plain_write(chip: str, stub: bool) -> None:
    data = bytes(range(256)) * 20
    with download_mode(chip) as host:
        host.machine.flash.poke(0, bytes(4 * SECTOR))
        if stub:
            host.start_stub()
        ok = OK_STUB if stub else OK_ROM
        assert host.ask(0x02, struct.pack("<IIII", len(data), 5, 1024, SECTOR))[1] == ok
        for at in range(0, len(data), 1024):
            assert host.block(0x03, data[at : at + 1024], at // 1024) == ok
        _, md5 = host.ask(0x13, struct.pack("<IIII", SECTOR, len(data), 0, 0))
        digest = hashlib.md5(data).digest()
        assert md5 == (digest + OK_STUB if stub else digest.hex().encode() + OK_ROM)
        flash = host.machine.flash.peek(0, 4 * SECTOR)
        assert flash == bytes(SECTOR) + data + b"\xff" * (2 * SECTOR - len(data)) + bytes(SECTOR)


@pytest.mark.parametrize("stub", [False, True])
def test_deflated_write(stub: bool) -> None:
    data = bytes(range(256)) * 64
    packed = zlib.compress(data, 9)
    with download_mode("esp32c3") as host:
        if stub:
            host.start_stub()
        ok = OK_STUB if stub else OK_ROM
        assert host.ask(0x10, struct.pack("<IIIII", len(data), 1, 100, 0x10000, 0))[1] == ok
        for at in range(0, len(packed), 100):
            assert host.block(0x11, packed[at : at + 100], at // 100) == ok
        assert host.machine.flash.peek(0x10000, len(data)) == data


def test_the_stub_erases_only_what_it_writes() -> None:
    """Nothing is erased up front: a host that leaves has cost no more than what it wrote."""
    with download_mode("esp32c3") as host:
        host.machine.flash.poke(0, bytes(2 * SECTOR))
        host.start_stub()
        host.ask(0x02, struct.pack("<IIII", 2 * SECTOR, 2, SECTOR, 0))
        assert host.block(0x03, b"\xaa" * SECTOR) == OK_STUB
        assert host.machine.flash.peek(0, 2 * SECTOR) == b"\xaa" * SECTOR + bytes(SECTOR)


def test_a_padded_last_block_does_not_reach_the_next_sector() -> None:
    with download_mode("esp32c3") as host:
        host.machine.flash.poke(0, bytes(2 * SECTOR))
        host.start_stub()
        host.ask(0x02, struct.pack("<IIII", 100, 1, 0x4000, 0))
        assert host.block(0x03, b"\x55" * 100 + b"\xff" * (0x4000 - 100)) == OK_STUB
        assert host.machine.flash.peek(0, 2 * SECTOR) == b"\x55" * 100 + b"\xff" * (SECTOR - 100) + bytes(SECTOR)


def test_erasing_with_the_stub() -> None:
    with download_mode("esp32") as host:
        host.machine.flash.poke(0, bytes(4 * SECTOR))
        assert host.ask(0xD1, struct.pack("<II", 0, SECTOR))[1] == b"\x01\x05\x00\x00"
        host.start_stub(0x400A902C)
        assert host.ask(0xD1, struct.pack("<II", SECTOR, SECTOR))[1] == OK_STUB
        assert host.machine.flash.peek(0, 3 * SECTOR) == bytes(SECTOR) + b"\xff" * SECTOR + bytes(SECTOR)
        assert host.ask(0xD1, struct.pack("<II", 1, SECTOR))[1] == b"\xc4\x00"
        assert host.ask(0xD0)[1] == OK_STUB
        assert host.machine.flash.peek(0, 4 * SECTOR) == b"\xff" * 4 * SECTOR


def test_reading_waits_for_acknowledgements() -> None:
    content = bytes(range(256)) * 48
    with download_mode("esp32s3") as host:
        host.machine.flash.poke(0, content)
        host.start_stub()
        assert host.ask(0xD2, struct.pack("<IIII", 0, len(content), SECTOR, 2))[1] == OK_STUB
        assert host.frame() + host.frame() == content[: 2 * SECTOR]
        assert host.heard.empty()
        host.board.feed(encode(struct.pack("<I", SECTOR)))
        assert host.frame() == content[2 * SECTOR :]
        host.board.feed(encode(struct.pack("<I", 2 * SECTOR)) + encode(struct.pack("<I", 3 * SECTOR)))
        assert host.frame() == hashlib.md5(content).digest()
        assert host.ask(0x0A, struct.pack("<I", 0x40001000))[1] == OK_STUB


def test_slow_read_of_the_rom() -> None:
    with download_mode("esp32") as host:
        host.machine.flash.poke(0x100, b"slow")
        assert host.ask(0x0E, struct.pack("<II", 0x100, 4))[1] == b"slow" + bytes(60) + OK_ROM
        assert host.ask(0x0E, struct.pack("<II", 0x100, 65))[1] == b"\x01\x0a\x00\x00"


REFUSALS = [
    # command, data, checksum, ROM's code, stub's code
    ("unknown command", 0x77, b"", 0, 0x05, 0xFF),
    ("short data", 0x0A, b"\x00", 0, 0x05, 0xC0),
    ("data without begin", 0x03, struct.pack("<IIII", 4, 0, 0, 0) + b"1234", checksum(b"1234"), 0x06, 0xC6),
    ("wrong checksum", 0x03, struct.pack("<IIII", 4, 0, 0, 0) + b"1234", 0, 0x07, 0xC1),
    ("length that is not so", 0x03, struct.pack("<IIII", 5, 0, 0, 0) + b"1234", checksum(b"1234"), 0x05, 0xC0),
    ("write outside", 0x02, struct.pack("<IIII", SECTOR, 1, 1024, 8 << 20), 0, 0x08, 0xC4),
    ("digest outside", 0x13, struct.pack("<IIII", (8 << 20) - 1, 2, 0, 0), 0, 0x09, 0xC4),
    ("encrypted write", 0x02, struct.pack("<IIIII", SECTOR, 1, 1024, 0, 1), 0, 0x05, 0xFF),
    ("wrong sync", 0x08, bytes(36), 0, 0x05, 0xC0),
]


@pytest.mark.parametrize("stub", [False, True])
def test_refusals(stub: bool) -> None:
    """One board takes them all, and goes on."""
    with download_mode("esp32c3") as host:
        if stub:
            host.start_stub()
        for what, command, data, check, rom_code, stub_code in REFUSALS:
            status = bytes((stub_code, 0)) if stub else bytes((1, rom_code, 0, 0))
            assert host.ask(command, data, check)[1] == status, what
        assert host.machine.flash.door.operations == 0


def test_deflate_errors() -> None:
    with download_mode("esp32c3") as host:
        host.start_stub()
        host.ask(0x10, struct.pack("<IIII", 100, 1, 1024, 0))
        assert host.block(0x11, b"not a zlib stream") == b"\xc7\x00"
        host.ask(0x10, struct.pack("<IIII", 100, 1, 1024, 0))
        assert host.block(0x11, zlib.compress(bytes(200))) == b"\xc9\x00"
        host.ask(0x10, struct.pack("<IIII", 100, 1, 1024, 0))
        assert host.block(0x11, zlib.compress(bytes(50))) == OK_STUB
        assert host.ask(0x12, struct.pack("<I", 1))[1] == b"\xc8\x00"


def test_a_block_is_inflated_no_further_than_what_was_announced() -> None:
    """64 MiB of zeros are 64 KiB deflated."""
    bomb = zlib.compress(bytes(64 << 20))
    flash = Machine.assemble("esp32c3", flash_size=SECTOR).flash
    write = FlashWrite(flash, 0, 100, deflated=True, erase_ahead=False)
    tracemalloc.start()
    try:
        with pytest.raises(Overfull):
            write.write(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_frames_that_are_no_commands_are_ignored() -> None:
    with download_mode("esp32c3") as host:
        host.board.feed(encode(b"short") + encode(b"\x01" * 20) + b"\xc0\xc0\xdb" + encode(b"x"))
        assert host.ask(0x0A, struct.pack("<I", 0x40001000)) == (0x1B31506F, OK_ROM)


def test_the_watchdog_resets_the_chip_once_it_is_locked() -> None:
    with download_mode("esp32c3") as host:
        for address, value in (
            (0x600080A8, 0x50D83AA1),
            (0x60008094, 2000),
            (0x60008090, 1 << 31 | 2),
            (0x600080A8, 0),
        ):
            assert host.ask(0x09, struct.pack("<IIII", address, value, 0xFFFFFFFF, 0))[1] == OK_ROM
        assert "rst:0x10 (RTCWDT_RTC_RST),boot:0x8 (SPI_FAST_FLASH_BOOT)" in host.text()


def test_ending_a_write_through_the_rom_starts_the_application() -> None:
    with download_mode("esp32") as host:
        host.ask(0x02, struct.pack("<IIII", 0, 0, 1024, 0))
        assert host.ask(0x04, struct.pack("<I", 1))[1] == OK_ROM
        assert "boot:0x13 (SPI_FAST_FLASH_BOOT)" in host.text()


def test_an_application_in_ram_is_not_taken_for_a_stub() -> None:
    with download_mode("esp32") as host:
        host.ask(0x05, struct.pack("<IIII", 100_000, 20, 0x1800, 0x40080000))
        assert host.ask(0x06, struct.pack("<II", 0, 0x40080000))[1] == OK_ROM
        host.send(0x08, b"\x07\x07\x12\x20" + 32 * b"\x55")
        host.board.reset()
        assert "boot:" in host.text()
        assert host.heard.get(timeout=PATIENCE) == b"application\r\n"
        assert host.heard.empty()
