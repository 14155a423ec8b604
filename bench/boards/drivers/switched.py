"""The supply of a real board: what was switched off is on again for the next one, whatever came in between."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod

from bench.boards.board import Board
from bench.boards.drivers.driver import Supply
from bench.boards.power import Switch, switch_of
from bench.errors import BenchError

__all__ = ["RealSupply", "SwitchedSupply", "supply_of"]

_log = logging.getLogger(__name__)


class RealSupply(Supply, ABC):
    """Remembers that it was switched off: a switch keeps its state when the bench ends, and a board that is off is
    one that nobody finds.
    """

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self._off = False

    @abstractmethod
    def _switch_to(self, on: bool) -> None:
        """Switch it. Raises `BenchError` when that fails, or nobody knows how it is now."""

    def power(self, on: bool) -> None:
        """Switch the supply. Raises `BenchError` when the switch's tool fails or its state says otherwise."""
        if not on:
            self._off = True  # before it is: of a tool that is broken off half way nobody knows what it has done
        self._switch_to(on)
        if on:
            self._off = False

    def renew(self) -> None:
        """On again, where the last scenario ended, by failing, while it was off."""
        if self._off:
            self.power(True)

    def leave(self, error: BaseException | None) -> None:
        """Switch it on, where it was switched off and not on again. Raises only where nothing else has gone wrong."""
        if not self._off:
            return
        try:
            self.power(True)
        except BenchError as problem:
            told = f"{self.board.name} is given back switched off; switch it on before it is used again: {problem}"
            if error is None:
                raise BenchError(told) from problem
            _log.warning("%s", told)


class SwitchedSupply(RealSupply):
    """Takes the supply and gives it back by the switch that boards.yaml names."""

    def __init__(self, board: Board, switch: Switch) -> None:
        super().__init__(board)
        self._switch = switch

    def _switch_to(self, on: bool) -> None:
        self._switch.switch(on)


def supply_of(board: Board) -> Supply:
    """What the board's wiring gives beyond its port."""
    return Supply(board) if board.power is None else SwitchedSupply(board, switch_of(board.power))
