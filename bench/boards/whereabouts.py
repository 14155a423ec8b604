"""What identifies a board itself, whatever somebody's boards.yaml calls it, and whether it is there."""

from __future__ import annotations

import errno
import os
import socket
import time
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from bench.boards.board import Board
from bench.boards.ports import Port, Ports, machine_ports, same_file

__all__ = ["absence", "is_attached", "lease_key"]

_CONNECT_LIMIT = 5.0
_GONE = (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO)


def lease_key(board: Board, ports: Ports | None = None) -> str | None:
    """What two names for one board have in common; None for a board that nobody else can see.

    A USB device is known by where it is plugged in: that stays when the chip's own USB comes back as another
    ``/dev/ttyACM…`` after a reset, and is unique where serial numbers are not (some bridges all have ``0001``).
    A virtual board or an emulator is started by whoever uses it. A labgrid reservation by tags is settled by the
    coordinator alone, which knows which place it gave.
    """
    if board.emulated:
        return None
    if board.labgrid is not None:
        return f"labgrid {board.labgrid.coordinator} {board.labgrid.place}" if board.labgrid.place else None
    if "://" in board.port:
        return _url_key(board.port)
    there = (ports or machine_ports())()
    port = _port_of(board, there)
    if port is not None and port.location:
        # a bridge with several channels has several boards at one place
        channels = [other.device for other in there if other.location == port.location]
        return f"usb {port.location}" + (f" #{channels.index(port.device)}" if len(channels) > 1 else "")
    if board.port:
        return f"port {os.path.realpath(board.port)}"
    if board.usb is not None:
        return f"usb {board.usb.location or board.usb.serial}"
    return f"mac {board.mac}"


def _url_key(url: str) -> str:
    """``rfc2217://lab:4000?opt`` and ``socket://LAB:4000`` lead to the same wire."""
    parts = urlsplit(url)
    host, port = _address(parts)
    return f"url {url}" if host is None or port is None else f"tcp {host}:{port}"


def _address(parts: SplitResult) -> tuple[str | None, int | None]:
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        return None, None
    return ("127.0.0.1" if host == "localhost" else host), port


def _port_of(board: Board, ports: tuple[Port, ...]) -> Port | None:
    """The port of a local board among those of this machine."""
    for port in ports:
        if board.port:
            if same_file(port.device, board.port):
                return port
        elif board.usb is not None:
            if board.usb.serial in ("", port.serial) and board.usb.location in ("", port.location):
                return port
        elif board.mac and board.mac == port.mac:
            return port
    return None


def is_attached(board: Board, ports: Ports | None = None) -> bool:
    """Can the board be there at all? What is reached by a URL or made by its driver can; a local port must exist.

    By a MAC alone only the chip's own USB can be found without asking every chip, so such a board may be there too.
    """
    if board.emulated or board.labgrid is not None or "://" in board.port:
        return True
    if board.port:
        return Path(board.port).exists()
    return board.usb is None or _port_of(board, (ports or machine_ports())()) is not None


def absence(board: Board, port: str, *, grace: float = 5.0, ports: Ports | None = None) -> str | None:
    """Why the board can not be behind its port any more; None where it can.

    The port is opened for a moment, or connected to, so this is for a board that has just failed.

    Args:
        port: device path or URL, as the attachment has it
        grace: seconds in which a local port may come back, as it does after a reset of a chip with USB of its own
    """
    if "://" in port:
        return _no_answer(port)
    ends = time.monotonic() + grace
    while True:
        found = _port_of(board, (ports or machine_ports())())
        why = _no_device(found.device if found is not None else port)
        if why is None or time.monotonic() > ends:
            return why
        time.sleep(0.1)


def _no_answer(url: str) -> str | None:
    host, port = _address(urlsplit(url))
    if host is None or port is None:
        return None
    try:
        socket.create_connection((host, port), timeout=_CONNECT_LIMIT).close()
    except OSError as error:
        return f"nothing answers at {host}:{port} any more ({error.strerror or error})"
    return None


def _no_device(path: str) -> str | None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return f"its port {path} is gone ({error.strerror})" if error.errno in _GONE else None
    return None
