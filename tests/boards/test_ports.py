"""The serial ports of a machine: found in sysfs as pyserial finds them, and who holds one open."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.boards.ports import ListedPorts, Port, SysfsPorts, holders, machine_ports
from tests.boards.usb_board import Terminal, UsbIds, UsbTree

MAC = "7C:DF:A1:B0:F5:A4"


def test_a_machine_without_usb_has_no_ports(tmp_path: Path) -> None:
    assert SysfsPorts(tmp_path)() == ()


def test_usb_ports_are_told_with_their_device(tmp_path: Path) -> None:
    tree = UsbTree(tmp_path)
    native = tree.plug("ttyACM0", "/dev/null", usb=UsbIds.native(MAC), location="1-2")
    bridge = tree.plug("ttyUSB0", "/dev/null", usb=UsbIds.bridge(), location="3-1.4")
    assert SysfsPorts(tmp_path)() == (
        Port(str(native), 0x303A, 0x1001, MAC, "1-2", 0, "USB JTAG/serial debug unit"),
        Port(str(bridge), 0x10C4, 0xEA60, "0001", "3-1.4", 0, "CP2102 USB to UART Bridge Controller"),
    )


def test_a_usb_serial_port_is_one_folder_deeper(tmp_path: Path) -> None:
    """usb-serial puts a device between the interface and the tty, cdc-acm does not."""
    tree = UsbTree(tmp_path)
    tree.plug("ttyUSB3", "/dev/null", usb=UsbIds.bridge("A1"), location="1-1", interface=1)
    link = tmp_path / "sys/class/tty/ttyUSB3/device"
    deeper = link.resolve() / "ttyUSB3"
    deeper.mkdir()
    link.unlink()
    link.symlink_to(deeper)
    (port,) = SysfsPorts(tmp_path)()
    assert (port.serial, port.location, port.interface) == ("A1", "1-1", 1)


def test_a_port_without_usb_is_told_by_its_path_alone(tmp_path: Path) -> None:
    UsbTree(tmp_path)
    (tmp_path / "sys/class/tty/ttyS0/device").mkdir(parents=True)
    (tmp_path / "sys/class/tty/tty1").mkdir()
    (tmp_path / "dev/ttyS0").touch()
    (tmp_path / "dev/tty1").touch()
    (port,) = SysfsPorts(tmp_path)()
    assert port == Port(str(tmp_path / "dev/ttyS0"))
    assert not port.usb
    assert str(port) == port.device


def test_a_device_that_leaves_while_it_is_looked_at_is_left_out(tmp_path: Path) -> None:
    tree = UsbTree(tmp_path)
    tree.plug("ttyACM0", "/dev/null", usb=UsbIds.native(MAC))
    tree.plug("ttyACM1", "/dev/null", usb=UsbIds.native("other"), location="1-3")
    (tmp_path / "sys/devices/usb1/1-2/idProduct").unlink()
    (tmp_path / "sys/devices/usb1/1-3/idVendor").write_text("\n")
    assert SysfsPorts(tmp_path)() == ()


def test_only_the_chips_own_usb_tells_its_mac() -> None:
    assert Port("x", 0x303A, 0x1001, MAC).mac == MAC.lower()
    assert not Port("x", 0x10C4, 0xEA60, MAC).mac
    assert "USB 303a:1001" in str(Port("x", 0x303A, 0x1001, MAC, "1-2"))


@pytest.mark.skipif(sys.platform != "linux", reason="compares with pyserial's view of Linux's sysfs")
def test_this_machines_usb_ports_are_those_that_pyserial_lists() -> None:
    assert {port for port in machine_ports()() if port.usb} == {port for port in ListedPorts()() if port.usb}


def test_another_process_that_holds_a_port_is_named(tmp_path: Path) -> None:
    terminal = Terminal()
    node = tmp_path / "ttyACM0"
    node.symlink_to(terminal.path)
    script = "import sys; port = open(sys.argv[1], 'rb', 0); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(node), "a-monitor"]
    try:
        assert holders(str(node)) == ()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            (holder,) = holders(str(node))
            assert holder.pid == process.pid
            assert sys.executable in str(holder)
            assert process.stdin is not None
            process.stdin.close()
        assert holders(str(node)) == ()
        assert os.path.exists(terminal.path)
    finally:
        terminal.close()
