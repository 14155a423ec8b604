"""What one scenario leaves behind: a folder that is whole even when the process was killed in the middle.

    console.raw      the bytes of the console, as they came
    timeline.jsonl   every entry of the timeline, one a line
    requests.jsonl   every request with its answer, one a line, derived from the timeline
    images.json      name, size and SHA-256 of every image that was published or flashed
    outcome.json     how it ended

What grows is appended, and written in pieces: what came is on its way to the file `WITHIN` seconds later at most, by a
thread beside them, so that neither the board's console nor the server waits for a disk. `close` writes the rest. So
a run that fails or is ended by a signal leaves all of it, and one that is killed outright may lose the last moment:
the lines before that are whole, and so is the last one unless the system was just writing it. What is written again
is whole before and after.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from bench.errors import BenchError
from bench.report.firmware_store import KeptImage
from bench.report.growing import Behind, Growing, cannot_write
from bench.report.json_file import rewrite_json
from bench.timeline import Entry, Timeline, to_jsonl, to_line

__all__ = ["WITHIN", "Evidence"]

WITHIN = 0.5
"""Seconds that something may wait to be written: what a run loses that is killed outright. Every writing costs the
scenario half a millisecond, most of which is the switch of threads."""


class Evidence:
    """The evidence of one scenario; a context manager.

    What cannot be written is a `BenchError`: at once for an outcome, and from `close` for what grows, because the
    source of an entry is not to blame.

    Args:
        folder: made where it is not there; what an earlier run left in it is replaced
        behind: the thread that writes; None: one of its own, for as long as it is open

    Attributes:
        told: what `outcome.json` holds; empty while there is none
    """

    def __init__(self, folder: Path, behind: Behind | None = None) -> None:
        self.folder = folder
        self.told: dict[str, object] = {}
        self._files: dict[str, Growing] = {}
        self._open = False
        self._timeline: Timeline | None = None
        self._bytes: deque[bytes] = deque()
        self._kept = -1
        self._unanswered: dict[object, dict[str, object]] = {}
        self._images: list[dict[str, object]] = []
        self._images_kept = True
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._behind = behind
        self._own = contextlib.ExitStack()
        self._first_error: BenchError | None = None

    def open(self) -> Evidence:
        """Make the folder and its files."""
        try:
            self._make_folder()
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            for name in ("console.raw", "timeline.jsonl", "requests.jsonl"):
                self._files[name] = Growing(self.folder / name).open()
            behind = self._behind or self._own.enter_context(Behind(WITHIN))
            behind.call(self._write)
            self._own.callback(behind.forget, self._write)
            self._open = True
            self._images_kept = False
            undo.pop_all()
        return self

    def _make_folder(self) -> None:
        """A new one as a rule, of which nobody need ask what is in it."""
        try:
            os.mkdir(self.folder)
        except FileNotFoundError:
            self.folder.mkdir(parents=True)
        except FileExistsError:
            (self.folder / "outcome.json").unlink(missing_ok=True)

    def __enter__(self) -> Evidence:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def attach(self, timeline: Timeline) -> None:
        """Write every entry of the timeline, those already there and those to come."""
        if self._timeline is not None:
            raise BenchError("this evidence has its timeline already")
        self._timeline = timeline

    def console(self, data: bytes) -> None:
        """Bytes that came from the board's console."""
        if not self._open:
            raise BenchError(f"the evidence in {self.folder} is not open")
        self._bytes.append(data)

    def flashed(self, images: Iterable[KeptImage]) -> None:
        """What the board was flashed with; what is published comes with the timeline."""
        self._add_images(
            {"role": "flashed", "name": image.name, "size": image.size, "sha256": image.sha256} for image in images
        )

    def outcome(self, outcome: str, **particulars: object) -> None:
        """How the scenario ended (``"passed"``, ``"failed"``, ``"error"``, ``"skipped"``), with what belongs to it.

        The particulars must be what JSON can hold. All that came before is in its files when this is; where it could
        not be written, what passed has not been shown to, and is an error.
        """
        self._write()
        if outcome == "passed" and self._first_error is not None:
            outcome, particulars = "error", {**particulars, "cause": str(self._first_error)}
        self._tell({"outcome": outcome, **particulars})

    def amend(self, particulars: Mapping[str, object]) -> None:
        """Add to an outcome what is known since it was written, be it another outcome; at any time, closed or not."""
        self._tell({**self.told, **particulars})

    def _tell(self, told: dict[str, object]) -> None:
        self._rewrite("outcome.json", told)
        self.told = told

    @property
    def images(self) -> tuple[Mapping[str, object], ...]:
        """What `images.json` holds: role, name, size and SHA-256 of every image so far."""
        with self._lock:
            return tuple(self._images)

    def give_up(self, error: BenchError) -> None:
        """Keep what came so far and nothing more, for this reason, which `close` raises and who waits is told."""
        self._write()

        def refuse() -> None:
            raise error

        self._try(refuse)

    def close(self) -> None:
        """Let go of the timeline, write what is left, and close the files; raises the first `BenchError` of writing."""
        self._open = False
        self._own.close()
        self._write()
        with self._writing:
            self._timeline = None
            unanswered = "".join(to_line(asked) + "\n" for asked in self._unanswered.values())
            self._unanswered.clear()
            self._keep("requests.jsonl", unanswered.encode("ascii"))
            for file in self._files.values():
                file.close()
            self._files.clear()
            error, self._first_error = self._first_error, None
        if error is not None:
            raise error

    def _write(self) -> None:
        """Write what has come since the last time; nothing is raised."""
        with self._writing:
            said, entries = b"".join(_taken(self._bytes)), self._new_entries()
            self._keep("console.raw", said)
            self._keep("timeline.jsonl", to_jsonl(entries).encode("ascii"))
            answered = [told for entry in entries if entry.source == "server" and (told := self._of_server(entry))]
            self._keep("requests.jsonl", "".join(answered).encode("ascii"))
            with self._lock:
                kept, self._images_kept, images = self._images_kept, True, list(self._images)
            if not kept:
                self._try(lambda: self._rewrite("images.json", images))

    def _new_entries(self) -> tuple[Entry, ...]:
        """What has come to the timeline since the last time."""
        entries = self._timeline.since(self._kept) if self._timeline is not None else ()
        if entries:
            self._kept = entries[-1].index
        return entries

    def _of_server(self, entry: Entry) -> str:
        """The line of `requests.jsonl` that this entry completes, if any."""
        if entry.kind == "request":
            self._unanswered[entry.get("request")] = {"at": entry.at, **entry.data}
        elif entry.kind == "response":
            asked = self._unanswered.pop(entry.get("request"), {})
            return to_line({**asked, **entry.data, "answered_at": entry.at}) + "\n"
        elif entry.kind == "release":
            image = {"role": "published", "name": entry.get("path")}
            self._add_images([{**image, "size": entry.get("size"), "sha256": entry.get("sha256")}])
        return ""

    def _keep(self, name: str, data: bytes) -> None:
        file = self._files.get(name)
        if file is not None and data and self._first_error is None:
            self._try(lambda: file.add(data))

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except BenchError as error:
            self._first_error = self._first_error or error
            if (timeline := self._timeline) is not None:
                timeline.fail(error)  # a scenario without evidence need not go on

    def _add_images(self, images: Iterable[dict[str, object]]) -> None:
        with self._lock:
            new = [image for image in images if image not in self._images]
            self._images += new
            self._images_kept = self._images_kept and not new

    def _rewrite(self, name: str, value: object) -> None:
        path = self.folder / name
        try:
            rewrite_json(path, value)
        except OSError as error:
            raise cannot_write(path, error) from error


def _taken(waiting: deque[bytes]) -> Iterator[bytes]:
    """What waits, oldest first, taken away; more may come meanwhile, from other threads."""
    for _ in range(len(waiting)):
        yield waiting.popleft()
