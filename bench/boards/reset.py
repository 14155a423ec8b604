"""Resetting a running board by EN, through the serial port's RTS as devkits wire it.

esptool's own `hard_reset` first writes a register of the ESP32-S3 through the serial loader; to an application that
reads its console those bytes are input, and nobody answers them for three seconds. This only pulses the line.
"""

from __future__ import annotations

import time

import serial

__all__ = ["HOLD", "USB_HOLD", "pulse_enable"]

HOLD = 0.1
"""Seconds that EN is held low: long enough for the RC delay of a devkit's EN (10 kOhm, 1 uF), as esptool holds it."""


USB_HOLD = 0.2
"""The same for the chip's own USB-Serial/JTAG, as esptool holds it there (`HardReset` with `uses_usb`)."""


def pulse_enable(port: serial.SerialBase, *, hold: float = HOLD) -> None:
    """Pull EN low for `hold` seconds and let it go, with IO0 high all the while, so that the board boots from flash."""
    port.dtr = False
    port.rts = True
    # pyserial on Windows sends RTS only with the next DTR; harmless elsewhere.
    port.dtr = False
    time.sleep(hold)
    port.rts = False
    port.dtr = False
