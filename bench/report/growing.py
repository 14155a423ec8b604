"""Files that grow by appending: what is waiting is written together, a moment after it came."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from bench.errors import BenchError

__all__ = ["Behind", "Growing", "append_line", "cannot_write"]


class Behind:
    """A thread that calls `write` every so many `seconds`, until it is stopped.

    Whoever has something to write need not even wake it: to switch threads costs more than to write. A process that is
    killed outright loses what came in the last `seconds`, and nothing that came before; one that ends in any other way
    stops it first.
    """

    def __init__(self, write: Callable[[], None], seconds: float) -> None:
        self._write = write
        self._seconds = seconds
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is still waiting is for the caller to write."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(self._seconds):
            self._write()


class Growing:
    """A file that is appended to, without a buffer that could die with the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1

    def open(self) -> Growing:
        """Make it, or empty it."""
        try:
            self._handle = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644
            )
        except OSError as error:
            raise cannot_write(self._path, error) from error
        return self

    def add(self, data: bytes) -> None:
        """Append; BenchError where that cannot be. From one thread at a time."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def close(self) -> None:
        """Let go of it; closing twice is fine."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def append_line(path: Path, line: str) -> None:
    """Append a line to a file that many processes append to: in one write, so that none is torn. OSError."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)


def cannot_write(path: Path, error: OSError) -> BenchError:
    """The error to raise for this one."""
    return BenchError(f"cannot write the evidence {path}: {error.strerror or error}")
