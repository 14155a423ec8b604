"""A terminal that is none: a pseudo terminal with pyte behind it, and what was ever to be seen on it."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import time
from collections.abc import Callable

import pyte

__all__ = ["Terminal"]


class Terminal:
    """A context manager; `slave` is the descriptor for whoever writes.

    Attributes:
        seen: every state of the screen, as lines without trailing blanks, one for each piece that was read
        raw: all that was written
    """

    def __init__(self, columns: int = 120, lines: int = 30) -> None:
        self._size = (columns, lines)
        self.screen = pyte.HistoryScreen(columns, lines, history=10_000)
        self._stream = pyte.ByteStream(self.screen)
        self.seen: list[list[str]] = []
        self.raw = b""
        self.master = self.slave = -1

    def __enter__(self) -> Terminal:
        self.master, self.slave = os.openpty()
        columns, lines = self._size
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.master)
        self.let_go()

    def let_go(self) -> None:
        """Close the side of who writes: it was given to a process."""
        if self.slave >= 0:
            os.close(self.slave)
            self.slave = -1

    def read(self, seconds: float = 0.0) -> bool:
        """Show what has come, waiting for it so long; False where the writer is gone or nothing came."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:  # EIO: nobody has the other side any more
            return False
        # A terminal without a person turns nothing around; the line discipline did so already.
        self._stream.feed(data)
        self.raw += data
        self.seen.append(self.lines)
        return bool(data)

    @property
    def lines(self) -> list[str]:
        """What is to be seen now."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def all_lines(self) -> list[str]:
        """The same, with what has left the screen at its top."""
        history = ["".join(line[x].data for x in range(self._size[0])).rstrip() for line in self.screen.history.top]
        return history + self.lines

    @property
    def cursor(self) -> tuple[int, int, bool]:
        """Line, column, and whether it is to be seen."""
        return self.screen.cursor.y, self.screen.cursor.x, not self.screen.cursor.hidden

    def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Read until that is so."""
        ends = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < ends, "\n".join(self.lines)
            self.read(0.05)
