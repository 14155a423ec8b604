"""A virtual board at a serial port of the test's own: firmware for it, its console's timeline, and whole updates."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import esptool  # type: ignore[import-untyped]  # esptool ships no types

from bench.boards.board import Board
from bench.boards.console_port import ConsolePort
from bench.boards.drivers import VirtualBoard
from bench.builds import Build, VirtualBuild, write_build
from bench.console import Console
from bench.ota import Draft, Firmware, FlashView, Ota, dialect_of
from bench.ota.words import DOWNLOADED
from bench.server import Authority, OtaServer
from bench.timeline import FINISH, UPDATE_BOOT_PARTITION, Timeline

CHIP = "esp32s3"
MODEL = Board(name="model", chip=CHIP, driver="virtual")
MAC = "f4:12:fa:b0:f5:a4"
"""Of every virtual ESP32-S3."""


class Heard:
    """Bytes that came, and a way to wait for some of them."""

    def __init__(self) -> None:
        self.data = b""
        self._changed = threading.Condition()

    def feed(self, data: bytes) -> None:
        with self._changed:
            self.data += data
            self._changed.notify_all()

    def wait_for(self, part: bytes, times: int = 1) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.data.count(part) >= times, timeout=20), self.data


def wait_until(come: Callable[[], bool], what: str) -> None:
    """Wait for a condition, at most 20 seconds."""
    event = threading.Event()
    for _ in range(4000):
        if come():
            return
        event.wait(0.005)
    raise AssertionError(f"{what} did not come")


def a_build(folder: Path, authority: Authority, version: str = "1") -> Build:
    """Firmware of the stock example with rollback."""
    spec = VirtualBuild(chip=CHIP, app="advanced_https_ota", version=version, ca_pem=authority.ca_pem, rollback=True)
    write_build(spec, folder)
    return Build.load(folder)


def program(board: VirtualBoard, build: Build) -> None:
    """Put a build into the flash of a board, and leave it off."""
    board.power(False)
    for file in build.flash_files:
        board.write_flash(file.offset, file.path.read_bytes())


def flash_by_esptool(port: str, build: Build, after: str = "no-reset") -> None:
    """Write every file of a build with esptool."""
    files = [item for file in build.flash_files for item in (hex(file.offset), str(file.path))]
    esptool.main(["--chip", build.target, "--port", port, "--baud", "921600", "--after", after, "write-flash", *files])


@contextmanager
def updating(
    build: Build, authority: Authority, model: VirtualBoard, open_console: Callable[[Console, Timeline], ConsolePort]
) -> Iterator[tuple[Ota, Timeline]]:
    """An `Ota` on a board that runs `build`, whose console `open_console` gives; it is reset first."""
    with Timeline() as timeline, OtaServer(timeline, authority) as server:
        console = Console(timeline)
        with open_console(console, timeline) as port:
            port.reset()
            yield (
                Ota(
                    firmware=Firmware(build, behaves=True),
                    dialect=dialect_of("advanced_https_ota"),
                    device=port,
                    supply=model,
                    flash=FlashView(build.partition_table, model.read_flash, chip=build.target),
                    server=server,
                    timeline=timeline,
                    verdict=console.verdict,
                ),
                timeline,
            )


def update(ota: Ota, build: Build, version: str, *, to: str) -> None:
    """A whole update, to the boot of the new version from that slot."""
    ota.start(Draft(build.image).version(version))
    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION(slot=to), FINISH)
    ota.expect_updated(version=version)


def update_and_roll_back(ota: Ota, build: Build, *, to: str, back_to: str) -> None:
    """An update to firmware that dies at its first boot, and the return to the last good one."""
    ota.start(Draft(build.image).version("3").crashing_at_boot())
    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION(slot=to), FINISH)
    ota.expect_boot(slot=to)
    ota.expect_boot(slot=back_to)
    ota.expect_verdict("rolled_back")
