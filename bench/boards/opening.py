"""Opening a serial port, and saying what is wrong and how to mend it where that fails."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

import serial

from bench.boards.ports import holders
from bench.errors import BenchError, BoardBusy, BoardLost

if sys.platform != "win32":
    import grp

__all__ = ["complaint", "open_port", "permission_mend"]

_BUSY = (errno.EBUSY, errno.EAGAIN)
"""TIOCEXCL by somebody who is not root; flock by pyserial's or esptool's `exclusive`."""


class _Unread(serial.Serial):
    """A port of this machine that is opened without dropping what has come already.

    pyserial drops it. What a chip says in the moment between the return of its port and the opening of it is the
    beginning of its boot.
    """

    def _reset_input_buffer(self) -> None:
        return None


def open_port(device: str, *, baud: int, timeout: float, fresh: bool = True) -> serial.Serial:
    """A serial port, ours alone. With `fresh`, what came before it was opened is dropped.

    DTR and RTS are left as pyserial opens a port, both on, which on a devkit is neither reset nor download mode.

    Raises:
        BoardBusy: another process has it
        BoardLost: it is not there, or cannot be opened
        BenchError: it may not be opened
    """
    try:
        if fresh or "://" in device:
            return serial.serial_for_url(device, baudrate=baud, timeout=timeout, exclusive=True)
        return _Unread(device, baudrate=baud, timeout=timeout, exclusive=True)
    except (serial.SerialException, OSError) as error:
        raise complaint(device, error) from error


def complaint(device: str, error: Exception) -> BenchError:
    """What it means that a port could not be opened, and the mend.

    esptool's `FatalError` says no more than that; why is told by what it was raised for.
    """
    cause = error if isinstance(error, OSError) else error.__context__
    return _complaint(device, cause if isinstance(cause, OSError) else OSError(str(error)))


def _complaint(device: str, error: OSError) -> BenchError:
    if "://" in device:
        return BoardBusy(str(error)) if error.errno in _BUSY else BoardLost(f"{device} cannot be opened: {error}")
    if error.errno in _BUSY:
        return BoardBusy(f"the port {device} is held by {_held_by(device)}; end it, or take another board")
    if error.errno in (errno.EACCES, errno.EPERM):
        return BenchError(f"the port {device} may not be opened: permission denied; {permission_mend(device)}")
    return BoardLost(f"the port {device} cannot be opened: {error}")


def _held_by(device: str) -> str:
    found = holders(device)
    return ", ".join(map(str, found)) if found else "another process, which only its user or root can see"


def permission_mend(device: str) -> str:
    """What lets this user open a device that he may not open."""
    group = "dialout"
    if sys.platform != "win32":
        with suppress(OSError, KeyError):
            owner = grp.getgrgid(Path(device).stat().st_gid).gr_name
            group = owner if owner != "root" else group
    user = os.environ.get("USER", "$USER")
    return f"`sudo usermod -aG {group} {user}`, then log in again"
