"""The cache of builds: a directory for each content of what was built, whole or not there at all.

`<root>/<key>` is put there by one rename, from a staging directory of the same file system. A staging directory is
locked by who works in it; one that is not locked was left by a process that was killed, and goes at the next build.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.errors import BuildError

__all__ = ["Cache", "default_root"]

_STAGING = "staging-"
_LOCK = "in-use"


def default_root() -> Path:
    """Where builds are kept: within OTA_BENCH_HOME, or in the user's cache directory."""
    home = os.environ.get("OTA_BENCH_HOME")
    if home:
        return Path(home) / "builds"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache and Path(cache).is_absolute() else Path.home() / ".cache") / "ota-bench" / "builds"


class Cache:
    """Builds by key, below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, key: str) -> Path | None:
        """The build with that key; None where there is none."""
        path = self.root / key
        return path if path.is_dir() else None

    def put(self, key: str, made: Path) -> Path:
        """Take a whole build directory over from a staging directory, and return where it now is."""
        path = self.root / key
        made.rename(path)
        return path

    def keep_log(self, name: str, log: Path) -> Path:
        """Keep the log of a build that failed, in place of an earlier one of that name."""
        folder = self.root / "failed"
        folder.mkdir(exist_ok=True)
        return Path(shutil.move(log, folder / f"{name}.log"))

    @contextmanager
    def alone(self, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the one right to build that key; calls `waiting` where another process has it just now."""
        self._make_root()
        locks = self.root / "locks"
        locks.mkdir(exist_ok=True)
        with (locks / key).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A directory to work in, gone afterwards whatever happened."""
        self._make_root()
        self._sweep()
        path = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.root))
        try:
            with (path / _LOCK).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def _make_root(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BuildError(f"{self.root}: {error.strerror}; give another place for builds to --cache") from None

    def _sweep(self) -> None:
        """Remove what killed processes left."""
        for path in self.root.glob(f"{_STAGING}*"):
            with suppress(OSError), (path / _LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
