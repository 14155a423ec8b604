"""Drivers: how a board is reached. One small class each, over the protocol of `driver.py`."""

from __future__ import annotations

from bench.boards.board import Board
from bench.boards.drivers.attached import AttachedBoard
from bench.boards.drivers.driver import Attachment, Supply
from bench.boards.drivers.virtual import VirtualBoard

__all__ = ["AttachedBoard", "Attachment", "Supply", "VirtualBoard", "attach"]


def attach(board: Board) -> Attachment:
    """The attachment for a board of boards.yaml; nothing is opened before it is entered."""
    return VirtualBoard(board) if board.virtual else AttachedBoard(board)
