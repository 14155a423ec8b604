"""Two names for one board have one lease, two boards never have one; and a board that is away is known to be."""

from __future__ import annotations

import os
import pty
import socket
from pathlib import Path

import pytest

from bench.boards.board import Board, LabgridPlace, UsbIdentity
from bench.boards.ports import Port
from bench.boards.whereabouts import absence, is_attached, lease_key

NATIVE = Port("/dev/ttyACM0", 0x303A, 0x1001, "F4:12:FA:00:00:01", "1-2.3")
BRIDGE = Port("/dev/ttyUSB0", 0x10C4, 0xEA60, "0001", "1-2.4")
CLONE = Port("/dev/ttyUSB1", 0x10C4, 0xEA60, "0001", "1-2.5")
CHANNELS = (Port("/dev/ttyUSB2", 0x0403, 0x6010, "FT", "2-1"), Port("/dev/ttyUSB3", 0x0403, 0x6010, "FT", "2-1"))
PORTS = (NATIVE, BRIDGE, CLONE, *CHANNELS)


def local(port: str = "", *, usb: UsbIdentity | None = None, mac: str = "") -> Board:
    return Board(name="desk", chip="esp32s3", driver="serial", port=port, usb=usb, mac=mac)


def key(board: Board, ports: tuple[Port, ...] = PORTS) -> str | None:
    return lease_key(board, lambda: ports)


@pytest.mark.parametrize(
    "other",
    [
        local(usb=UsbIdentity(serial="F4:12:FA:00:00:01")),
        local(usb=UsbIdentity(location="1-2.3")),
        local(mac="f4:12:fa:00:00:01"),
    ],
    ids=["serial number", "location", "MAC"],
)
def test_a_usb_board_has_one_key_however_it_is_named(other: Board) -> None:
    assert key(other) == key(local("/dev/ttyACM0")) == "usb 1-2.3"


def test_a_link_to_a_port_has_the_key_of_the_port(tmp_path: Path) -> None:
    device, link = tmp_path / "tty", tmp_path / "by-id"
    device.touch()
    link.symlink_to(device)
    assert key(local(str(link))) == key(local(str(device))) == f"port {device.resolve()}"


def test_a_usb_board_keeps_its_key_under_another_name() -> None:
    """The chip's own USB comes back from a reset as whatever is free."""
    moved = Port("/dev/ttyACM7", NATIVE.vid, NATIVE.pid, NATIVE.serial, NATIVE.location)
    board = local(usb=UsbIdentity(serial=NATIVE.serial))
    assert key(board, (moved,)) == key(board)


def test_bridges_with_the_same_serial_number_are_two_boards() -> None:
    assert key(local("/dev/ttyUSB0")) != key(local("/dev/ttyUSB1"))


def test_the_channels_of_one_bridge_are_two_boards() -> None:
    assert key(local("/dev/ttyUSB2")) != key(local("/dev/ttyUSB3"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rfc2217://lab:4000", "rfc2217://LAB:4000?ign_set_control"),
        ("rfc2217://localhost:4000", "socket://127.0.0.1:4000"),
    ],
)
def test_urls_that_lead_to_one_port_have_one_key(one: str, other: str) -> None:
    assert key(local(one)) == key(local(other))


def test_urls_that_lead_to_two_ports_have_two() -> None:
    assert key(local("rfc2217://lab:4000")) != key(local("rfc2217://lab:4001"))


def test_what_everybody_starts_for_himself_needs_no_lease() -> None:
    for driver in ("virtual", "qemu", "espemu"):
        assert key(Board(name="model", chip="esp32", driver=driver)) is None


def test_a_place_of_labgrid_has_a_key_and_a_reservation_none() -> None:
    def held(place: LabgridPlace) -> str | None:
        return key(Board(name="rack", chip="esp32", driver="labgrid", labgrid=place))

    assert held(LabgridPlace("lab:20408", "rack-1")) == "labgrid lab:20408 rack-1"
    assert held(LabgridPlace("lab:20408", tags=(("chip", "esp32"),))) is None


def test_a_board_is_attached_when_its_port_is_there(tmp_path: Path) -> None:
    port = tmp_path / "tty"
    assert not is_attached(local(str(port)))
    port.touch()
    assert is_attached(local(str(port)))
    assert is_attached(local("rfc2217://nowhere:1"))
    there = UsbIdentity(location="1-2.4")
    assert is_attached(local(usb=there), lambda: PORTS)
    assert not is_attached(local(usb=there), lambda: (NATIVE,))


def test_a_server_that_has_ended_is_an_absence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = f"rfc2217://127.0.0.1:{server.getsockname()[1]}"
        assert absence(local(port), port) is None
    why = absence(local(port), port)
    assert why is not None
    assert "nothing answers at 127.0.0.1:" in why


def test_a_device_that_is_gone_is_an_absence(tmp_path: Path) -> None:
    device = tmp_path / "tty"
    master, slave = pty.openpty()
    try:
        device.symlink_to(os.ttyname(slave))
        assert absence(local(str(device)), str(device), ports=lambda: ()) is None
    finally:
        os.close(slave)
        os.close(master)
    why = absence(local(str(device)), str(device), grace=0.0, ports=lambda: ())
    assert why is not None
    assert str(device) in why


def test_a_device_that_came_back_under_another_name_is_none(tmp_path: Path) -> None:
    device = tmp_path / "ttyACM7"
    device.touch()
    moved = Port(str(device), NATIVE.vid, NATIVE.pid, NATIVE.serial, NATIVE.location)
    board = local(usb=UsbIdentity(serial=NATIVE.serial))
    assert absence(board, "/dev/ttyACM0-as-it-was", grace=0.0, ports=lambda: (moved,)) is None
