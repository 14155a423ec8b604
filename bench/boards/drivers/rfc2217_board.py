"""The `rfc2217` driver: a board at a serial port on the network, behind ser2net or esptool's `esp_rfc2217_server`.

A connection that breaks is a lost board. To connect again would be easy, and would hide that bytes of the console may
have been lost in between; what a console with a hole in it says, no scenario can judge.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from bench.boards.board import Board
from bench.boards.drivers.switched import supply_of
from bench.boards.identify import identify
from bench.boards.serialurl import register
from bench.errors import BoardLost

__all__ = ["Rfc2217Board"]

_PREFIX = "rfc2217://"


def _mac_of(port: str) -> str:
    return identify(port).mac


class Rfc2217Board:
    """A board behind an RFC 2217 server, from `__enter__` to `__exit__`. Nothing is held open in between.

    Entering connects only where boards.yaml gives a MAC to compare: esptool's server resets the board whenever a client
    leaves.
    """

    def __init__(self, board: Board, *, ask_mac: Callable[[str], str] = _mac_of) -> None:
        self.board = board
        self.supply = supply_of(board)
        self._ask_mac = ask_mac

    @property
    def port(self) -> str:
        """The URL for the bench's own client, which does not sleep."""
        return "fast2217://" + self.board.port.removeprefix(_PREFIX)

    @property
    def url(self) -> str:
        """The same port as pyserial's own client knows it, for tools in other processes."""
        return self.board.port

    def __enter__(self) -> Self:
        register()
        if self.board.mac and (mac := self._ask_mac(self.port)) != self.board.mac:
            raise BoardLost(
                f"{self.board.name}: the chip at {self.url} has the MAC {mac}, and boards.yaml says {self.board.mac}; "
                "nothing was written to it"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.supply.leave(error)
