"""Espressif's QEMU as a driver, on the command line that ESP-IDF and pytest-embedded-qemu give it.

Machine, flash and eFuse drives, watchdogs and network card are those of `idf.py qemu` (tools/idf_py_actions/
qemu_ext.py); the serial port and the machine protocol are sockets in the board's own folder, to which QEMU connects, so
no port number can be taken by somebody else. Firmware is built for the OpenETH network card (CONFIG_ETH_USE_OPENETH).
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

from bench.boards.board import Board
from bench.boards.drivers.emulator import END_LIMIT, START_LIMIT, EmulatedBoard
from bench.boards.drivers.qemu_monitor import Monitor
from bench.errors import BenchError, BoardLost

__all__ = ["HOST", "QemuBoard"]

HOST = "10.0.2.2"
"""The bench's machine, as QEMU's user networking presents its loopback to the guest."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """What QEMU calls a chip."""

    program: str
    package: str
    """Of ESP-IDF's tools.json."""
    arguments: tuple[str, ...]
    strap: str
    """Of the GPIO strapping register, for the ROM's loader."""
    efuse: str


_MACHINES: Mapping[str, _Machine] = MappingProxyType(
    {
        "esp32": _Machine(
            "qemu-system-xtensa", "qemu-xtensa", ("-machine", "esp32", "-m", "4M"), "0x0f", "nvram.esp32.efuse"
        ),
        "esp32c3": _Machine(
            "qemu-system-riscv32", "qemu-riscv32", ("-machine", "esp32c3"), "0x02", "nvram.esp32c3.efuse"
        ),
        # The eFuse device of the C3: QEMU has none of the S3's own (qemu_ext.py, QEMU-201).
        "esp32s3": _Machine(
            "qemu-system-xtensa", "qemu-xtensa", ("-machine", "esp32s3"), "0x07", "nvram.esp32c3.efuse"
        ),
    }
)


class QemuBoard(EmulatedBoard):
    """A board that QEMU emulates."""

    server_name = HOST
    services = "idf,qemu"

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self._machine = _MACHINES[board.chip]
        self.program = self._machine.program
        self.install = (
            f"install Espressif's fork, `python $IDF_PATH/tools/idf_tools.py install {self._machine.package}` and "
            "`. $IDF_PATH/export.sh`, or name it by emulator.executable in boards.yaml"
        )
        self._monitor: Monitor | None = None
        self._downloading = False

    def _arguments(self, download: bool) -> list[str]:
        machine, folder = self._machine, self._folder
        return [
            *machine.arguments,
            *("-nographic", "-monitor", "none", "-no-user-config"),
            *("-drive", f"file={self._flash},if=mtd,format=raw"),
            *("-drive", f"file={self._efuse.path},if=none,format=raw,id=efuse"),
            *("-global", f"driver={machine.efuse},property=drive,value=efuse"),
            *("-global", f"driver=timer.{self.board.chip}.timg,property=wdt_disable,value=true"),
            *(
                ("-global", f"driver={self.board.chip}.gpio,property=strap_mode,value={machine.strap}")
                if download
                else ()
            ),
            *("-nic", "user,model=open_eth"),
            *("-serial", f"unix:{folder / 'serial'}"),
            *("-qmp", f"unix:{folder / 'qmp'}"),
        ]

    def _start(self, download: bool) -> None:
        self._downloading = download
        with self._listener("serial") as serial, self._listener("qmp") as qmp:
            process = self._launch(self._arguments(download), stdin=subprocess.DEVNULL, stdout=self._log)
            self._use(self._accepted(serial, process))
            self._monitor = Monitor(self._accepted(qmp, process))
        try:
            self._monitor.greet()
        except BoardLost as error:
            raise self._ended(f"did not start ({error})") from error

    def _listener(self, name: str) -> socket.socket:
        path = self._folder / name
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(str(path))
            listener.listen(1)
            listener.settimeout(0.1)
        except OSError as error:
            listener.close()
            raise BenchError(f"{self.board.name}: {path}: {error}; TMPDIR may be too long a path") from error
        return listener

    def _accepted(self, listener: socket.socket, process: subprocess.Popen[bytes]) -> socket.socket:
        ends = time.monotonic() + START_LIMIT
        while True:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                if process.poll() is not None or time.monotonic() > ends:
                    raise self._ended("did not start") from None
            else:
                connection.settimeout(END_LIMIT)
                return connection

    def _enabled(self, download: bool) -> None:
        """QEMU's own reset where the firmware is to start; another strapping takes another process."""
        with self._lock:
            if not self.powered:
                return
            if download or self._downloading:
                super()._enabled(download)
            else:
                self._asked("system_reset")

    def _settle(self) -> None:
        """A stopped machine has drained and flushed its drives; it goes on where it was."""
        if self._process is not None:
            self._asked("stop")
            self._asked("cont")

    def _stop(self) -> None:
        with suppress(BoardLost):  # dead already, which is what is wanted
            self._asked("quit")
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_LIMIT)
        self._kill()

    def _kill(self) -> None:
        super()._kill()
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            monitor.close()

    def _asked(self, command: str) -> None:
        if self._monitor is None:
            raise self._ended("is not running")
        try:
            self._monitor.execute(command)
        except BoardLost as error:
            raise self._ended(f"did not {command!r} ({error})") from error
