"""What the addresses of a panic mean: file, line and function, by the build's ELF file and the toolchain.

On Xtensa the panic handler prints the return addresses, and addr2line knows their places. On RISC-V it prints
registers and a piece of the stack, which esp-idf-panic-decoder serves to gdb as if it were the device.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.timeline import Entry

__all__ = ["PREFIXES", "Toolchain", "decode_panics"]

PREFIXES: Mapping[str, str] = MappingProxyType(
    {"esp32": "xtensa-esp32-elf-", "esp32s3": "xtensa-esp32s3-elf-", "esp32c3": "riscv32-esp-elf-"}
)
"""Of the names of the toolchain's programs, by chip (ESP-IDF's tools/cmake/toolchain-<chip>.cmake)."""

_MOST = 20
"""Panics of one scenario that are decoded: a boot loop repeats itself."""

_BACKTRACE = re.compile(r"^Backtrace:((?: ?0x[0-9a-fA-F]{8}:0x[0-9a-fA-F]{8})+)", re.MULTILINE)
_SHA = re.compile(r"^ELF file SHA256: +([0-9a-f]{4,64})", re.MULTILINE)
_ADDRESS = re.compile(r"0x([0-9a-fA-F]{8}):")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Toolchain:
    """The programs that know what addresses mean.

    Attributes:
        prefix: of their names, where it is not the chip's usual one
        patience: seconds for one program to answer
    """

    chip: str
    prefix: str = ""
    patience: float = 30.0

    def program(self, name: str) -> str:
        """Path of a program; it must be on PATH."""
        name = f"{self.prefix or PREFIXES.get(self.chip, '')}{name}"
        found = shutil.which(name)
        if found is None:
            raise _NotDecodedError(f"not decoded: {name} is not on PATH; run the bench after ESP-IDF's export.sh")
        return found


class _NotDecodedError(Exception):
    """Why a panic's addresses stay numbers, in words for the page."""


def decode_panics(
    entries: Sequence[Entry], console: bytes, *, elf: Path | None, toolchain: Toolchain
) -> list[dict[str, object]]:
    """Each panic of a timeline: ``line_no``, and ``decoded`` (lines of a backtrace) or ``why_not``.

    Args:
        console: the bytes that the line numbers of the timeline count
        elf: the build's ELF file; None where the build has none
    """
    panics = [entry for entry in entries if entry.source == "console" and entry.kind == "panic"]
    lines = console.split(b"\n") if panics else []
    found: list[dict[str, object]] = []
    for panic in panics[:_MOST]:
        first, last = _number(panic.get("line_no")), _number(panic.get("last_line_no"))
        dump = _ANSI.sub("", b"\n".join(lines[first - 1 : last]).decode("utf-8", "replace").replace("\r", ""))
        told: dict[str, object] = {"line_no": first}
        try:
            told["decoded"] = _decoded(dump, elf, toolchain)
        except _NotDecodedError as reason:
            told["why_not"] = str(reason)
        found.append(told)
    return found


def _decoded(dump: str, elf: Path | None, toolchain: Toolchain) -> list[str]:
    if elf is None or not elf.is_file():
        raise _NotDecodedError("not decoded: the build has no ELF file")
    printed = _SHA.search(dump)
    if printed is not None:
        digest = hashlib.sha256(elf.read_bytes()).hexdigest()
        if not digest.startswith(printed[1]):
            raise _NotDecodedError(
                f"not decoded: the device ran ELF file {printed[1]}, and {elf.name} of the build is {digest[:16]}"
            )
    backtrace = _BACKTRACE.search(dump)
    if backtrace is not None:
        return _by_addr2line(_ADDRESS.findall(backtrace[1]), elf, toolchain)
    if "Stack memory:" in dump:
        return _by_gdb(dump, elf, toolchain)
    raise _NotDecodedError("not decoded: the panic printed neither a backtrace nor its stack")


def _by_addr2line(addresses: Sequence[str], elf: Path, toolchain: Toolchain) -> list[str]:
    from esp_idf_panic_decoder import PcAddressDecoder  # type: ignore[import-untyped]  # it ships no types

    asked = [f"0x{address.lower()}" for address in addresses]
    output = _run([toolchain.program("addr2line"), "-fiaC", "-e", str(elf), *asked], toolchain.patience)
    places = PcAddressDecoder.parse_addr2line_output(output)
    lines = []
    for address in asked:
        trace = places.get(address, [])
        for number, place in enumerate(trace):
            where = f"{place.func} at {place.path}" + (f":{place.line}" if place.line else "")
            lines.append(f"{address}: {where}" if number == 0 else f"            (inlined by) {where}")
        if not trace:
            lines.append(f"{address}: unknown, perhaps in ROM")
    return lines


def _by_gdb(dump: str, elf: Path, toolchain: Toolchain) -> list[str]:
    gdb = toolchain.program("gdb")
    with tempfile.NamedTemporaryFile("w", prefix="panic-", suffix=".txt", encoding="utf-8") as file:
        file.write(dump)
        file.flush()
        remote = f'target remote | "{sys.executable}" -m esp_idf_panic_decoder --target {toolchain.chip} "{file.name}"'
        output = _run([gdb, "--batch", "-n", str(elf), "-ex", remote, "-ex", "bt"], toolchain.patience)
    frames = [line.rstrip() for line in output.splitlines() if re.match(r"#\d+ ", line)]
    if not frames:
        raise _NotDecodedError(f"not decoded: {Path(gdb).name} found no frames: {output.strip()[-300:]}")
    return frames


def _run(command: list[str], patience: float) -> str:
    name = Path(command[0]).name
    # Into a file and not a pipe: the panic server that gdb starts outlives a gdb that dies, and would hold the pipe.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        except OSError as error:
            raise _NotDecodedError(f"not decoded: {name}: {error.strerror}") from None
        with process:
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                raise _NotDecodedError(f"not decoded: {name} did not answer within {patience:g} s") from None
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        output.seek(0)
        told = output.read().decode("utf-8", "replace")
    if process.returncode != 0:
        raise _NotDecodedError(f"not decoded: {name} ended with {process.returncode}: {told.strip()[-300:]}")
    return told


def _number(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 1
