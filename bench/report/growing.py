"""Files that grow by appending: what is waiting is written together, a moment after it came."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from bench.errors import BenchError

__all__ = ["Behind", "Growing", "append_line", "cannot_write"]


class Behind:
    """A thread that calls all who have something to write every so many `seconds`; a context manager.

    Whoever has something to write need not even wake it: to switch threads costs more than to write, and one thread for
    all the scenarios of a run less than one for each. A process that is killed outright loses what came in the last
    `seconds`, and nothing that came before; one that ends in any other way stops it first.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._writes: tuple[Callable[[], None], ...] = ()
        self._changing = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End; what is still waiting is for the callers to write."""
        self._ending.set()
        self._thread.join()

    def call(self, write: Callable[[], None]) -> None:
        """Call this, too, from now on; it must not raise."""
        with self._changing:
            self._writes += (write,)

    def forget(self, write: Callable[[], None]) -> None:
        """Call it no more; a call that is under way is not waited for."""
        with self._changing:
            self._writes = tuple(one for one in self._writes if one != write)

    def _run(self) -> None:
        while not self._ending.wait(self._seconds):
            for write in self._writes:
                write()


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
