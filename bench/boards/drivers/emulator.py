"""A board that an emulator is: a flash file, an eFuse file, and a process that runs while the power is on.

What the emulators have in common; `qemu` and `espemu` say how each is started, spoken to and stopped. Flash and eFuses
are files here, so they are read and written without the emulator's help, and each entry has new ones.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Any, Self

from bench.boards.board import Board, Emulator
from bench.boards.drivers.driver import Supply
from bench.boards.drivers.emulator_efuse import EfuseFile
from bench.boards.drivers.emulator_port import EmulatorPort
from bench.boards.serialurl import register
from bench.errors import BenchError, BoardLost

__all__ = ["END_LIMIT", "START_LIMIT", "EmulatedBoard", "flash_size"]

START_LIMIT = 30.0
"""Seconds for the emulator to load and open its channels."""

END_LIMIT = 10.0
"""Seconds for it to end when it is asked to."""

_SMALLEST, _LARGEST = 4 << 20, 16 << 20
"""Bytes of flash: what the bench's builds need, and the most that the emulators have."""

_BOOTLOADER: Mapping[str, int] = MappingProxyType({"esp32": 0x1000, "esp32c3": 0, "esp32s3": 0})

_GUARD = Path(__file__).parents[1] / "emulator_guard.py"


def flash_size(header: bytes) -> int:
    """Bytes of flash that a bootloader was built for, by its image header (esp_image_header_t, byte 3, high nibble).

    4 MiB at least; also where there is no image. A bootloader refuses to run on less than it was built for.
    """
    if len(header) < 4 or header[0] != 0xE9:
        return _SMALLEST
    return min(max(_SMALLEST, 1 << 20 << (header[3] >> 4)), _LARGEST)


class EmulatedBoard(Supply, ABC):
    """An emulated board, from `__enter__` to `__exit__`; it is off until it is switched on."""

    program = ""
    """The executable where boards.yaml names none."""
    install = ""
    """How to get it."""

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self._settings = board.emulator or Emulator()
        self._stack = ExitStack()
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._hand = -1
        self._folder = Path()
        self._log: IO[bytes] | None = None
        self._executable = ""
        self._door: EmulatorPort | None = None
        self._serial: socket.socket | None = None
        self._reader: threading.Thread | None = None
        self._ending = False
        """Is its end wanted? Who ends otherwise is lost."""
        self._gone = False
        """Has it let go of its serial port, unwanted? Its process may take a moment longer to be gone."""

    # -- the attachment -----------------------------------------------------------------------------------------

    @property
    def port(self) -> str:
        """The URL for the bench's own client: it stays while the board is off, and a pulse on RTS resets it."""
        return "fast2217://" + self._open_door().address

    @property
    def url(self) -> str:
        """The same port for pyserial's own client, in other processes."""
        return "rfc2217://" + self._open_door().address

    @property
    def supply(self) -> EmulatedBoard:
        """An emulated board is its own supply."""
        return self

    def __enter__(self) -> Self:
        register()
        named = self._settings.executable or self.program
        found = shutil.which(os.path.expanduser(named))
        if found is None:
            raise BenchError(f"{self.board.name}: no executable {named!r}; {self.install}")
        self._executable = found
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ota-bench-")))
            self._log = stack.enter_context((self._folder / "log").open("w+b"))
            self._door = stack.enter_context(EmulatorPort(self._typed, self._enabled))
            self.renew()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.power(False)
        finally:
            self._stack.close()
            self._door = self._log = None

    # -- the supply ---------------------------------------------------------------------------------------------

    @property
    def powered(self) -> bool:
        """Does the emulator run? One that has ended by itself does not."""
        return self._process is not None and not self._gone and self._process.poll() is None

    def renew(self) -> None:
        """Blank flash, eFuses as delivered; off, for there is nothing to boot."""
        self.power(False)
        self._flash.write_bytes(b"\xff" * _SMALLEST)
        self._efuse.renew()

    def power(self, on: bool) -> None:
        """Start the emulator, or end it."""
        with self._lock:
            if on and not self.powered:
                self._kill()  # what is left of one that ended by itself
                self._boot(download=False)
            elif not on and self._process is not None:
                self._end()

    def reset(self) -> None:
        """What a pulse on EN does."""
        self._enabled(False)

    def read_flash(self, offset: int, length: int) -> bytes:
        """Read the flash as it is now. Offset and length in bytes."""
        with self._lock:
            self._settle()
            with self._flash.open("rb") as file:
                file.seek(offset)
                data = file.read(length)
        if len(data) != length:
            raise BenchError(f"{self.board.name}: its flash ends before 0x{offset + length:x}")
        return data

    def digest_flash(self, offset: int, length: int) -> str:
        """SHA-256 (hexadecimal) of a region of the flash as it is now."""
        return hashlib.sha256(self.read_flash(offset, length)).hexdigest()

    def write_flash(self, offset: int, data: bytes) -> None:
        """Put bytes into the flash of a board that is off. Offset in bytes."""
        with self._lock:
            self._must_be_off("write its flash")
            self._grow(offset + len(data))
            with self._flash.open("r+b") as file:
                file.seek(offset)
                file.write(data)

    def burn_efuse(self, block: int, bits: bytes) -> None:
        """Burn the bits that are 1 into an eFuse block of a board that is off."""
        with self._lock:
            self._must_be_off("burn its eFuses")
            self._efuse.burn(block, bits)

    def secure_version(self) -> int:
        """The secure version in the eFuse file."""
        with self._lock:
            self._settle()
            return self._efuse.blocks().secure_version

    # -- for each emulator --------------------------------------------------------------------------------------

    @abstractmethod
    def _start(self, download: bool) -> None:
        """Start the process and have its output come; `download`: into the ROM's loader."""

    @abstractmethod
    def _stop(self) -> None:
        """End the process, with flash and eFuses in their files."""

    def _enabled(self, download: bool) -> None:
        """EN was let go: start anew, unless there is no power. Overridden where that takes no new process."""
        with self._lock:
            if self.powered:
                self._end()
                self._boot(download)

    def _settle(self) -> None:
        """Have the files hold what the running board holds."""

    # -- the serial port ----------------------------------------------------------------------------------------

    def _use(self, serial: socket.socket) -> None:
        """This is the emulator's serial port from now on."""
        serial.settimeout(None)
        self._serial, self._gone = serial, False
        self._reader = threading.Thread(target=self._read, args=(serial,), name=f"{self.program}'s port", daemon=True)
        self._reader.start()

    def _read(self, serial: socket.socket) -> None:
        door = self._open_door()
        with suppress(OSError):  # it has ended, or been ended
            while data := serial.recv(65536):
                door.feed(data)
        if not self._ending and self._serial is serial:
            self._gone = True
            door.drop()  # whoever listens would take it for firmware that says nothing

    def _typed(self, data: bytes) -> None:
        """Pass on what was typed on the console."""
        serial = self._serial
        if serial is not None:
            with suppress(OSError):  # as on a wire that ends at a board without power
                serial.sendall(data)

    def _hang_up(self) -> None:
        """The serial port is used no more; all that had come by it was passed on."""
        serial, reader = self._serial, self._reader
        self._serial = self._reader = None
        if serial is not None:
            with suppress(OSError):  # the other end is gone
                serial.shutdown(socket.SHUT_RDWR)
        if reader is not None:
            reader.join()
        if serial is not None:
            serial.close()

    # -- inside -------------------------------------------------------------------------------------------------

    @property
    def _flash(self) -> Path:
        return self._folder / "flash.bin"

    @property
    def _efuse(self) -> EfuseFile:
        return EfuseFile(self._folder / "efuse.bin", self.board.chip)

    def _open_door(self) -> EmulatorPort:
        if self._door is None:
            raise BoardLost(f"{self.board.name}: the emulator is not in use")
        return self._door

    def _end(self) -> None:
        self._ending = True
        try:
            self._stop()
        finally:
            self._ending = False

    def _boot(self, download: bool) -> None:
        with self._flash.open("rb") as file:
            file.seek(_BOOTLOADER[self.board.chip])
            header = file.read(4)
        self._grow(flash_size(header))
        self._open_door().forget()
        try:
            self._start(download)
        except BaseException:
            self._kill()
            raise

    def _grow(self, size: int) -> None:
        """A flash chip has 4, 8 or 16 MiB, and what was not written is erased."""
        have, want = self._flash.stat().st_size, _SMALLEST
        while want < size:
            want *= 2
        if want > _LARGEST:
            raise BenchError(f"{self.board.name}: an emulator has {_LARGEST} bytes of flash at most, and not {size}")
        if want > have:
            with self._flash.open("ab") as file:
                file.write(b"\xff" * (want - have))

    def _must_be_off(self, what: str) -> None:
        if self.powered:
            raise BenchError(f"{self.board.name}: cannot {what} while it runs: switch it off first")

    def _launch(self, arguments: list[str], **streams: Any) -> subprocess.Popen[bytes]:
        """The emulator under its guard, which kills it when this process is gone."""
        watched, self._hand = os.pipe()
        # -P: the folder of the guard holds modules of the bench that are called as some of Python's own are.
        command = [sys.executable, "-P", str(_GUARD), str(watched)]
        command += [self._executable, *arguments, *self._settings.arguments]
        try:
            process = subprocess.Popen(
                command, stderr=self._log, start_new_session=True, pass_fds=(watched,), bufsize=0, **streams
            )
        finally:
            os.close(watched)
        self._process = process
        return process

    def _kill(self) -> None:
        """Whatever it does: it is gone afterwards."""
        process, self._process = self._process, None
        if self._hand >= 0:
            os.close(self._hand)
            self._hand = -1
        if process is not None:
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
        self._hang_up()

    def _ended(self, what: str) -> BoardLost:
        """It has ended by itself, or says nothing."""
        said = b""
        if self._log is not None:
            self._log.seek(0)
            said = self._log.read()[-1000:]
        code = None
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):  # a channel closes a moment before its process is gone
                code = self._process.wait(0.5)
        why = "it does not answer" if code is None else f"it ended with exit code {code}"
        told = said.decode("utf-8", "replace").strip() or "it said nothing"
        return BoardLost(f"{self.board.name}: {Path(self._executable).name} {what}: {why}:\n{told}")
