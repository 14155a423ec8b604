"""Espressif's esp-emu (github.com/espressif/esp-emulator) as a driver, on the command line of its README.

It runs from a flash file in memory and writes that back when it is ended by Ctrl-C (`--save-state`), and so it does the
eFuses. Its serial port is a TCP server, and a reset is a new process: it has none of its own. The flash of the running
board cannot be read; the ROM's loader can be reached, as on hardware. Of the bench's chips it has the ESP32-C3.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress

from bench.boards.board import Board
from bench.boards.drivers.emulator import END_LIMIT, START_LIMIT, EmulatedBoard
from bench.errors import BenchError

__all__ = ["HOST", "EspEmuBoard"]

HOST = "192.168.4.1"
"""The bench's machine: esp-emu redirects what goes to its gateway to loopback."""

_CHIPS = ("esp32c3",)
_DOWNLOAD = "0x02"
"""GPIO_STRAP for the ROM's loader."""


class EspEmuBoard(EmulatedBoard):
    """A board that esp-emu emulates."""

    program = "esp-emu"
    install = (
        "install it by the README of https://github.com/espressif/esp-emulator, "
        "or name it by emulator.executable in boards.yaml"
    )
    server_name = HOST
    services = "idf,espemu"

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        if board.chip not in _CHIPS:
            raise BenchError(
                f"{board.name}: esp-emu has no {board.chip}; of the bench's chips it has {', '.join(_CHIPS)}"
            )

    def _start(self, download: bool) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:  # a free one; esp-emu cannot say which it took
            number = probe.getsockname()[1]
        arguments = ["--chip", self.board.chip, "--firmware", str(self._flash), "--efuse", str(self._efuse.path)]
        arguments += ["--save-state", "--net", "user", "--uart-tcp", f"127.0.0.1:{number}"]
        arguments += ["--strap-mode", _DOWNLOAD] if download else []
        process = self._launch(arguments, stdin=subprocess.DEVNULL, stdout=self._log)
        self._use(self._connected(number, process))

    def _connected(self, number: int, process: subprocess.Popen[bytes]) -> socket.socket:
        ends = time.monotonic() + START_LIMIT
        while True:
            try:
                return socket.create_connection(("127.0.0.1", number))
            except ConnectionRefusedError:
                if process.poll() is not None or time.monotonic() > ends:
                    raise self._ended("did not start") from None
                time.sleep(0.01)

    def _settle(self) -> None:
        if self.powered:
            raise BenchError(f"{self.board.name}: esp-emu writes its flash when it ends: switch it off to read it")
        if self._process is not None:
            raise self._ended("is gone, and what it had in flash")

    def _stop(self) -> None:
        """Ctrl-C, on which it saves; again and again, for it may only just have been started."""
        assert self._process is not None
        ends = time.monotonic() + END_LIMIT
        while self._process.poll() is None and time.monotonic() < ends:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)
        lost = None if self._process.poll() is not None else self._ended("did not end on Ctrl-C, so its flash is lost")
        self._kill()
        if lost is not None:
            raise lost
