"""What takes long to make, made once for all processes that share a folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["Once", "OnceIn", "every_time"]

Once = Callable[[str, Callable[[], bytes]], bytes]
"""Called with a name and how it is made, it gives what was made under that name; at most one process makes it."""


def every_time(name: str, make: Callable[[], bytes]) -> bytes:  # noqa: ARG001 - a `Once` is told the name
    """The `Once` of a process that shares with nobody."""
    return make()


class OnceIn:
    """A `Once` whose results lie in a folder, a file each, readable for their owner alone: keys may be among them.

    Whoever wants what another process is making waits for it. Where the maker fails or dies, the next one makes it;
    half a result is never taken for a whole one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str, make: Callable[[], bytes]) -> bytes:
        """What was made under that name, which may be any text, here or in another process."""
        made = self._folder / hashlib.sha256(name.encode()).hexdigest()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not made.exists():
            with made.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not made.exists():
                    self._make(made, make)
        return made.read_bytes()

    @staticmethod
    def _make(made: Path, make: Callable[[], bytes]) -> None:
        data = make()
        half = made.with_suffix(".half")
        with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
        half.replace(made)
