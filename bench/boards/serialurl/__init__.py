"""pyserial URL handlers of the bench: ``virtual://`` reaches a virtual board, ``fast2217://`` any RFC 2217 server.

pyserial looks handlers up in a list of packages; `register` puts this one on it, for whoever opens such a URL in this
process, esptool and pytest-embedded included. pyserial's own ``rfc2217://`` reaches the same servers from processes
that know nothing of the bench. These are for speed: pyserial's client sleeps 0.1 s whenever its timeout is changed,
which esptool does twice for each command.
"""

from __future__ import annotations

import serial

__all__ = ["register"]


def register() -> None:
    """Have pyserial find the handlers; calling it again changes nothing."""
    if __name__ not in serial.protocol_handler_packages:
        serial.protocol_handler_packages.append(__name__)
