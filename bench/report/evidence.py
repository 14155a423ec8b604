"""What one scenario leaves behind: a folder that is whole even when the process was killed in the middle.

    console.raw      the bytes of the console, as they came
    timeline.jsonl   every entry of the timeline, one a line
    requests.jsonl   every request with its answer, one a line, derived from the timeline
    images.json      name, size and SHA-256 of every image that was published or flashed
    outcome.json     how it ended

What grows is appended, and handed to the operating system at once; what is replaced is replaced whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.errors import BenchError
from bench.timeline import Entry, Timeline, to_json

__all__ = ["Evidence"]


class Evidence:
    """The evidence of one scenario; a context manager.

    What cannot be written is a `BenchError`: at once where the caller wrote it, and from `close` where it was an
    entry of the timeline, because the source of an entry is not to blame.

    Args:
        folder: made where it is not there; what an earlier run left in it is replaced
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._console: _Growing | None = None
        self._entries: _Growing | None = None
        self._requests: _Growing | None = None
        self._timeline: Timeline | None = None
        self._waiting: dict[object, dict[str, object]] = {}
        self._images: list[dict[str, object]] = []
        self._lock = threading.RLock()
        self._first_error: BenchError | None = None

    def open(self) -> Evidence:
        """Make the folder and its files."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(self.folder, error) from error
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self._replace("images.json", [])
            (self.folder / "outcome.json").unlink(missing_ok=True)
            self._console = _Growing(self.folder / "console.raw")
            self._entries = _Growing(self.folder / "timeline.jsonl")
            self._requests = _Growing(self.folder / "requests.jsonl")
            undo.pop_all()
        return self

    def __enter__(self) -> Evidence:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def attach(self, timeline: Timeline) -> None:
        """Write every entry of the timeline, those already there and those to come."""
        if self._timeline is not None:
            raise BenchError("this evidence has its timeline already")
        timeline.listen(self._entry)
        self._timeline = timeline

    def console(self, data: bytes) -> None:
        """Bytes that came from the board's console."""
        if self._console is None:
            raise BenchError(f"the evidence in {self.folder} is not open")
        self._console.add(data)

    def image(self, name: str, data: bytes, role: str = "flashed") -> None:
        """An image that was flashed to the board; those that are published come with the timeline."""
        self.images({name: data}, role)

    def images(self, images: Mapping[str, bytes], role: str = "flashed") -> None:
        """Images by name, as `image` has them, written at once."""
        self._add_images(
            {"role": role, "name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in images.items()
        )

    def outcome(self, outcome: str, **particulars: object) -> None:
        """How the scenario ended (``"passed"``, ``"failed"``, ``"error"``, ``"skipped"``), with what belongs to it.

        The particulars must be what JSON can hold.
        """
        self._replace("outcome.json", {"outcome": outcome, **particulars})

    def close(self) -> None:
        """Let go of the timeline and the files; raises the first `BenchError` that an entry met."""
        with self._lock:
            timeline, self._timeline = self._timeline, None
        if timeline is not None:
            timeline.unlisten(self._entry)
        with self._lock:
            for unanswered in self._waiting.values():
                self._keep(self._requests, json.dumps(unanswered))
            self._waiting.clear()
            for file in (self._console, self._entries, self._requests):
                if file is not None:
                    file.close()
            self._console = self._entries = self._requests = None
            error, self._first_error = self._first_error, None
        if error is not None:
            raise error

    def _entry(self, entry: Entry) -> None:
        """One entry has come; called with the timeline locked, so nothing is raised here."""
        with self._lock:
            self._keep(self._entries, to_json(entry))
            if entry.source != "server":
                return
            if entry.kind == "request":
                self._waiting[entry.get("request")] = {"at": entry.at, **_plain(entry.data)}
            elif entry.kind == "response":
                asked = self._waiting.pop(entry.get("request"), {})
                self._keep(self._requests, json.dumps({**asked, **_plain(entry.data), "answered_at": entry.at}))
            elif entry.kind == "release":
                image = {"role": "published", "name": entry.get("path")}
                try:
                    self._add_images([{**image, "size": entry.get("size"), "sha256": entry.get("sha256")}])
                except BenchError as error:
                    self._first_error = self._first_error or error

    def _keep(self, file: _Growing | None, line: str) -> None:
        if file is None or self._first_error is not None:
            return
        try:
            file.add(line.encode("ascii") + b"\n")
        except BenchError as error:
            self._first_error = error

    def _add_images(self, images: Iterable[dict[str, object]]) -> None:
        with self._lock:
            new = [image for image in images if image not in self._images]
            self._images += new
            if new:
                self._replace("images.json", self._images)

    def _replace(self, name: str, value: object) -> None:
        path = self.folder / name
        whole = path.with_name(f".{name}.new")
        try:
            whole.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
            whole.replace(path)
        except OSError as error:
            raise _cannot_write(path, error) from error


class _Growing:
    """A file that is appended to, without a buffer that could die with the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _cannot_write(path, error) from error

    def add(self, data: bytes) -> None:
        """Append; BenchError where that cannot be."""
        rest = memoryview(data)
        with self._lock:
            if self._handle < 0:
                raise BenchError(f"the evidence {self._path} is closed")
            try:
                while rest:
                    rest = rest[os.write(self._handle, rest) :]
            except OSError as error:
                raise _cannot_write(self._path, error) from error

    def close(self) -> None:
        with self._lock:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1


def _plain(data: Mapping[str, object]) -> dict[str, object]:
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in data.items()}


def _cannot_write(path: Path, error: OSError) -> BenchError:
    return BenchError(f"cannot write the evidence {path}: {error.strerror or error}")
