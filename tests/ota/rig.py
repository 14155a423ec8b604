"""A virtual board, a server and a timeline put together by hand, as a script would do it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import esptool  # type: ignore[import-untyped]  # esptool ships no types

from bench.boards.board import Board
from bench.boards.console_port import ConsolePort
from bench.boards.drivers import VirtualBoard
from bench.builds import Build
from bench.console import Console
from bench.ota import Ota
from bench.server import Authority
from bench.timeline import Timeline
from tests.boards.serial_rig import updating

__all__ = ["rigged"]


def flash(board: VirtualBoard, build: Build) -> None:
    """Write every file of a build with esptool, and leave the board in the loader: it has said nothing yet."""
    arguments = [item for file in build.flash_files for item in (hex(file.offset), str(file.path))]
    port = ["--chip", build.target, "--port", board.port, "--baud", "921600", "--after", "no-reset"]
    esptool.main([*port, "write-flash", *arguments])


@contextmanager
def rigged(build: Build, authority: Authority) -> Iterator[tuple[Ota, VirtualBoard, Timeline]]:
    """An `Ota` on a virtual board that was flashed with `build` and is reset once its console is read."""
    with VirtualBoard(Board(name=f"rig-{build.target}", chip=build.target, driver="virtual")) as attached:
        flash(attached, build)

        def opened(console: Console, _: Timeline) -> ConsolePort:
            return ConsolePort(attached.port, console.feed)

        with updating(build, authority, attached, opened) as (ota, timeline):
            yield ota, attached, timeline
