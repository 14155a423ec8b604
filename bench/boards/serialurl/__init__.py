"""pyserial URL handlers of the bench: ``virtual://127.0.0.1:PORT`` reaches a virtual board.

pyserial looks handlers up in a list of packages. Whoever opens such a URL, or has esptool or pytest-embedded open it
in the same process, appends this one first:

    import serial
    if "bench.boards.serialurl" not in serial.protocol_handler_packages:
        serial.protocol_handler_packages.append("bench.boards.serialurl")

The board's own port speaks RFC 2217, so pyserial's ``rfc2217://`` reaches it as well, from processes that know nothing
of the bench. ``virtual://`` is for speed: pyserial's client sleeps 0.1 s whenever its timeout is changed, which esptool
does twice for each command.
"""
