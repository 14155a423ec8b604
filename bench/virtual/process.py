"""The virtual board as a process: its sockets, and how it ends.

It prints the port's URL on the first line of stdout, the control channel's on the second if there is one, and then
nothing. SIGTERM and SIGINT end it, as does the end of stdin where that was asked for; the files are flushed, and it
exits with 0. An error of the model itself is printed on stderr and ends it with 70.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from bench.errors import BenchError
from bench.virtual import rom
from bench.virtual.board import Board
from bench.virtual.control import ControlPort
from bench.virtual.hub import Hub, listen
from bench.virtual.machine import Machine
from bench.virtual.options import Options
from bench.virtual.rfc2217 import SerialPort

__all__ = ["serve"]

_MODEL_FAILED = 70


def serve(options: Options) -> int:
    """Be the board until told to end.

    Returns:
        the process's exit status

    Raises:
        BenchError: a file or an address cannot be used
    """
    failures: list[BaseException] = []
    hub = Hub()

    def failed(error: BaseException) -> None:
        failures.append(error)
        hub.end()

    with contextlib.ExitStack() as stack:
        stack.callback(hub.close)
        listener = _listening(options.listen)
        stack.callback(listener.close)
        control = None if options.control is None else _listening(options.control)
        if control is not None:
            stack.callback(control.close)
        machine = Machine.assemble(options.chip, flash=options.flash, efuse=options.efuse, realtime=options.realtime)
        board = Board(machine, firmware=_firmware, download=rom.run, failed=failed)
        stack.callback(board.close)
        port = SerialPort(hub, board, listener)
        stack.callback(port.close)
        urls = [port.url]
        if control is not None:
            channel = ControlPort(hub, board, control)
            stack.callback(channel.close)
            urls.append(channel.url)
        stack.enter_context(_ended_by_signals(hub))
        if options.until_stdin_closes:
            _end_with_stdin(hub)
        board.start()
        # last, because whoever reads it may do anything to the board at once, and end it too
        print(*urls, sep="\n", flush=True)
        hub.run()
    return _MODEL_FAILED if failures else 0


def _firmware(machine: Machine) -> NoReturn:
    # not needed, and not loaded, before the chip first starts from flash
    from bench.virtual import boot

    boot.run(machine)


def _listening(address: tuple[str, int]) -> socket.socket:
    try:
        return listen(address)
    except OSError as error:
        raise BenchError(f"cannot listen on {address[0]}:{address[1]}: {error.strerror or error}") from error


@contextlib.contextmanager
def _ended_by_signals(hub: Hub) -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (what signal handlers are given)
        hub.end()

    # A handler runs between two bytecodes: a signal that comes just before the loop begins to wait would wait with
    # it. The interpreter's C handler writes to this descriptor at once, which ends the wait.
    wakeup = signal.set_wakeup_fd(hub.wakeup, warn_on_full_buffer=False)
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with_stdin(hub: Hub) -> None:
    """Watch stdin in a thread of its own: it may be a file, which a selector cannot watch."""

    def wait() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(sys.stdin.fileno(), 4096):
                pass
        hub.end()

    threading.Thread(target=wait, name="stdin", daemon=True).start()
