"""A board that floods its console at 3 Mbaud for an hour, as fast as the bench can hear it, in bounded memory.

    python benchmarks/console_flood.py [--seconds 3600] [--line TEXT]

The bytes go the way of every console: kept as evidence, read, and told to a timeline, until there are too many for one
scenario. Told are the rate until then (a board at 3 Mbaud says 0.3 MB a second), the rate afterwards, and the memory.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import tempfile
import time
from pathlib import Path

from bench.console import Console
from bench.errors import BenchError
from bench.ota import Tap
from bench.report.evidence import Evidence
from bench.timeline import Timeline

_BYTES_A_SECOND = 3_000_000 // 10


def flood(folder: Path, line: bytes, total: int) -> None:
    """Have the bench hear so many bytes, and tell how that went."""
    block = line * (65536 // len(line))
    before = _peak()
    with Timeline() as timeline, contextlib.suppress(BenchError), Evidence(folder) as evidence:
        evidence.attach(timeline)
        tap = Tap(Console(timeline), evidence, timeline)
        began, said, heard, until = time.perf_counter(), 0, 0, 0.0
        while said < total:
            tap.feed(block)
            said += len(block)
            if not heard and any(entry.kind == "flooded" for entry in timeline.since(timeline.last_index - 1)):
                heard, until = said, time.perf_counter() - began
        tap.close()
        seconds = time.perf_counter() - began
        heard, until = heard or said, until or seconds
        told = len(timeline)
    print(
        f"{said / 1e6:.0f} MB in {seconds:.1f} s: heard {heard / 1e6:.0f} MB at {heard / until / 1e6:.2f} MB/s, that is"
    )
    print(f"{heard / until / _BYTES_A_SECOND:.1f} times what comes at 3 Mbaud; {told} entries of the timeline")
    print(f"kept on disk: {sum(path.stat().st_size for path in folder.iterdir()) / 1e6:.0f} MB")
    print(f"memory: {before} MiB before, {_peak()} MiB at most")


def _peak() -> int:
    """Resident memory at its highest, MiB; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=3600, help="of a board that never pauses at 3 Mbaud")
    parser.add_argument("--line", default="I (1234) flood: the quick brown fox jumps over the lazy dog again and again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        flood(Path(folder), options.line.encode() + b"\r\n", options.seconds * _BYTES_A_SECOND)


if __name__ == "__main__":
    main()
