"""How long unmodified esptool takes to write 1 MiB to a virtual board.

    python benchmarks/write_flash.py [--chip esp32s3] [--runs 5] [--stock]

Each run is one `esptool write-flash` at 921600 baud of 1 MiB of which half compresses away, from connecting to the
reset into the application; printed are the seconds of each run and their median. `virtual://` is RFC 2217 through the
bench's own pyserial handler. `--stock` adds pyserial's own `rfc2217://` client in a process of its own: it sleeps
0.1 s whenever a port's timeout is set, which esptool does twice for each command, so that nearly all of its time is
spent asleep on the host.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import serial

HANDLERS = "bench.boards.serialurl"
SIZE = 1 << 20


def firmware_like(seed: int) -> bytes:
    """1 MiB of which half compresses away."""
    noise = random.Random(seed)
    return b"".join(noise.randbytes(64) + bytes(64) for _ in range(SIZE // 128))


def arguments(port: str, image: Path) -> list[str]:
    return ["--port", port, "--baud", "921600", "write-flash", "0x10000", str(image)]


def in_process(port: str, image: Path) -> float:
    """Seconds of esptool's `main`, without starting Python and loading esptool."""
    import esptool  # type: ignore[import-untyped]

    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        esptool.main(arguments(port, image))
    return time.perf_counter() - began


def in_a_process_of_its_own(port: str, image: Path) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "esptool", *arguments(port, image)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chip", default="esp32s3")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--stock", action="store_true", help="also with pyserial's own rfc2217:// client")
    options = parser.parse_args()
    serial.protocol_handler_packages.append(HANDLERS)
    board = subprocess.Popen(
        [sys.executable, "-m", "bench.virtual", "--chip", options.chip, "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with board, tempfile.TemporaryDirectory() as folder:
        assert board.stdout is not None
        assert board.stdin is not None
        stock = board.stdout.readline().strip()
        image = Path(folder, "image.bin")
        ways = [("virtual://", in_process, stock.replace("rfc2217", "virtual"))]
        if options.stock:
            ways.append(("rfc2217:// (stock client)", in_a_process_of_its_own, stock))
        for name, run, port in ways:
            seconds = []
            for number in range(options.runs):
                image.write_bytes(firmware_like(number))
                seconds.append(run(port, image))
            each = " ".join(f"{one:.2f}" for one in seconds)
            print(f"{options.chip} {name}: {each}; median {statistics.median(seconds):.2f} s")
        board.stdin.close()


if __name__ == "__main__":
    main()
