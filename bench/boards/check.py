"""Does a board work at all? Each step says what is wrong and how to mend it; the first broken one ends the board."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from bench.boards.board import Board
from bench.boards.drivers import Attachment, attach
from bench.boards.drivers.console import console_of
from bench.boards.identify import Identity, identify
from bench.boards.lease import Lease, Owner, lease_folder
from bench.boards.machine import Machine
from bench.boards.opening import permission_mend
from bench.boards.ports import holders
from bench.boards.whereabouts import lease_key
from bench.console import Boot, ConsoleReader
from bench.errors import BenchError

__all__ = ["BootHeard", "Finding", "check_board", "check_machine"]

_LISTEN = 5.0
"""Seconds after a reset in which a board must say something; a ROM speaks after some milliseconds."""

_KEPT = 1 << 16
"""Bytes of the console that are looked at."""

_TEXT = frozenset(b"\t\n\r\x1b" + bytes(range(32, 127)))


def _may_open(port: str) -> bool:
    return os.access(port, os.R_OK | os.W_OK)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one step found."""

    step: str
    verdict: str
    """``ok``, ``warning`` or ``broken``."""
    told: str
    mend: str = ""


def check_machine(machine: Machine) -> Iterator[Finding]:
    """What concerns every board: bridges without a driver, ModemManager, a firewall."""
    for device in machine.without_driver():
        told = f"{device.product or 'a serial bridge'} at USB {device.location} ({device.vendor}) has no driver"
        yield Finding("driver", "broken", told, f"sudo modprobe {device.module}")
    if machine.running("ModemManager") is not None and not machine.modem_manager_ignores("303a"):
        told = "ModemManager is running and types AT commands at every new serial port"
        rule = 'ATTRS{idVendor}=="303a", ENV{ID_MM_DEVICE_IGNORE}="1"'
        yield Finding("ModemManager", "warning", told, f"stop it, or write {rule} to /etc/udev/rules.d/99-esp.rules")
    if (firewall := machine.firewall()) is not None:
        told = f"{firewall} is on: boards reach the OTA server only where it lets them"
        yield Finding("firewall", "warning", told, "allow TCP from the boards' network to this machine")


def check_board(
    board: Board, *, listen: float = _LISTEN, may_open: Callable[[str], bool] = _may_open
) -> Iterator[Finding]:
    """Console, reset, download mode, identity and address of one board, one after the other.

    The board is left running what it has in flash; one that somebody else has leased is not touched. `listen`: seconds
    in which it must say something after a reset.

    Raises:
        BenchError: there is no folder for leases
    """
    key = lease_key(board)
    if key is None:  # nobody else can see it
        yield from _checked(board, key, listen, may_open)
        return
    with Lease(lease_folder(), key, Owner.this_process(board.name, "bench boards check")) as lease:
        if lease.take():
            yield from _checked(board, key, listen, may_open)
        else:
            told = f"in use by {lease.holder() or 'somebody, and others wait for it'}"
            yield Finding("port", "broken", told, "wait for it, or end it")


def _checked(board: Board, leased: str | None, listen: float, may_open: Callable[[str], bool]) -> Iterator[Finding]:
    local = board.port.startswith("/")
    if local and not Path(board.port).exists():
        yield Finding(
            "port", "broken", f"{board.port} is not there", "attach the board, or see `bench boards discover`"
        )
        return
    if local and not may_open(board.port):
        yield Finding("port", "broken", f"you may not open {board.port}", permission_mend(board.port))
        return
    if local and (held_by := holders(board.port)):
        told = f"{board.port} is held by {', '.join(map(str, held_by))}"
        yield Finding("port", "broken", told, f"end it: kill {held_by[0].pid}")
        return
    try:
        # Attached with its MAC, another board at its port would only be refused; here it is to be told which one it is.
        found_without = bool(board.port or board.usb)
        with attach(replace(board, mac="") if found_without else board, leased=leased) as held:
            yield Finding("port", "ok", held.port)
            yield from _alive(board, held, listen)
    except BenchError as error:
        yield Finding("port", "broken", str(error), "see docs/troubleshooting.md, 'Lost boards'")
        return
    yield _address(board)


def _alive(board: Board, held: Attachment, listen: float) -> Iterator[Finding]:
    try:
        identity = identify(held.port)
    except BenchError as error:
        mend = "hold BOOT while pressing EN and try again; if that helps, DTR and RTS are not wired to IO0 and EN"
        yield Finding("download mode", "broken", str(error), mend)
        return
    yield _is_the_one(board, identity)
    yield _console(held, listen)


def _is_the_one(board: Board, identity: Identity) -> Finding:
    told = f"{identity.chip} {identity.revision}, MAC {identity.mac}, flash {identity.flash_size or 'of unknown size'}"
    if identity.chip != board.chip:
        return Finding("download mode", "broken", told, f"boards.yaml calls it an {board.chip}: mend `chip:`")
    if board.mac and identity.mac != board.mac:
        return Finding("download mode", "broken", told, f"boards.yaml wants {board.mac}: another board is at its port")
    return Finding("download mode", "ok", told)


def _console(held: Attachment, listen: float) -> Finding:
    heard = BootHeard()
    with console_of(held, heard.feed) as port:
        port.reset()
        heard.whole.wait(listen)
    return heard.judged(held.board.baud, listen)


class BootHeard:
    """What a board says after a reset, until an application has started.

    The port may be opened in the middle of a boot, as after a look at the chip. That boot, of whose ROM nothing was
    heard, is not the one that is waited for.
    """

    def __init__(self) -> None:
        self.whole = threading.Event()
        """A boot was heard from its reset on, or there is nothing to boot."""
        self._said = bytearray()
        self._reader = ConsoleReader()

    def feed(self, data: bytes) -> None:
        """The next bytes of its console."""
        self._said.extend(data[: _KEPT - len(self._said)])
        boots = [item for item in self._reader.feed(data) if isinstance(item, Boot)]
        if any(boot.reset_reason is not None for boot in boots) or b"invalid header" in self._said:
            self.whole.set()

    def judged(self, baud: int, listen: float) -> Finding:
        """What to make of it. `baud`: bit/s of the port; `listen`: seconds that were waited for a whole boot."""
        said = bytes(self._said)
        if not said:
            told = f"it says nothing within {listen:g} s of a reset"
            return Finding("console", "broken", told, "flash it, or give the port that its console is on")
        if b"invalid header" in said:
            told = "its flash holds no bootloader"
            return Finding("console", "warning", told, "nothing: the bench flashes it anyway")
        if sum(byte in _TEXT for byte in said) < len(said) * 0.9:
            told = f"what it says at {baud} bit/s is noise"
            return Finding("console", "broken", told, "give its `baud:` (74880 is 115200 by a crystal of 26 MHz)")
        if b"rst:0x" not in said:
            told = "it speaks, but no line of its ROM came after the reset"
            return Finding("console", "warning", told, "wire EN to RTS, or say reset_by: power")
        return Finding("console", "ok", f"it resets, boots and speaks at {baud} bit/s")


def _address(board: Board) -> Finding:
    """Can the OTA server listen where the board will look for it?"""
    host = board.server_host
    if not board.emulated and host in ("127.0.0.1", "localhost", "::1"):
        told = f"server_host is {host}, which to the board is the board itself"
        return Finding("address", "broken", told, f"say server_host: {_own_address()}")
    try:
        with closing(socket.create_server((host, 0))):
            return Finding("address", "ok", f"the OTA server can listen on {host}")
    except OSError as error:
        told = f"the OTA server cannot listen on {host}: {error.strerror}"
        return Finding("address", "broken", told, f"this machine's address is {_own_address()}: mend `server_host:`")


def _own_address() -> str:
    """The address of the interface that leads outside; no packet is sent for it."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1 of RFC 5737; connecting a UDP socket only chooses a route
            return str(probe.getsockname()[0])
        except OSError:
            return "the one of the interface that the boards are behind (`ip addr`)"
