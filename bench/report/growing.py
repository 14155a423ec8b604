"""Files that grow by appending: what is waiting is written together, a moment after it came."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from bench.errors import BenchError

__all__ = ["Behind", "Growing", "cannot_write"]


class Behind:
    """A thread that calls `write` within `seconds` of `wake`, and then not before it is woken again.

    What comes in quick succession so costs one call. A process that is killed outright loses what came in the last
    `seconds`, and nothing that came before; one that ends in any other way stops it first.
    """

    def __init__(self, write: Callable[[], None], seconds: float) -> None:
        self._write = write
        self._seconds = seconds
        self._woken = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to write; quick, from any thread."""
        if not self._woken.is_set():
            self._woken.set()

    def stop(self) -> None:
        """End; what is still waiting is for the caller to write."""
        self._ending.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while self._woken.wait() and not self._ending.wait(self._seconds):
            self._woken.clear()  # before it looks: what comes while it writes wakes it again
            if self._ending.is_set():
                return  # the end came between the two lines above, and its waking was just cleared
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


def cannot_write(path: Path, error: OSError) -> BenchError:
    """The error to raise for this one."""
    return BenchError(f"cannot write the evidence {path}: {error.strerror or error}")
