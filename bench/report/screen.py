"""The terminal of a run while its tests go on: lines of the bench, and below what others write a line for each board.

The terminal is held by a duplicate of its own, which nobody captures, so that it can be written to at any time and from
any thread. What stands below the others' output is taken away before they write (`aside`), and comes back a moment
later; the cursor is then where they left it, be it in the middle of a line.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from bench.report.live import Standing, told
from bench.report.post import Inbox

__all__ = ["Drawing", "Screen"]

Drawing = Callable[[Sequence[Standing], float, os.terminal_size], list[str]]
"""Standings, seconds since the epoch and the size of the terminal, to lines that are no longer than it is wide."""

_EVERY = 0.2
"""Seconds between two looks of the view."""

_PLAIN_EVERY = 30.0
"""Seconds after which a scenario that still runs gets a line of plain text, where there is no view."""

_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


class Screen:
    """Lines, and the view of all boards; a context manager.

    Args:
        handle: descriptor of the terminal or the file; it is duplicated
        draw: how the view looks; None: there is no view, and a line of plain text now and then
        plain: no view either, but is there to be such a line?
        column: how far the others are in their line, in characters
        inbox: what other processes tell, if any do
    """

    def __init__(
        self,
        handle: int,
        *,
        draw: Drawing | None,
        plain: bool = True,
        column: Callable[[], int] = lambda: 0,
        inbox: Inbox | None = None,
    ) -> None:
        self._given = handle
        self._handle = -1
        self._draw = draw
        self._plain = plain
        self._others = column
        self._inbox = inbox
        self._standings: dict[str, Standing] = {}
        self._said: dict[str, float] = {}
        self._lines = 0
        self._column = 0
        self._broken_at = 0
        self._quiet_until = 0.0
        self._lock = threading.RLock()
        """Of the terminal. Whoever writes holds it, for as long as a terminal that was stopped (Ctrl-S) lets nobody."""
        self._of_standings = threading.Lock()
        """Of what is told by those who must not wait for the terminal: they hold the timeline."""
        self._ending = threading.Event()
        self._ticker: threading.Thread | None = None

    def open(self) -> Screen:
        """Take hold of the terminal; where processes are to tell something, begin to listen."""
        self._handle = os.dup(self._given)
        if self._inbox is not None:
            self._start()
        return self

    def __enter__(self) -> Screen:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the view away, with nothing left of it, and let go of the terminal."""
        self._ending.set()
        if self._ticker is not None:
            self._ticker.join()
            self._ticker = None
        with self._lock:
            if self._inbox is not None:
                self._read(self._inbox)
            self._erase()
            self._draw = None
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1

    def line(self, text: str) -> None:
        """A line in the middle of whatever is going on."""
        with self._lock:
            self._erase()
            self._write(("\n" if self._now_at() else "") + text + "\n")
            self._broken_at = self._others()

    def show(self, key: str, standing: Standing | None) -> None:
        """How it stands with whoever has this key; None: no more. Never waits for the terminal."""
        with self._of_standings:
            if standing is None:
                self._standings.pop(key, None)
                self._said.pop(key, None)
            else:
                self._standings[key] = standing
        if standing is not None and (self._draw is not None or self._plain):
            self._start()

    def gone(self, key: str) -> None:
        """Whoever has this key tells nothing more: its process has ended."""
        with self._lock:
            if self._inbox is not None:
                self._read(self._inbox)
            self.show(key, None)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Others write to the terminal meanwhile."""
        with self._lock:
            self._erase()
            yield
            self._quiet_until = time.monotonic() + _EVERY / 2

    def off(self) -> None:
        """No view from now on: a person has the terminal."""
        with self._lock:
            self._erase()
            self._draw = None

    # -- inside ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._ticker is None and not self._ending.is_set():
            self._ticker = threading.Thread(target=self._tick, name="screen", daemon=True)
            self._ticker.start()

    def _tick(self) -> None:
        while not self._ending.wait(_EVERY):
            with self._lock:
                if self._inbox is not None:
                    self._read(self._inbox)
                if self._draw is not None:
                    self._redraw(self._draw)
                elif self._plain:
                    self._tell()

    def _read(self, inbox: Inbox) -> None:
        for sender, message in inbox.read():
            if isinstance(message, str):
                self.line(message)
            else:
                self.show(sender, message)

    def _tell(self) -> None:
        now = time.time()
        with self._of_standings:
            due = {
                key: standing
                for key, standing in self._standings.items()
                if now - max(self._said.get(key, 0.0), standing.began) >= _PLAIN_EVERY
            }
            self._said.update(dict.fromkeys(due, now))
        for standing in due.values():
            self.line(told(standing, now))

    def _redraw(self, draw: Drawing) -> None:
        with self._of_standings:
            standings = [self._standings[key] for key in sorted(self._standings)]
        if time.monotonic() < self._quiet_until or (not standings and not self._lines):
            return
        size = self._size()
        lines = draw(standings, time.time(), size)[: max(1, size.lines - 2)] if standings else []
        if self._lines and len(lines) == self._lines:
            # Written over what stands there, so that nothing flickers.
            up = f"\x1b[{self._lines - 1}A" if self._lines > 1 else ""
            self._write("\r" + up + "\n".join(f"{line}\x1b[K" for line in lines))
            return
        self._erase()
        if lines:
            self._column = self._now_at()
            self._write(_HIDE_CURSOR + ("\n" if self._column else "") + "\n".join(lines))
            self._lines = len(lines)

    def _erase(self) -> None:
        """Take the view away, and put the cursor back to where the others left it."""
        if not self._lines:
            return
        first = f"\x1b[{self._lines - 1}A" if self._lines > 1 else ""
        gone = "\r" + first + "\x1b[J"
        back = f"\x1b[1A\x1b[{self._column + 1}G" if self._column else ""
        self._write(gone + back + _SHOW_CURSOR)
        self._lines = 0

    def _now_at(self) -> int:
        """The column of the others, who do not know of the lines that were written between."""
        at = self._others()
        if at < self._broken_at:
            self._broken_at = 0
        return (at - self._broken_at) % max(1, self._size().columns)

    def _size(self) -> os.terminal_size:
        with suppress(OSError):
            size = os.get_terminal_size(self._handle)
            if size.columns > 0 and size.lines > 0:
                return size
        return os.terminal_size((80, 24))

    def _write(self, text: str) -> None:
        """A terminal that is gone is no reason for a run to end."""
        data = memoryview(text.encode("utf-8", "replace"))
        with suppress(OSError):
            while data and self._handle >= 0:
                data = data[os.write(self._handle, data) :]
