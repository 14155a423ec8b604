"""Which boards `--board NAME|CHIP` means. There is never a silent fall-back to another board."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path

from bench.boards.board import CHIPS, Board
from bench.boards.boards_file import BoardsFile
from bench.errors import BenchError

__all__ = ["is_attached", "select_boards"]


def is_attached(board: Board) -> bool:
    """Can the board be there at all? A virtual board and a URL can; a device path must exist."""
    return board.virtual or "://" in board.port or Path(board.port).exists()


def select_boards(
    file: BoardsFile, wanted: Sequence[str], *, attached: Callable[[Board], bool] = is_attached
) -> tuple[Board, ...]:
    """The boards for the values of `--board`, in order, each once; the file's default where there are none.

    A name takes that board. A chip takes the first *real* board with that chip that is attached: a virtual
    board is only ever taken by its name. Raises `BenchError`, with the mend, where nothing fits.
    """
    chosen: dict[str, Board] = {}
    for value in wanted or (_default(file),):
        board = _one(file, value, attached)
        chosen[board.name] = board
    return tuple(chosen.values())


def _default(file: BoardsFile) -> str:
    if file.default is None:
        raise BenchError(f"{file.path} has no `default:` board; add one, or say --board {'|'.join(file.boards)}")
    return file.default


def _one(file: BoardsFile, value: str, attached: Callable[[Board], bool]) -> Board:
    if value in file.boards:
        board = file.boards[value]
        if not attached(board):
            raise BenchError(
                f"--board {value}: its port {board.port} is not there ({file.path}:{board.line}); "
                "attach the board or mend the port"
            )
        return board
    if value in CHIPS:
        return _by_chip(file, value, attached)
    near = get_close_matches(value, [*file.boards, *CHIPS], n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    raise BenchError(f"--board {value}: no such board or chip{meant}; {file.path} names {', '.join(file.boards)}")


def _by_chip(file: BoardsFile, chip: str, attached: Callable[[Board], bool]) -> Board:
    real = [board for board in file.boards.values() if board.chip == chip and not board.virtual]
    for board in real:
        if attached(board):
            return board
    if real:
        absent = "; ".join(f"{board.name} ({board.port} is not there)" for board in real)
    else:
        absent = f"{file.path} names none"
    virtual = [b.name for b in file.boards.values() if b.chip == chip and b.virtual]
    instead = f"; for the virtual one say --board {virtual[0]}" if virtual else ""
    raise BenchError(f"--board {chip}: no {chip} board is attached: {absent}{instead}")
