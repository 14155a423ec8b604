"""The supply of a board that has nothing beyond its port but a switch for its power."""

from __future__ import annotations

from bench.boards.board import Board
from bench.boards.drivers.driver import Supply
from bench.boards.power import Switch, switch_of

__all__ = ["SwitchedSupply", "supply_of"]


class SwitchedSupply(Supply):
    """Takes the supply and gives it back by the switch that boards.yaml names."""

    def __init__(self, board: Board, switch: Switch) -> None:
        super().__init__(board)
        self._switch = switch

    def power(self, on: bool) -> None:
        """Switch the supply. Raises `BenchError` when the switch's tool fails or its state says otherwise."""
        self._switch.switch(on)


def supply_of(board: Board) -> Supply:
    """What the board's wiring gives beyond its port."""
    return Supply(board) if board.power is None else SwitchedSupply(board, switch_of(board.power))
