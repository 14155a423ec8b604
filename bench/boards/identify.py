"""Which chip stands at a port: asked of its ROM loader by esptool, and the chip left running again."""

from __future__ import annotations

from contextlib import ExitStack, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from typing import Any

import serial
from esptool.cmds import detect_chip, detect_flash_size  # type: ignore[import-untyped]  # esptool ships no types
from esptool.loader import ESPLoader  # type: ignore[import-untyped]  # as above
from esptool.util import FatalError  # type: ignore[import-untyped]  # as above

from bench.boards.opening import complaint
from bench.boards.reset import pulse_enable
from bench.errors import BoardLost

__all__ = ["Identity", "identify"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a chip tells of itself."""

    chip: str
    """As ESP-IDF's targets are called: ``esp32s3``."""
    revision: str
    """``v0.2``."""
    mac: str
    """Factory MAC address, lower case."""
    flash_size: str
    """As esptool says it: ``8MB``; empty where the flash does not tell."""


def identify(port: str, *, baud: int = 115200, attempts: int = 3) -> Identity:
    """Bring the chip into download mode, ask it, and reset it into its firmware.

    Args:
        port: device path or pyserial URL
        attempts: how often it is reset into download mode before it counts as silent; about a second each

    Raises:
        BoardBusy: somebody else has the port
        BoardLost: the port cannot be opened, or nothing there answers as an ESP chip does
        BenchError: the port may not be opened
    """
    told = StringIO()
    with redirect_stdout(told):  # esptool prints its progress; what matters of it goes into the error
        chip = _detected(port, baud, attempts)
        try:
            major, minor = chip.get_major_chip_version(), chip.get_minor_chip_version()
            mac = ":".join(f"{byte:02x}" for byte in chip.read_mac())
            size = "" if chip.secure_download_mode else detect_flash_size(chip) or ""
            return Identity(chip.CHIP_NAME.lower().replace("-", ""), f"v{major}.{minor}", mac, size)
        except (FatalError, serial.SerialException, OSError) as error:
            raise BoardLost(f"{port}: {error}") from error
        finally:
            with suppress(serial.SerialException, OSError):  # gone already, or without RTS: the error above says more
                pulse_enable(chip._port)
            with suppress(serial.SerialException, OSError):  # gone already
                chip._port.close()


def _detected(port: str, baud: int, attempts: int) -> Any:
    """esptool's object for the chip. It gets an open port, to tell what fails at the opening from what fails later."""
    try:
        opened = ESPLoader(port, baud)._port
    except (FatalError, serial.SerialException, OSError) as error:
        raise complaint(port, error) from error
    with ExitStack() as undo:
        undo.callback(opened.close)
        try:
            chip = detect_chip(opened, baud, connect_attempts=attempts)
        except (FatalError, serial.SerialException, OSError) as error:
            raise BoardLost(f"{port}: {error}") from error
        undo.pop_all()
    return chip
