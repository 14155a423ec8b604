"""Bytes that outlive the process: a memory-mapped file, or plain memory where no file is named.

The file is the memory itself, so that even a board process that was killed leaves what had been written, as a real
chip would. It is created whole beside its name and then put in place, and it is locked: one board, one file.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from bench.errors import BenchError

__all__ = ["Store"]


class Store:
    """`size` bytes, from `path` if given.

    Args:
        size: bytes
        fresh: what a new store holds (`size` bytes)
        path: file to keep it in; made if absent
        what: what it is, for errors, e.g. ``"flash file of an esp32c3"``

    Raises:
        BenchError: the file has another size, is used by another board, or cannot be opened
    """

    def __init__(self, size: int, fresh: bytes, *, path: Path | None = None, what: str = "memory") -> None:
        if len(fresh) != size:
            raise ValueError(f"fresh content has {len(fresh)} bytes, not {size}")
        self._file = None if path is None else _open(path, fresh, what)
        self._map = mmap.mmap(-1 if self._file is None else self._file, size)
        if path is None:
            self._map[:] = fresh
        self.size = size
        self.watcher: Callable[[int, bytes], None] | None = None
        """Told of each write before it is done: offset and new bytes."""

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, offset: int, length: int) -> bytes:
        return self._map[offset : offset + length]

    def write(self, offset: int, data: bytes) -> None:
        if self.watcher is not None:
            self.watcher(offset, data)
        self._map[offset : offset + len(data)] = data

    def flush(self) -> None:
        """Have the file on disk."""
        if not self._map.closed:
            self._map.flush()

    def close(self) -> None:
        """Flush and let go; a second time does nothing."""
        if self._map.closed:
            return
        self._map.flush()
        self._map.close()
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _open(path: Path, fresh: bytes, what: str) -> int:
    """An open, locked file of the right size; the descriptor is the caller's."""
    try:
        if not path.exists():
            _create(path, fresh)
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise BenchError(f"{what}: cannot open {path}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BenchError(f"{what}: {path} is in use by another virtual board") from error
        size = os.fstat(file).st_size
        if size != len(fresh):
            raise BenchError(
                f"{what}: {path} has {size} bytes, it must have {len(fresh)}; name another file, or remove this one "
                "to begin with a new one"
            )
    except BaseException:
        os.close(file)
        raise
    return file


def _create(path: Path, fresh: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("xb") as file:
            file.write(fresh)
            file.flush()
            os.fsync(file.fileno())
        # link, unlike rename, does not replace a file that another process made in the meantime
        try:
            os.link(beside, path)
        except FileExistsError:
            return
    finally:
        beside.unlink(missing_ok=True)
