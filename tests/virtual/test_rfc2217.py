"""The RFC 2217 port: pyserial's own client as oracle, clients that leave or never read, and hostile bytes."""

from __future__ import annotations

import random
import socket
import threading
from typing import NoReturn

import pytest
import serial

from bench.virtual import telnet
from bench.virtual.machine import Machine
from tests.virtual.benchtop import PATIENCE, Benchtop, benchtop

# pyserial 3.5 names its thread the old way
stock_client = pytest.mark.filterwarnings("ignore:set(Daemon|Name).. is deprecated:DeprecationWarning")

SIGNATURE = telnet.subnegotiation(telnet.COM_PORT, b"\x64ota-bench virtual board")


def connect(bench: Benchtop) -> socket.socket:
    return socket.create_connection(bench.address, timeout=PATIENCE)


def settle(sock: socket.socket) -> bytes:
    """Ask for the signature, and return all that came before and with the answer: everything sent was handled."""
    sock.sendall(telnet.subnegotiation(telnet.COM_PORT, b"\x00"))
    heard = b""
    while SIGNATURE not in heard:
        piece = sock.recv(65536)
        assert piece, "the server has closed the connection"
        heard += piece
    return heard


def hear(sock: socket.socket, text: bytes) -> bytes:
    heard = b""
    while text not in heard:
        piece = sock.recv(65536)
        assert piece, "the server has closed the connection"
        heard += piece
    return heard


@stock_client
def test_the_stock_client_resets_talks_and_changes_the_line() -> None:
    with benchtop("esp32c3") as bench, serial.serial_for_url(bench.rfc2217, timeout=PATIENCE) as port:
        port.dtr = False
        port.rts = True
        port.rts = False
        assert port.read_until(b"application\r\n").startswith(b"ESP-ROM:esp32c3")
        port.write(b"\xff\xfe\x00 all bytes\n")
        assert port.read_until(b">\r\n") == b"<\xff\xfe\x00 all bytes>\r\n"
        port.baudrate = 921600
        assert bench.board.machine.uart.host_baud == 921600
        port.parity = "E"
        assert port.cts
        port.rts = True
        port.dtr = True
        port.rts = False
        assert port.read_until(b"waiting for download\r\n").endswith(b"waiting for download\r\n")


@stock_client
def test_opening_and_leaving_reset_nothing() -> None:
    with benchtop("esp32c3") as bench:
        with serial.serial_for_url(bench.rfc2217, timeout=PATIENCE) as port:
            port.write(b"one\n")
            assert port.read_until(b">\r\n") == b"<one>\r\n"
        with serial.serial_for_url(bench.rfc2217, timeout=PATIENCE) as port:
            port.write(b"two\n")
            assert port.read_until(b">\r\n") == b"<two>\r\n"
        assert bench.board.resets == 1


def test_a_second_client_gets_in_when_the_first_leaves() -> None:
    with benchtop("esp32") as bench, connect(bench) as first, connect(bench) as second:
        settle(first)
        second.sendall(b"hello\n")
        first.close()
        hear(second, b"<hello>\r\n")


def test_a_client_that_vanishes_frees_the_port() -> None:
    with benchtop("esp32") as bench:
        for _ in range(20):
            with connect(bench) as sock:
                settle(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        with connect(bench) as sock:
            settle(sock)


def test_a_client_that_vanishes_in_reset_lets_the_board_go() -> None:
    with benchtop("esp32") as bench:
        with connect(bench) as sock:
            sock.sendall(telnet.subnegotiation(telnet.COM_PORT, b"\x05\x0b"))  # RTS on
            settle(sock)
            assert bench.board.resets == 1
        with connect(bench) as sock:
            sock.sendall(b"up?\n")
            hear(sock, b"<up?>")
            assert bench.board.resets == 2


def test_hostile_bytes_do_not_kill_the_server() -> None:
    seed = 20
    noise = random.Random(seed)
    with benchtop("esp32") as bench:
        for _ in range(30):
            with connect(bench) as sock:
                commands = b"".join(
                    telnet.subnegotiation(
                        noise.randrange(256) if noise.random() < 0.2 else 44, noise.randbytes(noise.randrange(8))
                    )
                    + telnet.negotiation(noise.randrange(251, 255), noise.randrange(256))
                    for _ in range(20)
                )
                sock.sendall(noise.randbytes(200) + commands + noise.randbytes(100) + b"\xff\xf0\xff\xf0")
        bench.board.reset()
        with connect(bench) as sock:
            settle(sock)
            sock.sendall(b"\nalive\n")
            hear(sock, b"<alive>")


def test_no_answer_is_answered() -> None:
    """Agreeing to what the server has agreed to already ends the negotiation."""
    with benchtop("esp32") as bench, connect(bench) as sock:
        settle(sock)
        for option in (telnet.BINARY, telnet.SGA):
            sock.sendall(telnet.negotiation(telnet.DO, option) + telnet.negotiation(telnet.WILL, option))
        assert settle(sock) == SIGNATURE
        sock.sendall(telnet.negotiation(telnet.DO, 99) + telnet.negotiation(telnet.WONT, telnet.BINARY))
        answer = settle(sock)
        assert answer.startswith(telnet.negotiation(telnet.WONT, 99) + telnet.negotiation(telnet.DONT, telnet.BINARY))


CHUNK = b"0123456789abcde\n" * 4096


class Flood:
    """Firmware that writes sixteen mebibytes without a pause, and then answers as `echo` does."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def __call__(self, machine: Machine) -> NoReturn:
        machine.uart.read_line()
        for _ in range(256):
            machine.uart.write(CHUNK)
        self.over.set()
        while True:
            machine.uart.write(machine.uart.read_line())


def test_a_client_that_does_not_read_blocks_nobody() -> None:
    """What its queue cannot hold is lost, as in an overrun; what it can hold arrives in order."""
    flood = Flood()
    with benchtop("esp32", flood) as bench, connect(bench) as sock:
        settle(sock)
        sock.sendall(b"go\n")
        assert flood.over.wait(PATIENCE)
        lost = bench.board.machine.uart.overruns
        assert 0 < lost < len(CHUNK) * 256
        heard = bytearray()
        while len(heard) < len(CHUNK) * 256 - lost:
            heard += sock.recv(1 << 20)
        assert heard.replace(CHUNK, b"") == b""
        sock.sendall(b"still here\n")
        assert hear(sock, b"still here") == b"still here"


def test_a_purge_drops_what_waits_and_keeps_the_line_intact() -> None:
    flood = Flood()
    with benchtop("esp32", flood) as bench, connect(bench) as sock:
        settle(sock)
        sock.sendall(b"go\n")
        assert flood.over.wait(PATIENCE)
        purge = telnet.subnegotiation(telnet.COM_PORT, b"\x0c\x01")
        sock.sendall(purge)
        heard = hear(sock, telnet.subnegotiation(telnet.COM_PORT, b"\x70\x01"))
        assert len(heard) < (8 << 20) - (1 << 20)
        assert heard[:-7] == CHUNK * (len(heard) // len(CHUNK)) + CHUNK[: len(heard[:-7]) % len(CHUNK)]
        sock.sendall(b"after\n")
        assert hear(sock, b"after") == b"after"
