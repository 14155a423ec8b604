"""How long it takes to bring a board to its start, beside a full `esptool write-flash` at the same speed.

    python benchmarks/flashing.py [--baud 460800] [--runs 3] [--instant]

The board is a virtual one. Its flash needs no time, so the time is that of the wire and of the host: a relay on the way
to its port lets bytes through at the speed of a serial line, ten bits a byte, each way, and whatever speed esptool has
asked for has no say in it. Both ways of flashing use that same relay, the same client and the same esptool. What a real
flash chip adds (about 0.1 s to erase 64 KiB, 0.7 ms to program 256 bytes, and some 0.5 s for the MD5 of 1 MiB) is in
neither, so on a real board the full write is slower still. `--instant` leaves the relay out.

The start is 1.5 MiB of flash: an application of 1 MiB in ota_0 that half compresses away, and 0.5 MiB in ota_1. The
cases are what a scenario may have left:

    nothing        all 1.5 MiB stand there already
    after update   1 MiB stands there; ota_1 holds 0.5 MiB of an update, and must be blank; otadata names it
    other image    1 MiB stands there; ota_1 must hold another image of 0.5 MiB
    one sector     a byte of the application differs

The full write is `esptool write-flash` of the build's files, and for "other image" of the image in ota_1 too; for
"after update" it erases ota_1's 0.5 MiB and otadata by writing 0xFF, as somebody without this would.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import random
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import esptool  # type: ignore[import-untyped]  # esptool ships no types
import trustme

from bench.boards.board import Board
from bench.boards.drivers import VirtualBoard
from bench.boards.flashing import Start, bring_to_start
from bench.builds import Build, VirtualBuild, write_build

CHIP = "esp32s3"
MIB = 1 << 20
APP, OTHER, OTADATA = 0x10000, 0x200000, 0xD000
BITS = 10
"""Of a byte on the wire: start, eight, stop."""


@dataclass(frozen=True)
class Reached:
    board: Board
    port: str


def like_firmware(size: int, seed: int) -> bytes:
    """Bytes of which half compress away."""
    noise = random.Random(seed)
    return b"".join(noise.randbytes(64) + bytes(64) for _ in range(size // 128))


@contextlib.contextmanager
def relay(address: tuple[str, int], baud: int) -> Iterator[tuple[str, int]]:
    """A port of one's own that leads to another, no faster than a serial line of that speed; one client at a time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, address, baud), daemon=True).start()
        yield listener.getsockname()[:2]


def _serve(listener: socket.socket, address: tuple[str, int], baud: int) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        board = socket.create_connection(address)
        for one in (client, board):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threads = [threading.Thread(target=_pass_on, args=pair, daemon=True)
                   for pair in ((client, board, baud), (board, client, baud))]  # fmt: skip
        for thread in threads:
            thread.start()


def _pass_on(source: socket.socket, sink: socket.socket, baud: int) -> None:
    free = time.monotonic()
    with contextlib.suppress(OSError):
        while data := source.recv(256):
            free = max(free, time.monotonic()) + len(data) * BITS / baud
            if (wait := free - time.monotonic()) > 0:
                time.sleep(wait)
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def timed(act: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        act()
    return time.perf_counter() - began


def full_write(port: str, pieces: list[tuple[int, Path]]) -> Callable[[], object]:
    words = [word for offset, path in pieces for word in (hex(offset), str(path))]
    options = ["--chip", CHIP, "--port", port, "--baud", "460800", "--after", "no-reset"]
    return lambda: esptool.main([*options, "write-flash", *words])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baud", type=int, default=460800, help="bit/s of the wire")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--instant", action="store_true", help="no relay: the wire takes no time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, VirtualBoard(Board("model", CHIP, "virtual")) as model:
        build = build_of_one_mib(Path(folder))
        address = model.url.removeprefix("rfc2217://").split(":")
        with contextlib.ExitStack() as stack:
            host, port = address[0], int(address[1])
            if not options.instant:
                host, port = stack.enter_context(relay((host, port), options.baud))
            scheme = model.port.split("://")[0]
            reached = Reached(Board("desk", CHIP, "rfc2217", flash_baud=460800), f"{scheme}://{host}:{port}")
            print(f"{CHIP}, wire at {'no cost' if options.instant else f'{options.baud} bit/s'}, {options.runs} runs")
            measure(model, reached, build, Path(folder), options.runs)


def build_of_one_mib(folder: Path) -> Build:
    """A virtual build, and in place of its application 1 MiB that half compresses away."""
    path = folder / "build"
    write_build(VirtualBuild(CHIP, "advanced_https_ota", "1", trustme.CA().cert_pem.bytes()), path)
    build = Build.load(path)
    build.app_path.write_bytes(like_firmware(MIB, 1))
    return build


def measure(model: VirtualBoard, reached: Reached, build: Build, folder: Path, runs: int) -> None:
    files = [(file.offset, file.path) for file in build.flash_files]
    other, blank = folder / "other.bin", folder / "blank.bin"
    other.write_bytes(like_firmware(MIB // 2, 2))
    blank.write_bytes(b"\xff" * (MIB // 2))
    plain = Start()
    with_other = replace(plain, slots={"ota_1": other.read_bytes()})
    switched = b"\x01\0\0\0" + b"\xff" * 28
    leftover = like_firmware(MIB // 2, 3)
    cases: list[tuple[str, Start, dict[int, bytes], list[tuple[int, Path]]]] = [
        ("nothing", with_other, {}, [*files, (OTHER, other)]),
        ("after update", plain, {OTHER: leftover, OTADATA: switched}, [*files, (OTHER, blank)]),
        ("other image", with_other, {OTHER: leftover}, [*files, (OTHER, other)]),
        ("one sector", with_other, {APP + 5000: b"\0" * 16}, [*files, (OTHER, other)]),
    ]
    for name, start, left, pieces in cases:
        full, ours = [], []
        for _ in range(runs):
            bring_to_start(Reached(reached.board, model.port), build, start)
            for offset, data in left.items():
                model.write_flash(offset, data)
            full.append(timed(full_write(reached.port, pieces)))
            bring_to_start(Reached(reached.board, model.port), build, start)
            for offset, data in left.items():
                model.write_flash(offset, data)
            ours.append(timed(functools.partial(bring_to_start, reached, build, start)))
        one, two = statistics.median(full), statistics.median(ours)
        print(f"{name:13} full write {one:6.2f} s, bringing to the start {two:6.2f} s: {two / one:.2f} of it")


if __name__ == "__main__":
    main()
