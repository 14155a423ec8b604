"""The console of a board over its serial port: read in a thread of its own, typed on, and the board reset."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import serial

from bench.boards.reset import HOLD, pulse_enable
from bench.errors import BoardLost

__all__ = ["ConsolePort"]

_POLL = 0.02
"""Seconds that one read waits for a byte: how soon the reader notices that it shall end."""


class ConsolePort:
    """A serial port held open; `feed` is called with bytes as they come, from the reader's thread.

    Opening leaves DTR and RTS as pyserial opens a port, both on, which on a devkit is neither reset nor download mode.
    """

    def __init__(self, port: str, feed: Callable[[bytes], None], *, baud: int = 115200, hold: float = HOLD) -> None:
        self._name = port
        self._feed = feed
        self._baud = baud
        self._hold = hold
        self._port: serial.Serial | None = None
        self._done = threading.Event()
        self._reader: threading.Thread | None = None
        self._cause: Exception | None = None

    def __enter__(self) -> Self:
        try:
            self._port = serial.serial_for_url(self._name, baudrate=self._baud, timeout=_POLL)
        except serial.SerialException as error:
            raise BoardLost(f"the port {self._name} cannot be opened: {error}") from error
        self._reader = threading.Thread(target=self._read, args=(self._port,), name=f"console of {self._name}")
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._reader is not None:
            self._reader.join()
        if self._port is not None:
            self._port.close()

    def write(self, data: bytes) -> None:
        """Type on the console. Raises `BoardLost` when the port is gone."""
        try:
            self._open_port().write(data)
        except serial.SerialException as error:
            raise BoardLost(f"the port {self._name} is gone: {error}") from error

    def reset(self) -> None:
        """Pulse EN through RTS. Raises `BoardLost` when the port is gone."""
        try:
            pulse_enable(self._open_port(), hold=self._hold)
        except serial.SerialException as error:
            raise BoardLost(f"the port {self._name} is gone: {error}") from error

    def _open_port(self) -> serial.Serial:
        if self._port is None:
            raise BoardLost(f"the port {self._name} is not open")
        if self._cause is not None:
            raise BoardLost(f"the port {self._name} is gone: {self._cause}")
        return self._port

    def _read(self, port: serial.Serial) -> None:
        try:
            while not self._done.is_set():
                if data := port.read(port.in_waiting or 1):
                    self._feed(data)
        except (serial.SerialException, OSError) as error:
            self._cause = error
