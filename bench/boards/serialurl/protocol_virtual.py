"""``virtual://HOST:PORT``: the serial port of a virtual board."""

from __future__ import annotations

from bench.boards.serialurl.rfc2217_client import Rfc2217Client

__all__ = ["Serial"]


class Serial(Rfc2217Client):
    """A pyserial port whose other end is a virtual board.

    DTR and RTS set at opening, one after the other, never pass through the state that holds the board in reset.
    """

    SCHEME = "virtual"
    PEER = "virtual board"
