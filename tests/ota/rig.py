"""A virtual board, a server and a timeline put together by hand, as a script would do it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import esptool  # type: ignore[import-untyped]  # esptool ships no types
import serial

from bench.boards.board import Board
from bench.boards.drivers import VirtualBoard
from bench.boards.reset import pulse_enable
from bench.builds import Build
from bench.console import Console
from bench.ota import Firmware, FlashView, Ota, dialect_of
from bench.server import Authority, OtaServer
from bench.timeline import Timeline

__all__ = ["Rig", "rigged"]


class Rig:
    """The console of a virtual board: read in a thread of its own, written and reset from the test's."""

    def __init__(self, port: str, console: Console) -> None:
        self._console = console
        self._port = serial.serial_for_url(port, baudrate=115200, timeout=0.02)
        self._done = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while not self._done.is_set():
            if data := self._port.read(self._port.in_waiting or 1):
                self._console.feed(data)

    def write(self, data: bytes) -> None:
        """Type on the console."""
        self._port.write(data)

    def reset(self) -> None:
        """Pulse EN through RTS."""
        pulse_enable(self._port)

    def close(self) -> None:
        """Stop reading and let go of the port."""
        self._done.set()
        self._reader.join()
        self._port.close()


def flash(board: VirtualBoard, build: Build) -> None:
    """Write every file of a build with esptool, and leave the board in reset's aftermath."""
    arguments = [item for file in build.flash_files for item in (hex(file.offset), str(file.path))]
    esptool.main(["--chip", build.target, "--port", board.port, "--baud", "921600", "write-flash", *arguments])


@contextmanager
def rigged(build: Build, authority: Authority) -> Iterator[tuple[Ota, VirtualBoard, Timeline]]:
    """An `Ota` on a virtual board that was flashed with `build` and is reset once its console is read."""
    board = Board(name=f"rig-{build.target}", chip=build.target, driver="virtual")
    with Timeline() as timeline, VirtualBoard(board) as attached, OtaServer(timeline, authority) as server:
        flash(attached, build)
        console = Console(timeline)
        rig = Rig(attached.port, console)
        try:
            rig.reset()
            yield (
                Ota(
                    firmware=Firmware(build, behaves=True),
                    dialect=dialect_of("advanced_https_ota"),
                    device=rig,
                    supply=attached,
                    flash=FlashView(build.partition_table, attached.read_flash, chip=build.target),
                    server=server,
                    timeline=timeline,
                    verdict=console.verdict,
                ),
                attached,
                timeline,
            )
        finally:
            rig.close()
