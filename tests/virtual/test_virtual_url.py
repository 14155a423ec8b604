"""``virtual://``: a pyserial port whose calls have taken effect when they return."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import serial

from tests.virtual.benchtop import PATIENCE, benchtop

PACKAGE = "bench.boards.serialurl"


@pytest.fixture(autouse=True)
def handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler, for one test."""
    monkeypatch.setattr(serial, "protocol_handler_packages", [*serial.protocol_handler_packages, PACKAGE])


@pytest.fixture
def line(handler: None) -> Iterator[serial.Serial]:  # noqa: ARG001 (for its effect)
    with benchtop("esp32s3") as bench, serial.serial_for_url(bench.virtual, timeout=PATIENCE) as opened:
        yield opened


def test_reset_into_application_and_download(line: serial.Serial) -> None:
    line.dtr = False
    line.rts = True
    line.rts = False
    assert line.read_until(b"application\r\n").startswith(b"ESP-ROM:esp32s3")
    line.rts = True
    line.dtr = True
    line.rts = False
    line.dtr = False
    assert b"boot:0x0 (DOWNLOAD" in line.read_until(b"waiting for download\r\n")


def test_all_bytes_come_through(line: serial.Serial) -> None:
    data = bytes(byte for byte in range(256) if byte not in b"\r\n") * 50
    line.write(data + b"\n")
    assert line.read(len(data) + 4) == b"<" + data + b">\r\n"


def test_the_timeout(line: serial.Serial) -> None:
    line.timeout = 0
    assert line.read(10) == b""
    line.timeout = 0.01
    assert line.read(10) == b""
    assert line.in_waiting == 0
    line.timeout = PATIENCE
    line.write(b"x\n")
    assert line.read(3) == b"<x>"


def test_a_purge_drops_what_came_before(line: serial.Serial) -> None:
    line.write(b"one\n")
    line.read_until(b"<one")
    line.write(b"two\n")
    while line.in_waiting < len(b">\r\n<two>\r\n"):
        pass
    line.reset_input_buffer()
    assert line.in_waiting == 0
    line.write(b"three\n")
    assert line.read_until(b">\r\n") == b"<three>\r\n"


def test_its_name_makes_esptool_set_one_line_at_a_time(line: serial.Serial) -> None:
    assert str(line.name).startswith("rfc2217:")
    assert str(line.port).startswith("virtual://")


def test_opening_resets_nothing_and_a_port_can_be_opened_again() -> None:
    with benchtop("esp32") as bench:
        for _ in range(3):
            with serial.serial_for_url(bench.virtual, timeout=PATIENCE, exclusive=True) as port:
                port.write(b"again\n")
                assert port.read_until(b">\r\n") == b"<again>\r\n"
                settings = port.get_settings()
                port.close()
                port.open()
                port.apply_settings(settings)
                port.write(b"and again\n")
                assert port.read_until(b">\r\n") == b"<and again>\r\n"
        assert bench.board.resets == 1


def test_settings_reach_the_board() -> None:
    with benchtop("esp32") as bench, serial.serial_for_url(bench.virtual, baudrate=9600) as port:
        assert bench.board.machine.uart.host_baud == 9600
        port.baudrate = 921600
        assert bench.board.machine.uart.host_baud == 921600
        assert (port.cts, port.dsr, port.cd, port.ri) == (True, True, True, False)
        with pytest.raises(ValueError, match="baudrate"):
            port.baudrate = 1 << 33


def test_a_read_can_be_cancelled(line: serial.Serial) -> None:
    line.timeout = None
    started = threading.Event()
    got: list[bytes] = []

    def read() -> None:
        started.set()
        got.append(line.read(1))

    reader = threading.Thread(target=read)
    reader.start()
    assert started.wait(PATIENCE)
    while reader.is_alive():
        line.cancel_read()  # a cancellation before the read has begun is no cancellation
    assert got == [b""]


def test_a_board_that_is_gone_is_an_error() -> None:
    with benchtop("esp32") as bench:
        port = serial.serial_for_url(bench.virtual, timeout=PATIENCE)
    with pytest.raises(serial.SerialException, match="gone"):
        port.read(1)
    with pytest.raises(serial.SerialException):
        _ = port.in_waiting
    with pytest.raises(serial.SerialException):
        port.dtr = False
    port.close()
    with pytest.raises(serial.PortNotOpenError):
        port.write(b"x")


def test_no_board_no_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
    with pytest.raises(serial.SerialException, match="no virtual board"):
        serial.serial_for_url(f"virtual://127.0.0.1:{number}")


@pytest.mark.parametrize("url", ["virtual://", "virtual://host", "virtual://host:port"])
def test_malformed_urls(url: str) -> None:
    with pytest.raises(serial.SerialException, match="virtual://"):
        serial.serial_for_url(url)
