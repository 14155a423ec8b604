"""Where a local board is: found by what boards.yaml says of it, and found again when its port comes back."""

from __future__ import annotations

import os

from bench.boards.board import Board
from bench.boards.ports import Port, Ports, same_file
from bench.errors import BenchError, BoardLost

__all__ = ["Home", "candidates", "only", "sought"]


def sought(board: Board) -> str:
    """What boards.yaml says of where the board is, in words."""
    if board.port:
        return f"port {board.port}"
    if board.usb is None:
        return f"MAC {board.mac}"
    serial = f"USB serial number {board.usb.serial}" if board.usb.serial else ""
    location = f"USB location {board.usb.location}" if board.usb.location else ""
    return " at ".join(words for words in (serial, location) if words)


def candidates(board: Board, ports: Ports) -> tuple[Port, ...]:
    """The ports that may be the board's, without asking any chip; none for a MAC that is not that of a native port."""
    if board.port:
        listed = tuple(port for port in ports() if same_file(port.device, board.port))
        return listed or ((Port(board.port),) if os.path.exists(board.port) else ())
    if board.usb is not None:
        usb = board.usb
        return tuple(
            port for port in ports() if usb.serial in ("", port.serial) and usb.location in ("", port.location)
        )
    return tuple(port for port in ports() if port.mac == board.mac)


def only(board: Board, found: tuple[Port, ...]) -> Port | None:
    """The one port that was found, None where none was. Raises `BenchError` where several fit: never a guess."""
    if len(found) > 1:
        raise BenchError(
            f"{board.name}: {len(found)} ports fit {sought(board)}: {'; '.join(map(str, found))}; "
            "name one by `port:` with its link in /dev/serial/by-path, or by `usb: {location: …}`"
        )
    return found[0] if found else None


class Home:
    """The place of one board, whatever its port is called today.

    A USB device is the same one when its serial number is the same; one without a serial number, or with one that
    another device has too (or had, when it was last looked for), when it is plugged in at the same place. A port that
    is no USB device is known by its path.

    Args:
        board: whose place it is, for messages
        port: where it is now
        ports: where it is looked for again
    """

    def __init__(self, board: Board, port: Port, ports: Ports) -> None:
        self._board = board
        self.port = port
        self._ports = ports
        self._by_serial = bool(port.serial)
        self._note_twins((port, *ports()))

    def now(self) -> str | None:
        """The path of the board's port now; None while it is away.

        Raises:
            BoardLost: another board stands in its place
        """
        known = self.port
        if not known.usb:
            return known.device if os.path.exists(known.device) else None
        there = tuple(port for port in self._ports() if port.usb and port.interface == known.interface)
        self._note_twins(there)
        here = next((port for port in there if port.location == known.location), None)
        if here is not None and here.serial == known.serial:
            return here.device
        for port in there:
            if self._by_serial and port.serial == known.serial:
                return port.device
        if here is not None:
            raise BoardLost(
                f"{self._board.name}: another board has come in its place: {here}; expected {self._words()}"
            )
        return None

    def _note_twins(self, ports: tuple[Port, ...]) -> None:
        """Two devices with one serial number: from now on it does not tell where the board has gone."""
        if len({port.location for port in ports if port.usb and port.serial == self.port.serial}) > 1:
            self._by_serial = False

    def _words(self) -> str:
        mac = f", MAC {self.port.mac}" if self.port.mac else ""
        return f"serial {self.port.serial or '(none)'}{mac}"
