"""UART0: bytes from the processor to whoever listens, and from the host into a bounded buffer."""

from __future__ import annotations

import threading
from collections.abc import Callable

from bench.virtual.supply import Supply

__all__ = ["Uart"]

_INPUT_LIMIT = 4 * 1024 * 1024
"""Bytes kept of what the host sends before the processor reads; a real FIFO would have overrun long before."""


class Uart:
    """The serial port as firmware sees it (`write`, `read`, `read_line`) and as the wire does (`feed`, `listen`)."""

    def __init__(self, supply: Supply) -> None:
        self._supply = supply
        self._arrived = threading.Condition()
        self._input = bytearray()
        self._after_cr = False
        self._listener: Callable[[bytes], None] | None = None
        self.host_baud = 115200
        self.overruns = 0
        supply.at_halt(self._wake)

    # -- the wire

    def listen(self, listener: Callable[[bytes], None] | None) -> None:
        """Have output given to `listener`, which must never block; None lets it go nowhere, as on a bare pin."""
        self._listener = listener

    def feed(self, data: bytes) -> None:
        """Bytes from the host. What exceeds 4 MiB unread is lost, and counted in `overruns`."""
        with self._arrived:
            room = _INPUT_LIMIT - len(self._input)
            if len(data) > room:
                self.overruns += len(data) - room
                data = data[:room]
            self._input += data
            self._arrived.notify_all()

    def clear(self) -> None:
        """Forget input not yet read, as at reset."""
        with self._arrived:
            self._input.clear()
            self._after_cr = False

    # -- the processor

    def write(self, data: bytes) -> None:
        """Put bytes out. Never blocks: where nobody listens they are gone."""
        self._supply.check()
        if (listener := self._listener) is not None:
            listener(data)

    def read(self, limit: int = 1 << 20) -> bytes:
        """Wait for at least one byte, and take what is there, at most `limit` bytes."""
        with self._arrived:
            self._wait_for(lambda: bool(self._input))
            data = bytes(self._input[:limit])
            del self._input[:limit]
            return data

    def read_line(self) -> bytes:
        """Wait, in real time and for ever, until the host ends a line with CR, LF or CR LF; return it without them."""
        with self._arrived:
            while True:
                if self._after_cr and self._input[:1] == b"\n":
                    del self._input[:1]
                    self._after_cr = False
                ends = [at for end in (b"\r", b"\n") if (at := self._input.find(end)) >= 0]
                if ends:
                    at = min(ends)
                    line = bytes(self._input[:at])
                    self._after_cr = self._input[at : at + 1] == b"\r"
                    del self._input[: at + 1]
                    return line
                seen = len(self._input)
                self._wait_for(lambda seen=seen: len(self._input) > seen)  # type: ignore[misc]

    def _wait_for(self, ready: Callable[[], bool]) -> None:
        self._supply.check()
        if ready():
            return
        with self._supply.idling():
            while not ready():
                self._supply.check()
                self._arrived.wait()
        self._supply.check()

    def _wake(self) -> None:
        with self._arrived:
            self._arrived.notify_all()
