"""The `serial` driver: a board at a serial port of this machine, found by what boards.yaml says of it.

A MAC is compared before anything is written. The chip's own USB (USB-Serial/JTAG) has it as its USB serial number; at a
bridge the chip itself must be asked, by esptool, which resets it. A board that boards.yaml names by nothing but the MAC
of a chip behind a bridge is looked for by asking the chips at all bridges that nobody uses.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from bench.boards.board import Board
from bench.boards.drivers.serial_home import Home, candidates, only, sought
from bench.boards.drivers.switched import supply_of
from bench.boards.identify import identify
from bench.boards.lease import Lease, Owner, lease_folder
from bench.boards.opening import complaint
from bench.boards.ports import Port, Ports, holders, machine_ports
from bench.boards.whereabouts import lease_key
from bench.errors import BenchError, BoardBusy, BoardLost
from bench.timeline import Deadline

__all__ = ["SerialBoard"]

_LOOK_AGAIN = 0.05
"""Seconds between two looks for a board that is not there yet, or is held by somebody."""

_IN_USE = "in use, not asked"

ARRIVAL = 5.0
"""Seconds for the port to be there and free: it may be in the middle of a reset, or ModemManager be probing it."""


def _mac_of(port: str) -> str:
    return identify(port).mac


class SerialBoard:
    """A board at a local port, from `__enter__` to `__exit__`. Nothing is held open in between; `port` is its path.

    Args:
        board: of boards.yaml
        ports: where serial ports are looked for; those of this machine where not given
        ask_mac: asks the chip at a port for its MAC address
        arrival: seconds for the port to be there and free
        leased: the key of the lease that is held on the board; None where there is none
    """

    def __init__(
        self,
        board: Board,
        *,
        ports: Ports | None = None,
        ask_mac: Callable[[str], str] = _mac_of,
        arrival: float = ARRIVAL,
        leased: str | None = None,
    ) -> None:
        self.board = board
        self.supply = supply_of(board)
        self._ports = ports if ports is not None else machine_ports()
        self._ask_mac = ask_mac
        self._arrival = arrival
        self._leased = leased
        self._home: Home | None = None
        # The lease of a port that was not known when the board was leased: it was away, or its chip had to be asked.
        self._claims = ExitStack()
        # Whoever is told that the board is busy enters again and again; each question resets a board of somebody.
        self._others: dict[Port, str] = {}

    @property
    def port(self) -> str:
        """The path of its port now; the last known one while it is away."""
        home = self.home
        return home.now() or home.port.device

    @property
    def home(self) -> Home:
        """Where it is found again."""
        if self._home is None:
            raise BoardLost(f"{self.board.name} is not attached")
        return self._home

    @property
    def native(self) -> bool:
        """Is its port the chip's own USB?"""
        return self.home.port.native

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.push(self._claims)
            found = self._found(Deadline(self._arrival))
            self._home = Home(self.board, found, self._ports)
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.supply.leave(error)
        finally:
            self._home = None
            self._claims.close()

    def _found(self, deadline: Deadline) -> Port:
        """The board's port: there, free, and with the right chip behind it."""
        board = self.board
        port = self._there(deadline)
        if port is None and board.mac and not board.port and board.usb is None:
            return self._by_asking()
        if port is None:
            raise BoardLost(f"{board.name}: nothing at {sought(board)}; {self._listed()}")
        if port.mac:
            self._check_mac(port, port.mac)
        self._claim(port, deadline)
        self._await_free(port, deadline)
        if board.mac and not port.mac:
            self._check_mac(port, self._ask_mac(port.device))
        return port

    def _there(self, deadline: Deadline) -> Port | None:
        """The port, waiting for it; None where it does not come, or where only a chip behind a bridge could tell."""
        while True:
            port = only(self.board, candidates(self.board, self._ports))
            if port is not None or deadline.expired:
                return port
            time.sleep(_LOOK_AGAIN)

    def _claim(self, port: Port, deadline: Deadline) -> None:
        """Lease the place where the port has turned up, unless that is what was leased already.

        While the port of a USB board is away, in a reset or not plugged in, it is leased by what boards.yaml says of
        it. Somebody else, who saw the port or calls the board otherwise, may hold the lease of the place.
        """
        if self._leased in (None, self._key(port)):
            return
        lease = self._claims.enter_context(self._lease(port, f"a board that has turned up at {port.device}"))
        while not lease.take():
            if deadline.expired:
                raise BoardBusy(f"{self.board.name}: the board at {port.device} is held by {lease.holder()}")
            time.sleep(_LOOK_AGAIN)

    def _await_free(self, port: Port, deadline: Deadline) -> None:
        while others := holders(port.device):
            if deadline.expired:
                raise BoardBusy(f"{self.board.name}: its port {port.device} is held by {', '.join(map(str, others))}")
            time.sleep(_LOOK_AGAIN)
        if not os.access(port.device, os.R_OK | os.W_OK):
            raise complaint(port.device, PermissionError(errno.EACCES, "Permission denied"))

    def _check_mac(self, port: Port, mac: str) -> None:
        if self.board.mac not in ("", mac):
            raise BoardLost(
                f"{self.board.name}: the chip at {port} has the MAC {mac}, and boards.yaml says {self.board.mac}; "
                "nothing was written to it"
            )

    def _by_asking(self) -> Port:
        """The bridge whose chip says that it has the MAC; bridges that somebody uses are left alone.

        Raises:
            BoardBusy: it may be behind one that somebody uses
            BoardLost: it is behind none of them
        """
        told, in_use = [], False
        for port in self._ports():
            if not port.usb or port.native:
                continue
            purpose = f"asking the chip at {port.device} for its MAC"
            with ExitStack() as asked:
                if holders(port.device) or not asked.enter_context(self._lease(port, purpose)).take():
                    mac = _IN_USE
                else:
                    mac = self._asked(port)
                if mac == self.board.mac:
                    self._claims.push(asked.pop_all())
                    return port
                in_use = in_use or mac == _IN_USE
                told.append(f"{port.device}: {mac}")
        raise (BoardBusy if in_use else BoardLost)(
            f"{self.board.name}: no chip with the {sought(self.board)}; {self._listed()}; asked at bridges: "
            + ("; ".join(told) or "none")
        )

    def _asked(self, port: Port) -> str:
        """The MAC of the chip at a bridge, or in words why it is not known; asked again only where it is not."""
        if port not in self._others:
            try:
                mac = self._ask_mac(port.device)
            except BoardBusy:
                return _IN_USE
            except BenchError:
                return "no answer"
            if mac == self.board.mac:
                return mac
            self._others[port] = mac
        return self._others[port]

    def _lease(self, port: Port, purpose: str) -> Lease:
        """The lease of whatever board stands at a port, which may be somebody else's."""
        return Lease(lease_folder(), self._key(port), Owner.this_process(self.board.name, purpose))

    def _key(self, port: Port) -> str:
        key = lease_key(replace(self.board, port=port.device, usb=None, mac=""), self._ports)
        assert key is not None, "every local port has one"
        return key

    def _listed(self) -> str:
        there = [str(port) for port in self._ports() if port.usb]
        return f"USB ports there are: {'; '.join(there)}" if there else "there are no USB serial ports"
