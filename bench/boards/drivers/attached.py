"""A board with nothing but a port: a local serial device, or a serial port that speaks RFC2217 on the network."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from bench.boards.board import Board
from bench.boards.drivers.switched import supply_of

__all__ = ["AttachedBoard"]


class AttachedBoard:
    """esptool and pytest-embedded open the port themselves; there is nothing to hold here but the name."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.port = board.port
        self.supply = supply_of(board)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
