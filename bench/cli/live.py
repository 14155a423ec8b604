"""A console for people as it comes: lines coloured by level, boots, events and panics marked beside them."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import BinaryIO, TextIO

from bench.console import Boot, ConsoleReader, Event, Noise, Panic, Record
from bench.console.causes import explain

__all__ = ["Screen", "typed", "when_unread"]

_COLOURS = MappingProxyType({"E": "31", "W": "33", "I": "32", "D": "2", "V": "2"})
_MARK = "1;36"
_PANIC = "1;31"


class Screen:
    """Shows what a console says. Nothing that a device prints can do more to the terminal than be read."""

    def __init__(self, write: Callable[[str], object], *, colour: bool) -> None:
        self._write = write
        self._colour = colour
        self._reader = ConsoleReader()

    def feed(self, data: bytes) -> None:
        """Bytes as they came."""
        for item in self._reader.feed(data):
            self._show(item)

    def close(self) -> None:
        """What was still under way."""
        for item in self._reader.close():
            self._show(item)

    def _show(self, item: object) -> None:
        if isinstance(item, Record):
            time = "" if item.ms is None else f" ({item.ms})"
            self._line(f"{item.level}{time} {item.tag}: {item.message}", _COLOURS.get(item.level, ""))
            if item.level == "E" and (cause := explain(item.message)) is not None:
                self._line(f"    {cause}", _MARK)
        elif isinstance(item, Noise):
            self._line(item.text, "")
        elif isinstance(item, Event):
            payload = "" if item.payload is None else f" {item.payload}"
            self._line(f">>> {item.name}{payload}", _MARK)
        elif isinstance(item, Boot):
            what = f"version {item.app_version} from {item.slot}" if item.app_version else "no application seen"
            self._line(f">>> boot: {item.reset_reason or 'reset unseen'}, {what}", _MARK)
        elif isinstance(item, Panic):
            self._line(f">>> panic: {item.reason}", _PANIC)

    def _line(self, text: str, colour: str) -> None:
        plain = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
        self._write(f"\x1b[{colour}m{plain}\x1b[0m\n" if self._colour and colour else f"{plain}\n")


def typed(stream: BinaryIO) -> Iterator[bytes]:
    """Lines as they are typed, until the end of the input; a terminal gives them one by one."""
    while line := stream.readline():
        yield line


def when_unread(stream: TextIO, tell: Callable[[], None]) -> None:
    """Call `tell`, from a thread of its own, when nobody reads a pipe any more.

    Whoever writes to it learns that with the next write only, and a board that is silent causes none. What is no pipe
    is read for ever; so is one on a system without poll(2).
    """
    if not hasattr(select, "poll"):
        return
    watched = select.poll()
    try:
        watched.register(stream.fileno(), 0)  # errors are told unasked: POLLERR, POLLHUP
    except OSError:  # a stream without a descriptor
        return

    def watch() -> None:
        if any(events & (select.POLLERR | select.POLLHUP) for _, events in watched.poll()):
            tell()

    threading.Thread(target=watch, name="unread", daemon=True).start()
