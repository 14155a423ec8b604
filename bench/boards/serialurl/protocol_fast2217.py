"""``fast2217://HOST:PORT``: a serial port behind any RFC 2217 server; takes the options of pyserial's ``rfc2217://``."""

from __future__ import annotations

from bench.boards.serialurl.rfc2217_client import Rfc2217Client

__all__ = ["Serial"]


class Serial(Rfc2217Client):
    """A pyserial port whose other end is a serial port somewhere on the network."""

    SCHEME = "fast2217"
    SETS_LINES_AT_OPENING = False
