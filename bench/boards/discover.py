"""What is attached to this machine, and the entry of boards.yaml for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from serial.tools import list_ports

from bench.boards.board import CHIPS
from bench.boards.identify import Identity, identify
from bench.boards.machine import Machine
from bench.errors import BoardLost

__all__ = ["AttachedPort", "Discovered", "attached_ports", "discover", "entry"]


@dataclass(frozen=True, slots=True)
class AttachedPort:
    """A serial port of this machine; what USB tells of it is empty where it is on no USB."""

    device: str
    usb_ids: str = ""
    """``10c4:ea60``."""
    usb_serial: str = ""
    usb_location: str = ""
    product: str = ""


@dataclass(frozen=True, slots=True)
class Discovered:
    """A port, and the chip at it or why none was found."""

    port: AttachedPort
    identity: Identity | None
    problem: str = ""


def attached_ports() -> tuple[AttachedPort, ...]:
    """The USB serial ports of this machine; ports that are on no USB are never probed unasked."""
    return tuple(
        AttachedPort(
            device=info.device,
            usb_ids=f"{info.vid:04x}:{info.pid:04x}",
            usb_serial=info.serial_number or "",
            usb_location=(info.location or "").partition(":")[0],
            product=info.product or "",
        )
        for info in sorted(list_ports.comports())
        if info.vid is not None and info.pid is not None
    )


def discover(
    ports: Iterable[AttachedPort], machine: Machine, *, ask: Callable[[str], Identity] = identify
) -> Iterator[Discovered]:
    """Ask the chip at each port who it is; a port that another process holds is left alone."""
    for port in ports:
        holders = machine.holders(port.device) if port.device.startswith("/") else ()
        if holders:
            yield Discovered(port, None, f"in use by {', '.join(map(str, holders))}")
            continue
        try:
            yield Discovered(port, ask(port.device))
        except BoardLost as error:
            yield Discovered(port, None, str(error))


def entry(found: Discovered, taken: Collection[str] = ()) -> str:
    """The lines for boards.yaml, ready to paste under `boards:`. `taken` are names that it has already.

    Native USB (USB-Serial/JTAG) is called by its serial number, which is the chip's MAC; a bridge by its own serial
    number where it has one worth the name, else by its place; and a URL as it is.
    """
    assert found.identity is not None
    chip, mac = found.identity.chip, found.identity.mac
    lines = [f"  {_name(chip, mac, taken)}:", f"    chip: {chip}"]
    if "://" in found.port.device:
        driver = "rfc2217" if found.port.device.startswith("rfc2217://") else "serial"
        lines += [f"    driver: {driver}", f"    port: {found.port.device}"]
    else:
        lines += ["    driver: serial", *_port_lines(found.port)]
    lines += [f'    mac: "{mac}"', "    server_host: 192.0.2.1  # this machine's address, as the board reaches it"]
    if chip not in CHIPS:
        lines.insert(1, f"    # the bench has no {chip} yet: it knows {', '.join(CHIPS)}")
    return "\n".join(lines) + "\n"


def _port_lines(port: AttachedPort) -> list[str]:
    if len(port.usb_serial) > 4:  # cheap bridges all say 0001
        return ["    usb:", f'      serial: "{port.usb_serial}"']
    if re.fullmatch(r"[0-9]+-[0-9]+(\.[0-9]+)*", port.usb_location):
        return ["    usb:", f"      location: {port.usb_location}"]
    return [f"    port: {port.device}"]


def _name(chip: str, mac: str, taken: Collection[str]) -> str:
    name = f"{chip}-{mac[-5:].replace(':', '')}"
    number = 2
    while name in taken:
        name, number = f"{chip}-{mac[-5:].replace(':', '')}-{number}", number + 1
    return name
