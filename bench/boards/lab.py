"""One process's share of a lab: never more than one board at a time, taken as it comes free and always given back."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.boards.board import Board
from bench.boards.drivers import Attachment, attach
from bench.boards.lease import Lease, Owner
from bench.boards.select import Pool
from bench.boards.whereabouts import lease_key
from bench.errors import BenchError, BoardBusy, BoardLost

__all__ = ["Lab", "LostBoards", "PoolLost"]

_POLL = 0.1
"""Seconds between two attempts to take a lease: a few system calls each."""

_PROGRESS = 30.0
"""Seconds between two lines about a wait in which nothing changes."""

_log = logging.getLogger(__name__)


class PoolLost(BoardLost):
    """Every board of the pool is set aside; the message holds the first cause."""


class LostBoards:
    """The boards that a run has set aside, by name, for all of its processes: a file with one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, board: str, cause: str) -> None:
        """Set a board aside for the rest of the run. One write, which a file opened for appending takes whole."""
        line = json.dumps({"board": board, "cause": cause}) + "\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            try:
                os.write(file, line.encode())
            finally:
                os.close(file)
        except OSError as error:
            raise BenchError(f"cannot note that {board} is lost: {self._path}: {error.strerror}") from error

    def causes(self) -> dict[str, str]:
        """Why each of them was set aside; the first cause counts. In the order in which they were lost."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return {}
        found: dict[str, str] = {}
        for line in lines:
            told = json.loads(line)
            found.setdefault(told["board"], told["cause"])
        return found


@dataclass(frozen=True, slots=True)
class _Held:
    board: Board
    lease: Lease | None
    stack: ExitStack
    """Undoes what was done with the board; gives back the lease last."""


class Lab:
    """Takes boards of pools for one process; a context manager.

    It holds at most one board, and none while it waits for another, so that processes cannot wait for one another
    in a circle.

    Args:
        folder: of the machine's leases
        own_folder: of the leases that only processes of this run can see: on the emulated boards of a tag
        lost: what this run has set aside
        purpose: what a lease is for, as others read it
        patience: seconds to wait for a board of a pool before the first `BoardBusy`
        tell: is told the progress of a wait, a line at a time
    """

    def __init__(
        self,
        folder: Callable[[], Path],
        own_folder: Path,
        lost: LostBoards,
        *,
        purpose: str,
        patience: float,
        tell: Callable[[str], None] = _log.warning,
    ) -> None:
        self._folder = folder
        self._own_folder = own_folder
        self._lost = lost
        self._purpose = purpose
        self._patience = patience
        self._tell = tell
        self._held: _Held | None = None
        self._attachment: Attachment | None = None
        self._waited_in_vain: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()

    @property
    def held(self) -> Attachment | None:
        """The board that is held and attached now."""
        return self._attachment

    def take(self, pool: Pool) -> Board:
        """The board held already where it is of this pool and whole; else the first of the pool that comes free.

        Raises:
            BoardBusy: none came free in time
            PoolLost: all of them are set aside
        """
        lost = self._lost.causes()
        if self._held is not None:
            if self._held.board in pool.boards and self._held.board.name not in lost:
                return self._held.board
            self.give_back()
        patience = 0.0 if pool.name in self._waited_in_vain else self._patience
        try:
            self._held = self._first_free(pool, patience)
        except BoardBusy:
            self._waited_in_vain.add(pool.name)  # whoever asks next need not wait as long again to be told the same
            raise
        self._waited_in_vain.discard(pool.name)
        return self._held.board

    def attach(self) -> Attachment:
        """Attach the board that was taken; not before it is known that nothing will harm it.

        Raises:
            BoardBusy: somebody has it of whom only the driver knows, for too long
            BoardLost: it cannot be reached; it is set aside
        """
        assert self._held is not None, "no board was taken"
        name = self._held.board.name
        wait = _Wait(name, 0.0 if name in self._waited_in_vain else self._patience, self._tell)
        lease = self._held.lease
        attachment = attach(self._held.board, leased=None if lease is None else lease.key)
        while self._attachment is None:
            try:
                self._attachment = self._held.stack.enter_context(attachment)
                self._held.stack.callback(self._detached)
            except BoardLost as error:
                self.set_aside(str(error))
                raise
            except BoardBusy as error:
                self._waited_in_vain.add(name)
                wait.go_on([str(error)])
        self._waited_in_vain.discard(name)
        return self._attachment

    def _detached(self) -> None:
        self._attachment = None

    def give_back(self) -> None:
        """Give the board back. What a driver says about a board that is lost is nobody's concern any more."""
        held, self._held = self._held, None
        if held is None:
            return
        try:
            held.stack.close()
        except (BenchError, OSError) as error:
            if held.board.name not in self._lost.causes():
                raise
            _log.warning("%s was lost, and so could not be put in order: %s", held.board.name, error)

    def give_way(self, following: Pool | None) -> None:
        """Between two scenarios: give the board back where the next one does not need it, or somebody waits for it."""
        held = self._held
        if held is None:
            return
        # a lease that somebody waits for is given back with the board as it is: each scenario brings it to its start
        unneeded = following is None or held.board not in following.boards
        if unneeded or (held.lease is not None and held.lease.wanted()):
            self.give_back()

    def set_aside(self, cause: str) -> None:
        """The board that is held is lost: no process of this run takes it again."""
        if self._held is not None:
            self._lost.add(self._held.board.name, cause)

    def _first_free(self, pool: Pool, patience: float) -> _Held:
        leases = [(board, self._lease(board, pool)) for board in pool.boards]
        wait = _Wait(f"a board of {pool.name}" if len(pool.boards) > 1 else pool.name, patience, self._tell)
        taken: _Held | None = None
        try:
            while taken is None:
                lost = self._lost.causes()
                if all(board.name in lost for board in pool.boards):
                    raise PoolLost(_first_cause(pool, lost))
                busy: list[str] = []
                for board, lease in leases:
                    if board.name in lost:
                        continue
                    if lease is None or lease.take(self._tell):
                        taken = _Held(board, lease, ExitStack())
                        break
                    busy.append(_busy(board, lease))
                else:
                    wait.go_on(busy)
            if taken.lease is not None:
                taken.stack.callback(taken.lease.give_back)
            return taken
        finally:
            for _, lease in leases:
                if lease is not None and (taken is None or lease is not taken.lease):
                    lease.give_back()

    def _lease(self, board: Board, pool: Pool) -> Lease | None:
        owner = Owner.this_process(board.name, self._purpose)
        key = lease_key(board)
        if key is not None:
            return Lease(self._folder(), key, owner)
        if board.emulated and pool.by_tag:
            self._own_folder.mkdir(parents=True, exist_ok=True)
            return Lease(self._own_folder, board.name, owner)
        return None


@dataclass
class _Wait:
    """The progress of one wait."""

    what: str
    patience: float
    tell: Callable[[str], None]

    def __post_init__(self) -> None:
        self._ends = time.monotonic() + self.patience
        self._told_at = 0.0
        self._told: list[str] = []

    def go_on(self, busy: list[str]) -> None:
        """Wait a little. Raises `BoardBusy` when the patience is at its end."""
        now = time.monotonic()
        if now >= self._ends:
            raise BoardBusy(
                f"{self.what} did not come free within {self.patience:g} s: {'; '.join(busy)}. "
                "Wait longer by --lease-wait SECONDS, or name another --board"
            )
        if busy != self._told or now - self._told_at > _PROGRESS:
            self._told, self._told_at = busy, now
            self.tell(f"waiting for {'; '.join(busy)} ({self._ends - now:.0f} s left)")
        time.sleep(min(_POLL, self._ends - now))


def _busy(board: Board, lease: Lease) -> str:
    holder = lease.holder()
    if holder is None:
        return f"{board.name}, for which others wait"
    if holder.gone:
        return (
            f"{board.name}, held by {holder}, which is gone, but left a process behind: `fuser {lease.path}` names it"
        )
    return f"{board.name}, held by {holder}"


def _first_cause(pool: Pool, lost: dict[str, str]) -> str:
    names = [board.name for board in pool.boards]
    first = next(name for name in lost if name in names)
    rest = "" if len(names) == 1 else f" (and then the other boards of {pool.name})"
    return f"{first} was lost{rest}: {lost[first]}"
