"""The console of an attached board, with the manners that its port asks for."""

from __future__ import annotations

from collections.abc import Callable

from bench.boards.console_port import AWAY_LIMIT, Away, ConsolePort
from bench.boards.drivers.driver import Attachment
from bench.boards.drivers.serial_board import SerialBoard
from bench.boards.reset import HOLD, USB_HOLD
from bench.errors import BoardLost

__all__ = ["console_of"]


def console_of(
    attachment: Attachment,
    feed: Callable[[bytes], None],
    *,
    away: Callable[[Away], None] | None = None,
    lost: Callable[[BoardLost], None] | None = None,
    away_limit: float = AWAY_LIMIT,
) -> ConsolePort:
    """The console of a board: reads on where the port of a local board goes away and comes back under another name.

    Args:
        attachment: the board, entered
        feed: takes the bytes, in a thread of the console's
        away: is told of each time that the port was gone, before the first byte that came after it
        lost: is told, in the console's thread, when nothing more will be heard of the board
        away_limit: seconds that it may be gone
    """
    board, supply = attachment.board, attachment.supply
    local = attachment if isinstance(attachment, SerialBoard) else None

    def cycle() -> None:
        supply.power(False)
        supply.power(True)

    hold = 0.0 if board.virtual else USB_HOLD if local is not None and local.native else HOLD
    return ConsolePort(
        attachment.port,
        feed,
        baud=board.baud,
        hold=hold,
        home=None if local is None else local.home,
        away=away,
        when_lost=lost,
        away_limit=away_limit,
        reset=cycle if board.reset_by == "power" else None,
    )
