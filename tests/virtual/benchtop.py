"""A virtual board in this process, with a firmware of a few lines in place of the boot loader."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from bench.virtual import rom
from bench.virtual.board import Board
from bench.virtual.control import ControlPort
from bench.virtual.hub import Hub, listen
from bench.virtual.machine import Machine
from bench.virtual.rfc2217 import SerialPort

PATIENCE = 20.0
"""Seconds after which something that should have happened is given up."""


def echo(machine: Machine) -> NoReturn:
    """Print a banner, then answer every line with itself."""
    machine.uart.write(machine.chip.rom_banner(machine.reset_reason, download=False).encode())
    machine.uart.write(b"application\r\n")
    while True:
        machine.uart.write(b"<" + machine.uart.read_line() + b">\r\n")


@dataclass(frozen=True)
class Benchtop:
    """A running board and where it is reached."""

    board: Board
    address: tuple[str, int]
    control: tuple[str, int]

    @property
    def virtual(self) -> str:
        return f"virtual://{self.address[0]}:{self.address[1]}"

    @property
    def rfc2217(self) -> str:
        return f"rfc2217://{self.address[0]}:{self.address[1]}"


@contextmanager
def benchtop(chip: str, firmware: Callable[[Machine], NoReturn] = echo) -> Iterator[Benchtop]:
    """A running board; its threads have ended when this is left, and no model error is forgotten."""
    failures: list[BaseException] = []
    hub = Hub()
    board = Board(Machine.assemble(chip), firmware=firmware, download=rom.run, failed=failures.append)
    serial_listener, control_listener = listen(("127.0.0.1", 0)), listen(("127.0.0.1", 0))
    port = SerialPort(hub, board, serial_listener)
    control = ControlPort(hub, board, control_listener)
    loop = threading.Thread(target=hub.run, name="hub")
    loop.start()
    try:
        with board:
            yield Benchtop(board, serial_listener.getsockname(), control_listener.getsockname())
            hub.end()
            loop.join(PATIENCE)
            assert not loop.is_alive()
    finally:
        hub.end()
        loop.join(PATIENCE)
        port.close()
        control.close()
        hub.close()
    assert not failures
