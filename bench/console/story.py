"""A console told in a few lines: boots, events, panics, attempts and the verdict, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bench.console.causes import explain
from bench.console.items import Boot, Event, Item, Panic
from bench.console.judge import Judgement

__all__ = ["Story", "ending"]


class Story:
    """Tells items as they come; repeated events of one name are told once, with their number."""

    def __init__(self) -> None:
        self._repeated: Event | None = None
        self._times = 0

    def tell(self, items: Iterable[Item]) -> Iterator[str]:
        """Lines about the items that are worth one."""
        for item in items:
            if isinstance(item, Event):
                if self._repeated is not None and self._repeated.name == item.name:
                    self._times += 1
                    self._repeated = item
                    continue
                yield from self.rest()
                self._repeated, self._times = item, 1
            elif isinstance(item, Boot):
                yield from self.rest()
                yield _line(item.line_no, "boot", _boot(item))
            elif isinstance(item, Panic):
                yield from self.rest()
                yield _line(item.line_no, "panic", _panic(item))

    def rest(self) -> Iterator[str]:
        """The line that still waits for a repetition."""
        event, self._repeated = self._repeated, None
        if event is not None:
            payload = "" if event.payload is None else f" {event.payload}"
            times = "" if self._times == 1 else f"  (the last of {self._times})"
            yield _line(event.line_no, "event", f"{event.name}{payload}{times}")


def ending(judgement: Judgement) -> Iterator[str]:
    """The attempts and the verdict."""
    for number, attempt in enumerate(judgement.attempts, 1):
        where = f"attempt {number}, lines {attempt.first_line} to {attempt.last_line}"
        yield _plain(f"{where}: {attempt.verdict}: {attempt.reason}")
        cause = explain(attempt.reason)
        if cause is not None:
            yield f"    {cause}"
    yield _plain(f"verdict: {judgement.verdict}" + (f": {judgement.reason}" if judgement.reason else ""))


def _boot(boot: Boot) -> str:
    parts = [
        boot.reset_reason or "reset unseen",
        boot.slot,
        None if boot.partition_offset is None else f"0x{boot.partition_offset:x}",
        boot.project_name,
        None if boot.app_version is None else f"version {boot.app_version}",
        None if boot.secure_version is None else f"secure version {boot.secure_version}",
        None if boot.idf_version is None else f"ESP-IDF {boot.idf_version}",
    ]
    return ", ".join(part for part in parts if part is not None)


def _panic(panic: Panic) -> str:
    pc = "" if panic.pc is None else f", pc 0x{panic.pc:x}"
    backtrace = " ".join(f"0x{frame:x}" for frame in panic.backtrace)
    return panic.reason + pc + (f", backtrace {backtrace}" if backtrace else "")


def _line(line_no: int, kind: str, text: str) -> str:
    return _plain(f"{line_no:>7}  {kind:<6} {text}")


def _plain(text: str) -> str:
    """What a terminal may be shown: a console can hold any control character."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
