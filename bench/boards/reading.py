"""One read from a serial port, such that nothing is lost of what the kernel still has when the device goes away."""

from __future__ import annotations

import os
import select

import serial

__all__ = ["read_some"]

_LARGEST = 1 << 16


def read_some(port: serial.Serial) -> bytes:
    """What is there, waiting at most the port's timeout for the first byte; empty where nothing came.

    pyserial's own `read(n)` forgets the bytes it has when the device goes away before it has all `n`, so a port with
    a file descriptor is read once, directly.

    Raises:
        OSError: the device is gone (`SerialException` is one)
    """
    descriptor = getattr(port, "fd", None)
    if descriptor is None:
        data: bytes = port.read(port.in_waiting or 1)
        return data
    ready, _, _ = select.select([descriptor], [], [], port.timeout)
    if not ready:
        return b""
    try:
        data = os.read(descriptor, _LARGEST)
    except BlockingIOError:
        return b""
    if not data:
        raise serial.SerialException("the device is gone: it has nothing more to read, for good")
    return data
