"""The console of a board over its serial port: read in a thread of its own, typed on, and the board reset.

The port may go away while it is read, and come back under another name: the chip's own USB does so at a reset. Where a
`home` can say where the board is now, the console waits for it and reads on; `away` is told how long it was gone, since
what the board said meanwhile nobody has heard. Where there is no home, a port that goes away is a lost board.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import serial

from bench.boards.opening import open_port
from bench.boards.reading import read_some
from bench.boards.reset import HOLD, pulse_enable
from bench.errors import BenchError, BoardLost

__all__ = ["AWAY_LIMIT", "Away", "ConsolePort", "Whereabouts"]

_POLL = 0.02
"""Seconds that one read waits for a byte: how soon the reader notices that it shall end."""

_LOOK_AGAIN = 0.01
"""Seconds between two looks whether the port is back: the first bytes after a reset are soon overwritten."""

AWAY_LIMIT = 15.0
"""Seconds a port may be away before its board is lost; a USB device is back within two or three."""


_NO_LINES = (errno.ENOTTY, errno.EINVAL)
"""What the kernel says of a terminal without modem control lines."""

_OTHER_RESET = "say `reset_by: power` in boards.yaml, and how its power is switched"


class Whereabouts(Protocol):
    """Who knows where the board's port is."""

    def now(self) -> str | None:
        """Its path now, None while it is away. Raises `BoardLost` where another board has taken its place."""


@dataclass(frozen=True, slots=True)
class Away:
    """A port was gone for a while."""

    port: str
    """As it was called before."""
    back_as: str
    seconds: float

    def as_data(self) -> dict[str, str | float]:
        """What an entry of a timeline tells of it."""
        return {"port": self.port, "back_as": self.back_as, "seconds": self.seconds}


class _Gone(BoardLost):
    """The port is gone, in words that name it."""


class ConsolePort:
    """A serial port held open; `feed` is called with bytes as they come, from the reader's thread.

    Opening leaves DTR and RTS as pyserial opens a port, both on, which on a devkit is neither reset nor download mode.

    Args:
        port: device path or pyserial URL
        feed: takes the bytes
        baud: bit/s
        hold: seconds that EN is held low by `reset`
        home: where the board is after its port went away; None: it is lost then
        away: is told of each time that the port was gone, before the first byte that came after it
        away_limit: seconds that it may be gone
        when_lost: is told, in the reader's thread, when nothing more will be heard of the board
        reset: resets the board some other way than by RTS
    """

    def __init__(
        self,
        port: str,
        feed: Callable[[bytes], None],
        *,
        baud: int = 115200,
        hold: float = HOLD,
        home: Whereabouts | None = None,
        away: Callable[[Away], None] | None = None,
        away_limit: float = AWAY_LIMIT,
        when_lost: Callable[[BoardLost], None] | None = None,
        reset: Callable[[], None] | None = None,
    ) -> None:
        self._name = port
        self._feed = feed
        self._baud = baud
        self._hold = hold
        self._home = home
        self._away = away
        self._limit = away_limit
        self._when_lost = when_lost
        self._reset = reset
        self._state = threading.Condition()
        self._port: serial.Serial | None = None
        self._cause: Exception | None = None
        self._done = threading.Event()
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def port(self) -> str:
        """What the board's port is called now."""
        return self._name

    @property
    def lost(self) -> BoardLost | None:
        """Why nothing more will be heard of the board; None while it is there, or away for a moment."""
        with self._state:
            return None if self._cause is None else self._loss(self._cause)

    def write(self, data: bytes) -> None:
        """Type on the console, once the port is back where it is away. Raises `BoardLost` when the port is gone."""
        self._with_port(lambda port: port.write(data), "while the bench typed")

    def reset(self) -> None:
        """Reset the board: by RTS and EN, or as it was told to. Raises `BoardLost` when the port is gone."""
        if self._reset is not None:
            self._reset()
            return
        self._with_port(lambda port: pulse_enable(port, hold=self._hold), "at a reset", again=False)

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The port closed for a while, for a tool that opens it itself; the console reads on afterwards."""
        self._stop()
        try:
            yield self._name
        finally:
            if self._home is not None:
                self._name = self._home.now() or self._name
            self._start()

    # -- for whoever types or resets

    def _open_port(self) -> serial.Serial:
        """The port, once it is there."""
        with self._state:
            if self._reader is None:
                raise BoardLost(f"the port {self._name} is not open")
            self._state.wait_for(lambda: self._port is not None or self._cause is not None or self._done.is_set())
            if self._cause is not None:
                raise self._loss(self._cause) from self._cause
            if self._port is None:
                raise BoardLost(f"the port {self._name} is not open")
            return self._port

    def _with_port(self, act: Callable[[serial.Serial], object], when: str, *, again: bool = True) -> None:
        """Do something with the port; where it goes away at that, wait for its return and do it `again`.

        The chip's own USB may leave as soon as a pulse on EN has begun: that is the reset that was asked for.
        """
        port = self._open_port()
        try:
            act(port)
        except (serial.SerialException, OSError) as error:
            if error.errno in _NO_LINES:
                raise BenchError(f"the port {self._name} has no RTS to reset by; {_OTHER_RESET}") from error
            # The reader types too, when it is asked for something: it cannot wait for itself to find the port gone.
            reads = threading.current_thread() is self._reader
            if self._home is None or reads or not self._left(port):
                raise self._gone(f"{when}: {error}") from error
            back = self._open_port()
            if again:
                try:
                    act(back)
                except (serial.SerialException, OSError) as second:
                    raise self._gone(f"{when}, twice: {second}") from second

    def _left(self, port: serial.Serial) -> bool:
        """Does the reader find, too, that this port has gone away? It does so at its next read."""
        with self._state:
            self._state.wait_for(lambda: self._port is not port or self._done.is_set(), timeout=self._limit)
            return self._port is not port

    def _gone(self, why: str) -> _Gone:
        return _Gone(f"the port {self._name} is gone: {why}")

    def _loss(self, cause: Exception) -> _Gone:
        return _Gone(str(cause)) if isinstance(cause, _Gone) else self._gone(str(cause))

    # -- the reader

    def _start(self) -> None:
        self._done.clear()
        self._cause = None
        self._port = open_port(self._name, baud=self._baud, timeout=_POLL)
        self._reader = threading.Thread(target=self._read, args=(self._port,), name=f"console of {self._name}")
        self._reader.start()

    def _stop(self) -> None:
        self._done.set()
        with self._state:
            self._state.notify_all()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.join()
        port, self._port = self._port, None
        if port is not None:
            _close(port)

    def _read(self, port: serial.Serial) -> None:
        while not self._done.is_set():
            try:
                data = read_some(port)
            except (serial.SerialException, OSError) as error:
                try:
                    back = self._wait_until_back(port, error)
                except (BenchError, OSError) as cause:
                    self._lose(cause)
                    return
                if back is None:
                    return
                port = back
            else:
                try:
                    if data:
                        self._feed(data)
                except (BenchError, OSError) as cause:  # who is fed may type, and the port be gone at that
                    self._lose(cause)
                    return

    def _lose(self, cause: Exception) -> None:
        """Nothing more will be heard of the board: whoever waits for it is told."""
        self._set(None, cause)
        if self._when_lost is not None:
            self._when_lost(self._loss(cause))

    def _wait_until_back(self, port: serial.Serial, error: Exception) -> serial.Serial | None:
        """The port opened anew; None where the console is to end before it is there.

        Raises:
            BoardLost: it does not come back, or as another board
        """
        if self._home is None:
            raise error
        left = time.monotonic()
        name = self._name
        self._set(None, None)
        _close(port)
        first: BenchError | None = None
        while not self._done.wait(_LOOK_AGAIN):
            if (where := self._home.now()) is not None:
                try:
                    back = open_port(where, baud=self._baud, timeout=_POLL, fresh=False)
                except BenchError as problem:
                    first = problem  # udev sets owner and mode a moment after the node has appeared
                else:
                    return self._returned(back, Away(name, where, round(time.monotonic() - left, 3)))
            if time.monotonic() - left > self._limit:
                why = f"it is there, but {first}" if first is not None else f"first cause: {error}"
                raise BoardLost(f"it went away and did not come back within {self._limit:g} s; {why}") from error
        return None

    def _returned(self, port: serial.Serial, away: Away) -> serial.Serial:
        if self._away is not None:
            self._away(away)
        self._name = away.back_as
        self._set(port, None)
        return port

    def _set(self, port: serial.Serial | None, cause: Exception | None) -> None:
        with self._state:
            if cause is not None and self._port is not None:
                _close(self._port)
            self._port, self._cause = port, cause
            self._state.notify_all()


def _close(port: serial.Serial) -> None:
    with suppress(serial.SerialException, OSError):  # the device may be gone
        port.close()
