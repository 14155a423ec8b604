"""A crowd before the OTA server: 500 concurrent downloads of 1 MB, and 10,000 handshakes that are never finished.

    python benchmarks/crowd.py [--downloads N] [--half-open N] [--gate]

The server is a process of its own, so that the memory is its alone (VmHWM of /proc/PID/status). Every download must
come whole, and a client must be served while the handshakes hang. Targets: none lost; 300 MiB at most, and
500 MiB beside the unfinished handshakes.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import resource
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.server import Authority, OtaServer, Patience  # noqa: E402  (the benchmark runs from a checkout)
from bench.timeline import Timeline  # noqa: E402

SIZE = 1_000_000
MOST_MIB = 300
MOST_BESIDE_MIB = 500
_HELLO = bytes.fromhex("16030102000100")
"""A TLS record header that promises 512 bytes, and the first two of a ClientHello."""


def release() -> bytes:
    """1 MB that compresses badly."""
    return random.Random(1).randbytes(SIZE)


def be_the_server() -> None:
    """Serve until the standard input is closed; the URL is the first line."""
    soft_limit(40_000)
    patience = Patience(handshake=120.0)
    with Timeline() as timeline, OtaServer(timeline, Authority.throwaway(), patience=patience) as server:
        print(server.publish("/app.bin", release()).url, flush=True)
        sys.stdin.read()


def soft_limit(files: int) -> None:
    """Allow as many open files as are wanted and permitted."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = files if hard == resource.RLIM_INFINITY else min(files, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """The server's URL and process id."""
    command = [sys.executable, __file__, "--be-the-server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.terminate()


def peak(pid: int) -> float:
    """The most memory that the process ever had, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("no VmHWM in /proc: this benchmark needs Linux")


def trusting_anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def download(url: str, digest: str, gate: asyncio.Event) -> bool:
    """Connect, wait for all the others, and fetch: was it whole?"""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=trusting_anybody())
    await gate.wait()
    writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read(-1)
    writer.close()
    return hashlib.sha256(answer.partition(b"\r\n\r\n")[2]).hexdigest() == digest


async def downloads(url: str, count: int) -> tuple[int, float]:
    """How many of so many concurrent downloads came whole, and in how many seconds."""
    gate, digest = asyncio.Event(), hashlib.sha256(release()).hexdigest()
    tasks = [asyncio.create_task(download(url, digest, gate)) for _ in range(count)]
    began = time.monotonic()
    gate.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    return sum(one is True for one in done), time.monotonic() - began


async def half_open(url: str, count: int) -> tuple[bool, float]:
    """Does a download come whole beside so many unfinished handshakes, and in how many milliseconds?"""
    parts, writers = urlsplit(url), []
    for _ in range(count):
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(_HELLO)
        writers.append(writer)
    began = time.monotonic()
    gate = asyncio.Event()
    gate.set()
    whole = await download(url, hashlib.sha256(release()).hexdigest(), gate)
    seconds = time.monotonic() - began
    for writer in writers:
        writer.close()
    return whole, seconds * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--downloads", type=int, default=500, metavar="N", help="concurrent downloads (500)")
    parser.add_argument("--half-open", type=int, default=10_000, metavar="N", help="unfinished handshakes (10000)")
    parser.add_argument("--gate", action="store_true", help="exit 1 where a target is missed")
    parser.add_argument("--be-the-server", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.be_the_server:
        be_the_server()
        return 0
    soft_limit(40_000)
    with server() as (url, pid):
        whole, seconds = asyncio.run(downloads(url, args.downloads))
        used = peak(pid)
        rate = whole * SIZE / 1e6 / seconds
        print(f"{whole} of {args.downloads} concurrent downloads of 1 MB whole in {seconds:.1f} s ({rate:.0f} MB/s)")
        print(f"the server's memory at its peak: {used:.0f} MiB (target: {MOST_MIB})")
    with server() as (url, pid):
        served, took = asyncio.run(half_open(url, args.half_open))
        beside = peak(pid)
        told = f"takes {took:.0f} ms" if served else "is lost"
        print(f"beside {args.half_open} handshakes that are never finished a download {told}")
        print(f"the server's memory at its peak: {beside:.0f} MiB (target: {MOST_BESIDE_MIB})")
    met = whole == args.downloads and used <= MOST_MIB and served and beside <= MOST_BESIDE_MIB
    print(f"targets: {'met' if met else 'missed'}")
    return 0 if met or not args.gate else 1


if __name__ == "__main__":
    sys.exit(main())
