"""One life recorded: each operation on flash and eFuses with what it changes, whole and half done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.sweep.bench_top import BenchTop
from bench.virtual.door import Door

__all__ = ["Change", "Operation", "Recording", "State", "put", "record", "watched"]


@dataclass(frozen=True, slots=True)
class Change:
    """Bytes put somewhere in the flash, or in the eFuses (all blocks in a row)."""

    efuse: bool
    offset: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the processor: number from 1, what for, and what it changes."""

    number: int
    purpose: str
    half: tuple[Change, ...]
    whole: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class State:
    """All that outlives a power cut."""

    flash: bytes = field(repr=False)
    efuse: bytes = field(repr=False)

    @classmethod
    def of(cls, top: BenchTop) -> State:
        """As it is now."""
        machine = top.machine
        return cls(machine.flash.peek(0, machine.flash.size), machine.efuse.content())

    def put_into(self, top: BenchTop) -> None:
        """Make that board hold it."""
        top.machine.flash.poke(0, self.flash)
        top.machine.efuse.put(self.efuse)


@dataclass(frozen=True, slots=True)
class Recording:
    """A life from its first to its last operation."""

    start: State
    operations: tuple[Operation, ...]
    console: bytes = field(repr=False)


class _Recorder(Door):
    """A door that writes down what each operation does, half and whole, before it lets it happen."""

    def __init__(self, top: BenchTop, cut: Callable[[bool], None]) -> None:
        super().__init__(cut)
        self._top = top
        self._changes: list[tuple[Change, Change]] = []
        self.recorded: list[Operation] = []

    def change(self, purpose: str, *, half: Callable[[], None], whole: Callable[[], None]) -> None:
        """Do it half, undo that, do it whole; what each changed is an operation of the recording."""
        self.operations += 1
        self.by_purpose[purpose] += 1
        halves = self._watched(half)
        for old, _ in reversed(halves):
            put(self._top, old)
        wholes = self._watched(whole)
        done = tuple(new for _, new in wholes)
        self.recorded.append(Operation(self.operations, purpose, tuple(new for _, new in halves), done))

    def _watched(self, change: Callable[[], None]) -> list[tuple[Change, Change]]:
        """Make a change; what stood there before, and what stands there now, in the order of the writes."""
        self._changes = []
        with watched(self._top, lambda old, new: self._changes.append((old, new))):
            change()
        return self._changes


@contextmanager
def watched(top: BenchTop, told: Callable[[Change, Change], None]) -> Iterator[None]:
    """Have every write told, with what stood there before and what will stand there."""
    flash, efuse = top.machine.flash, top.machine.efuse
    flash.watch(lambda at, data: told(Change(False, at, flash.peek(at, len(data))), Change(False, at, data)))
    efuse.watch(lambda at, data: told(Change(True, 0, efuse.content()), Change(True, at, data)))
    try:
        yield
    finally:
        flash.watch(None)
        efuse.watch(None)


def put(top: BenchTop, change: Change) -> None:
    """Make a change, past the door."""
    if change.efuse:
        top.machine.efuse.put(change.data)
    else:
        top.machine.flash.poke(change.offset, change.data)


def record(top: BenchTop, life: Callable[[BenchTop], None]) -> Recording:
    """Let the board live as `life` says, from the state that it is in, and write every operation down."""
    machine, start = top.machine, State.of(top)
    top.forget()
    recorder, plain = _Recorder(top, lambda _back: None), machine.flash.door
    machine.flash.door = machine.efuse.door = recorder
    try:
        life(top)
    finally:
        machine.flash.door = machine.efuse.door = plain
    return Recording(start, tuple(recorder.recorded), bytes(top.console))
