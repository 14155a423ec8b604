"""The serial port of an emulated board: RFC 2217 on loopback, so that RTS and DTR do what they do on a devkit.

An emulator offers bytes only (a socket, a pipe), and none while it is off. This port stays: whoever has it open sees
silence while the board is off, and a pulse on RTS resets it. The protocol itself is pyserial's own server side.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast

from serial import rfc2217

__all__ = ["EmulatorPort"]

_KEPT = 256 * 1024
"""Bytes of output that wait for a client: a board may speak before its console is opened."""


class EmulatorPort:
    """Serves one client at a time.

    Args:
        written: called with what the client types, from the port's thread
        enabled: called when EN is let go, so when the board starts anew, likewise; True with IO0 low, which starts the
            ROM's loader and not the firmware
    """

    def __init__(self, written: Callable[[bytes], None], enabled: Callable[[bool], None]) -> None:
        self._written = written
        self._lines = _Lines(enabled)
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None
        self._manager: rfc2217.PortManager | None = None
        self._waiting = bytearray()
        self._sending = threading.RLock()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, args=(self._listener,), name="emulator's port", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listener is not None
        assert self._thread is not None
        for sock in (self._listener, self._client):
            if sock is not None:
                with suppress(OSError):  # a client may have left already
                    sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        assert self._listener is not None
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def feed(self, data: bytes) -> None:
        """Output of the board: to the client, or kept for the next one."""
        with self._sending:
            if self._client is None or self._manager is None:
                self._waiting += data
                del self._waiting[:-_KEPT]
            else:
                self.write(b"".join(self._manager.escape(data)))

    def forget(self) -> None:
        """What nobody has read is gone: the board starts anew."""
        with self._sending:
            self._waiting.clear()

    def drop(self) -> None:
        """Hang up on the client, as a cable does that is pulled: there is no board any more."""
        with self._sending, suppress(OSError):  # it may be leaving
            if self._client is not None:
                self._client.shutdown(socket.SHUT_RDWR)

    def write(self, data: bytes) -> None:
        """Raw bytes to the client; pyserial's server side calls this too."""
        with self._sending, suppress(OSError):  # it has left; its thread finds out
            if self._client is not None:
                self._client.sendall(data)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # the port is closed
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._sending:
                    self._client = client
                    self._manager = self._managed()
                    waiting = bytes(self._waiting)
                    self._waiting.clear()
                    self.feed(waiting)
                self._read(client, self._manager)
                with self._sending:
                    self._client = self._manager = None
                self._lines.leave()

    def _managed(self) -> rfc2217.PortManager:
        # The stubs want a whole serial port twice; the code uses the few names that these two have.
        return rfc2217.PortManager(cast("Any", self._lines), cast("Any", self))

    def _read(self, client: socket.socket, manager: rfc2217.PortManager) -> None:
        while True:
            try:
                data = client.recv(4096)
            except OSError:
                return
            if not data:
                return
            if typed := b"".join(manager.filter(data)):
                self._written(typed)


class _Lines:
    """What pyserial's server side takes for a serial port: settings that mean nothing, and the two lines that do.

    As devkits wire them: EN goes low with RTS on and DTR off, and comes up again when RTS is let go; IO0 is low then if
    DTR is on. The state in between, both on, is passed through by whoever sets one line after the other, and is too
    short for the capacitor at EN.
    """

    def __init__(self, enabled: Callable[[bool], None]) -> None:
        self._enabled = enabled
        self._rts = self._dtr = self._held = False
        self.baudrate, self.bytesize, self.parity, self.stopbits = 115200, 8, "N", 1
        self.xonxoff = self.rtscts = self.break_condition = self.ri = False
        self.cts = self.dsr = self.cd = True

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, on: bool) -> None:
        self._set(on, self._dtr)

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, on: bool) -> None:
        self._set(self._rts, on)

    def leave(self) -> None:
        """Both lines fall back together: who leaves does not reset the board, unless it was held in reset."""
        self._dtr = False
        self._set(False, False)

    def reset_input_buffer(self) -> None:
        """There is none."""

    def reset_output_buffer(self) -> None:
        """There is none."""

    def _set(self, rts: bool, dtr: bool) -> None:
        self._rts, self._dtr = rts, dtr
        if rts and not dtr:
            self._held = True
        elif self._held and not rts:
            self._held = False
            self._enabled(dtr)
