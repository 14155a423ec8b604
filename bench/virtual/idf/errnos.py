"""errno values and texts of newlib and lwIP: what a device prints where the host's C library says something else.

Sources: newlib's sys/errno.h and strerror.c; which errno lwIP gives: lwip/src/api/err.c (err_to_errno).
"""

from __future__ import annotations

import errno
import socket
import ssl

__all__ = [
    "ECONNABORTED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "EINPROGRESS",
    "ENOTCONN",
    "ETIMEDOUT",
    "is_bare_end",
    "of_host",
    "strerror",
]

EIO = 5
ECONNRESET = 104
ECONNABORTED = 113
ETIMEDOUT = 116
EHOSTUNREACH = 118
EINPROGRESS = 119
ENOTCONN = 128

_TEXTS = {
    0: "Success",
    EIO: "I/O error",
    ECONNRESET: "Connection reset by peer",
    ECONNABORTED: "Software caused connection abort",
    ETIMEDOUT: "Connection timed out",
    EHOSTUNREACH: "Host is unreachable",
    EINPROGRESS: "Connection already in progress",
    ENOTCONN: "Socket is not connected",
}

# lwIP answers a refused connection (RST on SYN) with ERR_RST, which is ECONNRESET.
_OF_HOST = {
    errno.ECONNREFUSED: ECONNRESET,
    errno.ECONNRESET: ECONNRESET,
    errno.EPIPE: ECONNRESET,
    errno.ECONNABORTED: ECONNABORTED,
    errno.ETIMEDOUT: ETIMEDOUT,
    errno.EHOSTUNREACH: EHOSTUNREACH,
    errno.ENETUNREACH: EHOSTUNREACH,
    errno.ENOTCONN: ENOTCONN,
}


def of_host(error: OSError) -> int:
    """The errno that the device would see where the host saw `error`."""
    if is_bare_end(error):
        return ENOTCONN
    if isinstance(error, socket.gaierror) or error.errno is None:
        return EIO
    return _OF_HOST.get(error.errno, EIO)


def strerror(number: int) -> str:
    """newlib's text."""
    return _TEXTS.get(number, f"Unknown error {number}")


def is_bare_end(error: OSError) -> bool:
    """Did TLS end with a FIN and no close_notify? Early releases of Python 3.11 have no type of their own for it."""
    if isinstance(error, ssl.SSLEOFError):
        return True
    return isinstance(error, ssl.SSLError) and error.reason == "UNEXPECTED_EOF_WHILE_READING"
