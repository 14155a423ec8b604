"""One board for a command at the desk: by its name in boards.yaml or by its port, leased, attached, given back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.boards.board import CHIPS, Board
from bench.boards.boards_file import BoardsFile, port_problem
from bench.boards.drivers import Attachment, attach
from bench.boards.identify import identify
from bench.boards.lease import Lease, Owner, lease_folder
from bench.boards.whereabouts import lease_key
from bench.errors import BenchError, BoardBusy

__all__ = ["at_hand", "looks_like_a_port"]


def looks_like_a_port(name: str) -> bool:
    """Is it a device path or a URL, and no name of a board?"""
    return "://" in name or name.startswith("/dev/") or re.fullmatch(r"(?i)COM\d+", name) is not None


@contextmanager
def at_hand(name: str, boards_file: Path, *, purpose: str) -> Iterator[Attachment]:
    """A board to work on, held by nobody else meanwhile.

    Args:
        name: of a board in the file, or the port of one, whose chip is then asked who it is
        purpose: what somebody else is told who wants the board

    Raises:
        BoardBusy: somebody else holds it
        BenchError: there is no such board
    """
    with ExitStack() as stack:
        if looks_like_a_port(name):
            board, leased = _by_port(name, stack, purpose)
        else:
            board = _by_name(name, boards_file)
            leased = _lease(board, stack, purpose)
        yield stack.enter_context(attach(board, leased=leased))


def _by_name(name: str, path: Path) -> Board:
    if not path.exists():
        raise BenchError(
            f"{name}: no such file or port, and no {path} that names a board so: see `bench boards discover`"
        )
    file = BoardsFile.load(path)
    if name not in file.boards:
        raise BenchError(f"{name}: no such file or port, and no board of {path}; it names {', '.join(file.boards)}")
    return file.boards[name]


def _by_port(port: str, stack: ExitStack, purpose: str) -> tuple[Board, str | None]:
    driver = "rfc2217" if port.startswith("rfc2217://") else "serial"
    if problem := port_problem(driver, port):
        raise BenchError(f"{port} {problem}")
    leased = _lease(Board(port, CHIPS[0], driver, port), stack, purpose)
    chip = identify(port).chip
    if chip not in CHIPS:
        raise BenchError(f"{port}: there is an {chip}, and the bench knows {', '.join(CHIPS)}")
    return Board(port, chip, driver, port), leased


def _lease(board: Board, stack: ExitStack, purpose: str) -> str | None:
    """Lease the board; the key of the lease, None for a board that nobody else can see."""
    key = lease_key(board)
    if key is None:
        return None
    lease = stack.enter_context(Lease(lease_folder(), key, Owner.this_process(board.name, purpose)))
    if not lease.take():
        raise BoardBusy(f"{board.name} is held by {lease.holder()}; wait for it, or end it")
    return key
