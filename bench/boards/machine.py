"""What on this machine interferes with boards: services, firewalls, bridges without a driver.

Everything is read from /proc, /sys and /etc (proc(5), sysfs(5)); `root` is where these are looked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

__all__ = ["Machine", "Process", "UsbDevice"]

DRIVERS = MappingProxyType(
    {
        "10c4": "cp210x",  # Silicon Labs CP210x
        "1a86": "ch341",  # QinHeng CH340, CH9102
        "0403": "ftdi_sio",  # FTDI
        "303a": "cdc_acm",  # Espressif USB-Serial/JTAG and bridges
    }
)
"""Kernel module by USB vendor id, of the bridges that ESP32 boards carry (linux/drivers/usb/serial)."""


@dataclass(frozen=True, slots=True)
class Process:
    """A running process."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid})"


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """A USB device that should be a serial port and is none."""

    location: str
    vendor: str
    product: str
    module: str


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine, as its pseudo file systems show it."""

    root: Path = Path("/")

    def running(self, command: str) -> Process | None:
        """A process with that name (as /proc/PID/comm has it, cut at 15 characters)."""
        return next((process for process in self._processes() if process.command == command[:15]), None)

    def firewall(self) -> str | None:
        """The name of a firewall manager that is on; None where none is seen (nftables rules of one's own are not)."""
        with suppress(OSError, UnicodeDecodeError):
            if "ENABLED=yes" in (self.root / "etc/ufw/ufw.conf").read_text(encoding="utf-8"):
                return "ufw"
        return "firewalld" if self.running("firewalld") is not None else None

    def modem_manager_ignores(self, vendor: str) -> bool:
        """Is there a udev rule that keeps ModemManager from probing devices of that USB vendor id?"""
        for folder in ("etc/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d"):
            for rules in sorted((self.root / folder).glob("*.rules")):
                with suppress(OSError, UnicodeDecodeError):
                    for line in rules.read_text(encoding="utf-8").splitlines():
                        ignored = "ID_MM_DEVICE_IGNORE" in line or "ID_MM_TTY_BLACKLIST" in line
                        if ignored and vendor in line and not line.lstrip().startswith("#"):
                            return True
        return False

    def without_driver(self) -> tuple[UsbDevice, ...]:
        """USB devices with a vendor id of the usual bridges that no kernel module has taken."""
        found = []
        for folder in sorted((self.root / "sys/bus/usb/devices").glob("*-*")):
            vendor = _line(folder / "idVendor")
            if vendor in DRIVERS and not any(folder.glob("*/driver")) and not any(folder.glob("*/tty*")):
                found.append(UsbDevice(folder.name, vendor, _line(folder / "product"), DRIVERS[vendor]))
        return tuple(found)

    def _processes(self) -> Iterator[Process]:
        own = os.getpid()
        for folder in (self.root / "proc").glob("[0-9]*"):
            if int(folder.name) != own and (command := _line(folder / "comm")):
                yield Process(int(folder.name), command)


def _line(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8").strip()
    return ""
