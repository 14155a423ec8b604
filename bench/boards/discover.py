"""What is attached to this machine, and the entry of boards.yaml for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.boards.board import CHIPS, Board
from bench.boards.boards_file import port_problem
from bench.boards.identify import Identity, identify
from bench.boards.lease import Lease, Owner, lease_folder
from bench.boards.ports import Port, holders
from bench.boards.whereabouts import lease_key
from bench.errors import BenchError

__all__ = ["Discovered", "discover", "entry"]


@dataclass(frozen=True, slots=True)
class Discovered:
    """A port, and the chip at it or why none was found."""

    port: Port
    identity: Identity | None
    problem: str = ""


def discover(
    ports: Iterable[Port], *, ask: Callable[[str], Identity] = identify, proc: Path = Path("/proc")
) -> Iterator[Discovered]:
    """Ask the chip at each port who it is; a board that is leased and a port that another process holds are left alone.

    Raises:
        BenchError: there is no folder for leases
    """
    folder = lease_folder()
    for port in ports:
        driver = "rfc2217" if "://" in port.device else "serial"
        try:
            key = lease_key(Board(port.device, CHIPS[0], driver, port.device))
        except ValueError as error:  # brackets that do not close
            yield Discovered(port, None, f"is no URL: {error}")
            continue
        assert key is not None, "every port has one"
        with Lease(folder, key, Owner.this_process(port.device, "bench boards discover")) as lease:
            if lease.take():
                yield _asked(port, ask, proc)
            else:
                yield Discovered(port, None, f"in use by {lease.holder() or 'somebody, and others wait for it'}")


def _asked(port: Port, ask: Callable[[str], Identity], proc: Path) -> Discovered:
    held_by = holders(port.device, proc) if port.device.startswith("/") else ()
    if held_by:
        return Discovered(port, None, f"in use by {', '.join(map(str, held_by))}")
    try:
        return Discovered(port, ask(port.device))
    except BenchError as error:  # silent, in use as only the opening tells, or not to be opened by this user
        return Discovered(port, None, str(error))


def entry(found: Discovered, taken: Collection[str] = ()) -> str:
    """The lines for boards.yaml, ready to paste under `boards:`. `taken` are names that it has already.

    Native USB (USB-Serial/JTAG) is called by its serial number, which is the chip's MAC; a bridge by its own serial
    number where it has one worth the name, else by its place; and an rfc2217 URL as it is. Empty for another URL: a
    tool can open it, but no driver reaches a board there.
    """
    assert found.identity is not None
    chip, mac = found.identity.chip, found.identity.mac
    lines = [f"  {_name(chip, mac, taken)}:", f"    chip: {chip}"]
    if "://" in found.port.device:
        if port_problem("rfc2217", found.port.device):
            return ""
        lines += ["    driver: rfc2217", f"    port: {found.port.device}"]
    else:
        lines += ["    driver: serial", *_port_lines(found.port)]
    lines += [f'    mac: "{mac}"', "    server_host: 192.0.2.1  # this machine's address, as the board reaches it"]
    if chip not in CHIPS:
        lines.insert(1, f"    # the bench has no {chip} yet: it knows {', '.join(CHIPS)}")
    return "\n".join(lines) + "\n"


def _port_lines(port: Port) -> list[str]:
    if len(port.serial) > 4:  # cheap bridges all say 0001
        return ["    usb:", f'      serial: "{port.serial}"']
    if re.fullmatch(r"[0-9]+-[0-9]+(\.[0-9]+)*", port.location):
        return ["    usb:", f"      location: {port.location}"]
    return [f"    port: {port.device}"]


def _name(chip: str, mac: str, taken: Collection[str]) -> str:
    name = f"{chip}-{mac[-5:].replace(':', '')}"
    number = 2
    while name in taken:
        name, number = f"{chip}-{mac[-5:].replace(':', '')}-{number}", number + 1
    return name
