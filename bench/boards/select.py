"""Which boards `--board NAME|CHIP|tag:NAME` means. There is never a silent fall-back to another board."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from bench.boards.board import CHIPS, Board
from bench.boards.boards_file import BoardsFile
from bench.boards.whereabouts import is_attached
from bench.errors import BenchError

__all__ = ["Pool", "select_pools"]

_TAG = "tag:"


@dataclass(frozen=True, slots=True)
class Pool:
    """Boards that stand for one another: a scenario runs once in a pool, on whichever board comes free.

    Attributes:
        name: in the ids of tests: the board's, the chip's or the tag's
        boards: of one chip, and either all real or all emulated
        by_tag: was it asked for by a tag? Then each emulated board is one process, like a board on a desk;
            one that was asked for by its name has as many as there are processes that use it
    """

    name: str
    boards: tuple[Board, ...]
    by_tag: bool = False

    @property
    def chip(self) -> str:
        """The chip that all its boards have."""
        return self.boards[0].chip

    @property
    def capacity(self) -> int | None:
        """How many scenarios can run in it at once; None: as many as there are processes."""
        return None if self.boards[0].emulated and not self.by_tag else len(self.boards)


def select_pools(
    file: BoardsFile, wanted: Sequence[str], *, attached: Callable[[Board], bool] = is_attached
) -> tuple[Pool, ...]:
    """The pools for the values of `--board`, in order, each once; the file's default where there are none.

    A name means that board. A chip means all attached *real* boards with it: what is no hardware is only ever taken
    by its name or tag. ``tag:NAME`` means all attached boards with that tag, in one pool for each chip.
    Raises `BenchError`, with the mend, where nothing fits.
    """
    pools: dict[str, Pool] = {}
    for value in wanted or (_default(file),):
        for pool in _pools(file, value, attached):
            other = pools.setdefault(pool.name, pool)
            if other != pool:
                raise BenchError(f"--board {value}: another --board gives a pool called {pool.name!r} too; rename one")
    return tuple(pools.values())


def _default(file: BoardsFile) -> str:
    if file.default is None:
        raise BenchError(f"{file.path} has no `default:` board; add one, or say --board {'|'.join(file.boards)}")
    return file.default


def _pools(file: BoardsFile, value: str, attached: Callable[[Board], bool]) -> tuple[Pool, ...]:
    if value in file.boards:
        board = file.boards[value]
        if not attached(board):
            raise BenchError(
                f"--board {value}: its port {_port(board)} is not there ({file.path}:{board.line}); "
                "attach the board or mend the port"
            )
        return (Pool(value, (board,)),)
    if value in CHIPS:
        return (_by_chip(file, value, attached),)
    if value.startswith(_TAG):
        return _by_tag(file, value.removeprefix(_TAG), attached)
    near = get_close_matches(value, [*file.boards, *CHIPS, *(_TAG + tag for tag in _tags(file))], n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    raise BenchError(f"--board {value}: no such board or chip{meant}; {file.path} names {', '.join(file.boards)}")


def _by_chip(file: BoardsFile, chip: str, attached: Callable[[Board], bool]) -> Pool:
    real = [board for board in file.boards.values() if board.chip == chip and not board.emulated]
    there = tuple(board for board in real if attached(board))
    if there:
        return Pool(chip, there)
    absent = _absent(real) if real else f"{file.path} names none"
    virtual = [board.name for board in file.boards.values() if board.chip == chip and board.emulated]
    instead = f"; for the virtual one say --board {virtual[0]}" if virtual else ""
    raise BenchError(f"--board {chip}: no {chip} board is attached: {absent}{instead}")


def _by_tag(file: BoardsFile, tag: str, attached: Callable[[Board], bool]) -> tuple[Pool, ...]:
    tagged = [board for board in file.boards.values() if tag in board.tags]
    if not tagged:
        known = ", ".join(_tags(file)) or "none at all"
        raise BenchError(f"--board {_TAG}{tag}: no board has that tag; {file.path} has {known}")
    if len({board.emulated for board in tagged}) > 1:  # those that are away count, or models would stand in for them
        names = ", ".join(board.name for board in tagged)
        raise BenchError(f"--board {_TAG}{tag}: {names} are hardware and models in one; give them different tags")
    there = [board for board in tagged if attached(board)]
    if not there:
        raise BenchError(f"--board {_TAG}{tag}: no such board is attached: {_absent(tagged)}")
    chips = {board.chip for board in tagged}  # of those that are away, too: the ids of tests are to stay
    return tuple(
        Pool(
            tag if len(chips) == 1 else f"{tag}-{chip}",
            tuple(board for board in there if board.chip == chip),
            by_tag=True,
        )
        for chip in dict.fromkeys(board.chip for board in there)
    )


def _tags(file: BoardsFile) -> list[str]:
    return list(dict.fromkeys(tag for board in file.boards.values() for tag in board.tags))


def _absent(boards: Iterable[Board]) -> str:
    return "; ".join(f"{board.name} ({_port(board)} is not there)" for board in boards)


def _port(board: Board) -> str:
    if board.port:
        return board.port
    if board.usb is not None:
        return f"USB {board.usb.serial or board.usb.location}"
    return board.mac
