"""Drivers: how a board is reached. One small class each, over the protocol of `driver.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from bench.boards.board import Board
from bench.boards.drivers.driver import Attachment, Supply
from bench.boards.drivers.espemu import EspEmuBoard
from bench.boards.drivers.labgrid import LabgridBoard
from bench.boards.drivers.qemu import QemuBoard
from bench.boards.drivers.rfc2217_board import Rfc2217Board
from bench.boards.drivers.serial_board import SerialBoard
from bench.boards.drivers.virtual import VirtualBoard
from bench.errors import BenchError

__all__ = ["Attachment", "LabgridBoard", "Rfc2217Board", "SerialBoard", "Supply", "VirtualBoard", "attach"]

_DRIVERS: Mapping[str, Callable[[Board], Attachment]] = MappingProxyType(
    {
        "virtual": VirtualBoard,
        "serial": SerialBoard,
        "rfc2217": Rfc2217Board,
        "labgrid": LabgridBoard,
        "qemu": QemuBoard,
        "espemu": EspEmuBoard,
    }
)


def attach(board: Board, *, leased: str | None = None) -> Attachment:
    """The attachment for a board of boards.yaml; nothing is opened before it is entered.

    Args:
        leased: the key of the lease that is held on it; None where there is none
    """
    driver = _DRIVERS.get(board.driver)
    if driver is None:
        raise BenchError(f"{board.name}: this version of the bench has no driver {board.driver!r} yet")
    return SerialBoard(board, leased=leased) if driver is SerialBoard else driver(board)
