"""A progress bar for long writes: one line of a terminal that overwrites itself, and is gone at the end."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Bar"]

_LONG = 32 * 1024
"""Bytes from which on it is worth showing."""

_EVERY = 0.1
"""Seconds between two looks of it, at least."""

_WIDTH = 30
_CLEAR = "\r\x1b[K"


class Bar:
    """Shows how far the writing is.

    Args:
        write: puts text on the terminal, at once; whoever has no terminal makes no bar
        label: what stands before the bar
    """

    def __init__(self, write: Callable[[str], object], label: str) -> None:
        self._write = write
        self._label = label
        self._shown = -_EVERY

    def __call__(self, done: int, total: int) -> None:
        """So many bytes of so many."""
        if total < _LONG:
            return
        if done >= total:
            self._write(_CLEAR)
            return
        now = time.monotonic()
        if now - self._shown >= _EVERY:
            self._shown = now
            filled = _WIDTH * done // total
            line = f"{self._label} [{'#' * filled}{' ' * (_WIDTH - filled)}] {done // 1024}/{total // 1024} KiB"
            self._write(_CLEAR + line)
