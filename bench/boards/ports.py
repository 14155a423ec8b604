"""The serial ports of this machine: which there are, which USB device each belongs to, and who holds one open."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from serial.tools.list_ports import comports

__all__ = ["Holder", "ListedPorts", "Port", "Ports", "SysfsPorts", "holders", "machine_ports", "same_file"]

_ESPRESSIF, _USB_SERIAL_JTAG = 0x303A, 0x1001
"""USB ids of the USB-Serial/JTAG controller in S3, C3 and later chips (esptool's `USB_JTAG_SERIAL_PID`)."""


@dataclass(frozen=True, slots=True)
class Port:
    """One serial port, and the USB device that it belongs to."""

    device: str
    """Its path today: ``/dev/ttyACM0``. It may be another one after the next reset."""
    vid: int | None = None
    pid: int | None = None
    serial: str = ""
    """USB serial number; empty where the device has none. Some bridges all have the same one."""
    location: str = ""
    """Bus and ports: ``1-2.3``."""
    interface: int = 0
    """Which of the device's USB interfaces: an FT2232 has two ports."""
    product: str = ""

    @property
    def usb(self) -> bool:
        """Is it a USB device?"""
        return self.vid is not None

    @property
    def native(self) -> bool:
        """Is it the chip's own USB-Serial/JTAG, and no bridge?"""
        return (self.vid, self.pid) == (_ESPRESSIF, _USB_SERIAL_JTAG)

    @property
    def mac(self) -> str:
        """The chip's MAC address, which its own USB has as the serial number; empty on a bridge."""
        return self.serial.lower() if self.native else ""

    def __str__(self) -> str:
        if not self.usb:
            return self.device
        serial = f"serial {self.serial}" if self.serial else "no serial number"
        return f"{self.device} (USB {self.vid:04x}:{self.pid:04x}, {serial}, location {self.location or 'unknown'})"


class Ports(Protocol):
    """Where serial ports are looked for."""

    def __call__(self) -> tuple[Port, ...]:
        """The ports that are there now, in the order of their names."""


class SysfsPorts:
    """The ports that Linux shows below `root`, in ``sys/class/tty`` and ``dev``.

    The same facts as pyserial's list, which cannot be pointed at another folder.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def __call__(self) -> tuple[Port, ...]:
        """Ports with a device behind them and a node to open; one that leaves while it is looked at is left out."""
        return tuple(sorted(self._found(), key=lambda port: port.device))

    def _found(self) -> Iterator[Port]:
        try:
            names = sorted(entry.name for entry in (self._root / "sys/class/tty").iterdir())
        except FileNotFoundError:
            return
        for name in names:
            node = self._root / "dev" / name
            interface = self._root / "sys/class/tty" / name / "device"
            if not interface.exists() or not node.exists():
                continue
            with contextlib.suppress(OSError, ValueError):  # unplugged in this very moment
                yield _described(str(node), interface.resolve(strict=True))


def _described(device: str, path: Path) -> Port:
    """The port whose kernel device is `path`; its USB device is the first folder above that has USB ids."""
    # cdc-acm: the interface itself, 1-2:1.0; usb-serial: a port below it, 1-2:1.0/ttyUSB0
    interface = path if (path / "bInterfaceNumber").exists() else path.parent
    for folder in (path, *path.parents[:3]):
        if (folder / "idVendor").exists():
            return Port(
                device=device,
                vid=int(_line(folder / "idVendor"), 16),
                pid=int(_line(folder / "idProduct"), 16),
                serial=_line(folder / "serial"),
                location=folder.name,
                interface=int(_line(interface / "bInterfaceNumber") or "0", 16),
                product=_line(folder / "product"),
            )
    return Port(device)


def _line(path: Path) -> str:
    """One attribute of sysfs; empty where the device has none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""


class ListedPorts:
    """The ports that pyserial lists, on systems that are not Linux."""

    def __call__(self) -> tuple[Port, ...]:
        """Ports as `serial.tools.list_ports` tells of them."""
        found = (
            Port(
                device=port.device,
                vid=port.vid,
                pid=port.pid,
                serial=port.serial_number or "",
                location=_location(port.location)[0],
                interface=_location(port.location)[1],
                product=port.product or "",
            )
            for port in comports()
        )
        return tuple(sorted(found, key=lambda port: port.device))


def _location(text: str | None) -> tuple[str, int]:
    """Location and interface: pyserial writes ``1-2.3:1.0`` for a device with several interfaces (Linux)."""
    location, _, interface = (text or "").partition(":")
    number = interface.rpartition(".")[2]
    return location, int(number) if number.isdigit() else 0


def machine_ports() -> Ports:
    """The ports of this machine."""
    return SysfsPorts() if sys.platform == "linux" else ListedPorts()


def same_file(one: str, other: str) -> bool:
    """Do two paths name one device, through whatever links?"""
    return os.path.realpath(one) == os.path.realpath(other)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a port open."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.command})"


def holders(device: str, proc: Path = Path("/proc")) -> tuple[Holder, ...]:
    """Who else has the device open, as far as /proc shows it: other users' processes only to root."""
    target = os.path.realpath(device)
    found = []
    for folder in sorted(proc.glob("[0-9]*"), key=lambda folder: int(folder.name)):
        if int(folder.name) != os.getpid() and _opens(folder, target):
            found.append(Holder(int(folder.name), _command(folder)))
    return tuple(found)


def _opens(process: Path, target: str) -> bool:
    try:
        files = list((process / "fd").iterdir())
    except OSError:  # another user's, or ended by now
        return False
    for file in files:
        with contextlib.suppress(OSError):  # closed by now
            if os.readlink(file) == target:
                return True
    return False


def _command(process: Path) -> str:
    """Its command line, at most 120 characters: the arguments are of interest, whole scripts are not."""
    try:
        words = (process / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return "ended by now"
    return b" ".join(words).decode("utf-8", "replace")[:120] or "no command line"
