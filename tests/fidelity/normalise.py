"""Consoles of two devices made comparable: what must differ between them is replaced, nothing else.

Times, addresses and sizes of what was compiled, digests, compile dates, the MAC, and the traits of the emulated SoC
on which the real firmware ran (its flash chip and how that is read). What is replaced leaves a mark, so that a line
is never lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["lines_of", "normal"]

_Change = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

_CHANGES: tuple[_Change, ...] = (
    # times: milliseconds since start-up, or of the day
    (re.compile(r"^((?:\x1b\[0;\d+m)?[EWIDV]) \(\d+\)"), r"\1 (t)"),
    (re.compile(r"^((?:\x1b\[0;\d+m)?[EWIDV]) \(\d\d:\d\d:\d\d\.\d{3}\)"), r"\1 (h:m:s)"),
    # what was compiled: where it lies, how long it is, when it was made
    (re.compile(r"^load:0x[0-9a-f]{8},len:0x[0-9a-f]+$"), "load:A,len:L"),
    (re.compile(r"^entry 0x[0-9a-f]{8}$"), "entry A"),
    (re.compile(r"(segment [1-9]\d*: paddr)=[0-9a-f]{8}"), r"\1=A"),
    (re.compile(r"(vaddr)=[0-9a-f]{8}"), r"\1=A"),
    (re.compile(r"size=[0-9a-f]{5}h \( *\d+\)"), "size=L"),
    (re.compile(r"At [0-9A-F]{8} len [0-9A-F]{8} \(\d+ KiB\)"), "At A len L"),
    (re.compile(r"(compile time|Compile time:    ) \w{3} [ \d]\d \d{4} \d\d:\d\d:\d\d"), r"\1 T"),
    (re.compile(r"boot: compile time \d\d:\d\d:\d\d"), "boot: compile time T"),
    (re.compile(r"[0-9a-f]{64}"), "SHA"),
    (re.compile(r"(SHA256:  ?)([0-9a-f]+)"), lambda found: f"{found[1]}{len(found[2])} digits"),
    (re.compile(r"(binary data length:) \d+"), r"\1 L"),
    # where the server was
    (re.compile(r"https?://[\d.]+:\d+/[\w.]+"), "URL"),
    # processor state: registers, stack; and eFuses, which differ with the MAC
    (re.compile(r"^[0-9a-f]{8}: (?=0x)"), "A: "),
    (re.compile(r"^(?:(?:[A-Z0-9/]+ *: 0x[0-9a-f]{8}  )+|A: .*)$"), lambda found: _words(found[0])),
    (re.compile(r"(at PC) 0x[0-9a-f]{8}"), r"\1 A"),
    (re.compile(r"^\d+\) 0x[0-9a-f]{8}.*$"), lambda found: _words(found[0])),
    (re.compile(r"\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b"), "MAC"),
    # the emulated SoC's flash
    (re.compile(r"(SPI Mode       :) SLOW READ"), r"\1 DIO"),
    (re.compile(r"(detected chip:) gd"), r"\1 winbond"),
    # which of the two codes a wrong RSA key gives depends on the two moduli
    (re.compile(r"-0x4(100|304)\b"), "-0x4…"),
)


def _words(line: str) -> str:
    return re.sub(r"0x[0-9a-f]{8}", "W", line)


def lines_of(console: bytes) -> list[str]:
    """The lines of a console, colours and all; the last may be unfinished."""
    return console.decode("latin-1").removesuffix("\r\n").split("\r\n")


def normal(line: str) -> str:
    """One line without what must differ."""
    for pattern, change in _CHANGES:
        line = pattern.sub(change, line)
    return line
