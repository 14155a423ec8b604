"""How the processes of one run tell another how it stands: a file each, appended to by one and read by the other."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench.report.live import Standing, as_json, from_json

__all__ = ["Inbox", "Sender"]

_EVERY = 0.2
"""Seconds between two messages of how it stands."""

_SUFFIX = ".jsonl"
_LONGEST = 1 << 20


class Sender:
    """What one process tells; a context manager. Has the interface of `bench.report.screen.Screen` that fixtures use.

    Args:
        path: its file, in a folder that is there
        standings: is it of use to tell how it stands? Lines are told in any case
    """

    def __init__(self, path: Path, *, standings: bool) -> None:
        self._path = path
        self._wanted = standings
        self._handle = -1
        self._now: Standing | None = None
        self._told: Standing | None = None
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._ticker: threading.Thread | None = None

    def open(self) -> Sender:
        """Begin."""
        self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return self

    def __enter__(self) -> Sender:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Tell that nothing goes on any more."""
        self._ending.set()
        if self._ticker is not None:
            self._ticker.join()
            self._ticker = None
        self._now = None
        self._tell()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def line(self, text: str) -> None:
        """A line for the terminal."""
        self._send(json.dumps(text))

    def show(self, _key: str, standing: Standing | None) -> None:
        """How it stands; told soon, and not more often than somebody looks."""
        self._now = standing
        if self._wanted and self._ticker is None and not self._ending.is_set():
            self._ticker = threading.Thread(target=self._tick, name="live", daemon=True)
            self._ticker.start()

    def _tick(self) -> None:
        while not self._ending.wait(_EVERY):
            self._tell()

    def _tell(self) -> None:
        now = self._now
        if now != self._told:
            self._told = now
            self._send("null" if now is None else as_json(now))

    def _send(self, message: str) -> None:
        """A disk that is full is told by the evidence; this is for the eye."""
        with self._lock, suppress(OSError):
            if self._handle >= 0:
                os.write(self._handle, f"{message}\n".encode())


class Inbox:
    """What all senders of one folder tell; the folder is made by `open`, and taken away by `close`.

    Args:
        folder: not there yet
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[Path, int] = {}

    def open(self) -> Inbox:
        """Make the folder; OSError where that cannot be."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self

    def close(self) -> None:
        """Take the folder away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def sender(self, name: str) -> Path:
        """The file of the sender of that name."""
        return self.folder / f"{name}{_SUFFIX}"

    def read(self) -> Iterator[tuple[str, str | Standing | None]]:
        """What has come since the last time, with the name of who sent it: a line, or how it stands."""
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            with suppress(OSError), path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                whole = file.read(_LONGEST).rpartition(b"\n")[0]
                if not whole:
                    continue
                self._read[path] = self._read.get(path, 0) + len(whole) + 1
                for line in whole.split(b"\n"):
                    with suppress(ValueError):  # what is damaged is not shown; nothing depends on it
                        yield path.name.removesuffix(_SUFFIX), _message(line.decode())


def _message(text: str) -> str | Standing | None:
    if text == "null":
        return None
    return str(json.loads(text)) if text.startswith('"') else from_json(text)
