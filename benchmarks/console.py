"""Speed and memory of the console parser: records, boots, events and verdict, in lines a second on one core.

    python benchmarks/console.py [CONSOLE ...]

Each console is repeated to 10 MB and to 100 MB and read in chunks of 64 KiB, as it would come from a pipe, in a
process of its own, so that its peak memory can be told. The rate at 100 MB must be within 20 % of that at 10 MB.
Without arguments: the recorded consoles of ../shared/reference/serial where they are there, and a written one.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.console import ConsoleReader, Judge  # noqa: E402  (the benchmark runs from a checkout)

CHUNK = 1 << 16
SIZES = (10_000_000, 100_000_000)
RECORDED = ("v5.1.4_dbg_ok.log", "v5.1.4_nocolor_ok.log", "v5.1.4_rollback_abort.log")


def written() -> bytes:
    """A console of records alone, coloured."""
    return b"".join(
        b"\x1b[0;32mI (%d) sensor: reading number %d, value %d.%02d\x1b[0m\r\n" % (i * 10, i, i % 41, i % 97)
        for i in range(20_000)
    )


def chunks(console: bytes, size: int) -> Iterator[bytes]:
    """The console, repeated to about `size` bytes."""
    for _ in range(max(1, size // len(console))):
        for begin in range(0, len(console), CHUNK):
            yield console[begin : begin + CHUNK]


def measure(console: bytes, size: int) -> str:
    """Rates with and without the judge, and the peak memory of this process."""
    reader, lines, start = ConsoleReader(), 0, time.process_time()
    for chunk in chunks(console, size):
        lines += chunk.count(b"\n")
        reader.feed(chunk)
    reader.close()
    parsed = time.process_time() - start
    reader, judge, start = ConsoleReader(), Judge(), time.process_time()
    for chunk in chunks(console, size):
        judge.feed(reader.feed(chunk))
    judge.feed(reader.close())
    judged = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{lines / parsed:>11,.0f} {lines / judged:>14,.0f} {peak:>10.1f}"


def main(arguments: list[str]) -> None:
    """Measure each console at each size."""
    if arguments[:1] == ["--one"]:
        console = Path(arguments[1]).read_bytes() if arguments[1] else written()
        print(measure(console, int(arguments[2])))
        return
    recorded = ROOT.parent / "shared" / "reference" / "serial"
    names = arguments or ["", *(str(recorded / name) for name in RECORDED if (recorded / name).exists())]
    print(f"{'console':<28} {'size':>7} {'lines/s':>11} {'with verdict':>14} {'peak MiB':>10}")
    for name in names:
        for size in SIZES:
            command = [sys.executable, __file__, "--one", name, str(size)]
            found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.rstrip()
            print(f"{Path(name).name or 'written':<28} {size // 1_000_000:>4} MB {found}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
