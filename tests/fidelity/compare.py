"""Two consoles side by side: what both say, what only one says, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from tests.fidelity.normalise import lines_of, normal

__all__ = ["REASONS", "Comparison", "Difference", "Reason", "asked_for", "compare", "requests_of"]


@dataclass(frozen=True)
class Reason:
    """Why some lines differ.

    Args:
        logs: pattern of the logs' names that may differ so
        lines: pattern of the whole normalised lines
        text: a sentence for docs/fidelity.md
    """

    logs: str
    lines: str
    text: str

    def explains(self, log: str, line: str) -> bool:
        return re.fullmatch(self.logs, log) is not None and re.fullmatch(self.lines, line) is not None


REASONS = (
    Reason(
        r"v5\.1\.4_dbg_ok",
        r"D \(t\) (HTTP_CLIENT|transport_base|event|esp-tls|esp_eth|esp_eth\.netif\.netif_glue|esp_netif_\w+"
        r"|intr_alloc|memory_layout|heap_init|rtc_init|clk|spi_flash|cpu_start|efuse|esp_image): .*"
        r"|User-Agent: .*|Host: .*|Content-Length: 0\r?|(\x1b\[0m)?\r?",
        "Debug lines of the SoC's start-up, the network stack, the event loop and the HTTP client (a request that is "
        "printed has lines of its own). None says anything of an update that the lines at info level do not say; the "
        "virtual board has no such parts. Of the examples' and of esp_https_ota's debug lines none is missing.",
    ),
    Reason(
        r"v5\.1\.4_nocolor_ok",
        r"I \(t\) esp_image: segment [34]: paddr=A vaddr=A size=L (map|load|)",
        "In this one real build the linker left a padding segment (address 0) before the code. The virtual build of "
        "version 1 has none, so two segments are of another kind; their number is the same.",
    ),
    Reason(
        r"v5\.1\.4_native_same_version",
        r"\x1b\[0;32mI \(t\) native_ota_example: Waiting for a new firmware \.\.\. \d+\x1b\[0m",
        "The example waits for ever and says so again and again; the virtual processor rests after the first time, "
        "since in virtual time an endless loop would only keep the host busy.",
    ),
)


@dataclass(frozen=True)
class Difference:
    """A line that only one of the two consoles has; `reason` is None where nothing explains it."""

    side: str
    line: str
    reason: Reason | None


@dataclass(frozen=True)
class Comparison:
    """What came out for one log; `lines` counts the real console's, `equal` those that both have in this order."""

    log: str
    lines: int
    equal: int
    differences: tuple[Difference, ...]

    @property
    def unexplained(self) -> list[str]:
        return [f"{one.side} {one.line!r}" for one in self.differences if one.reason is None]


def compare(log: str, real: bytes, virtual: bytes) -> Comparison:
    """Compare line by line, in order."""
    ours, theirs = (list(_each_debug_line_once(map(normal, lines_of(one)))) for one in (virtual, real))
    matcher = SequenceMatcher(a=theirs, b=ours, autojunk=False)
    differences, equal = [], 0
    for what, from_, to, our_from, our_to in matcher.get_opcodes():
        if what == "equal":
            equal += to - from_
            continue
        differences += [("real", line) for line in theirs[from_:to]]
        differences += [("virtual", line) for line in ours[our_from:our_to]]
    return Comparison(
        log, len(theirs), equal, tuple(Difference(side, line, _reason(log, line)) for side, line in differences)
    )


def _reason(log: str, line: str) -> Reason | None:
    return next((reason for reason in REASONS if reason.explains(log, line)), None)


def _each_debug_line_once(lines: Iterable[str]) -> Iterator[str]:
    """At debug level an example tells of every piece; how many there are depends on the size of the image."""
    seen: set[str] = set()
    for line in lines:
        if line.startswith("D "):
            kind = re.sub(r"0x[0-9a-f]+|(?<!\[)\d+", "N", line)
            if kind in seen:
                continue
            seen.add(kind)
            yield kind
        else:
            yield line


def requests_of(server: str) -> list[str]:
    """The requests in a ``*.server.txt``: method, path, range."""
    found = (re.fullmatch(r"[\d.]+ ((?:GET|HEAD|POST) \S+ Range=.*)", line) for line in server.splitlines())
    return [one[1] for one in found if one]


def asked_for(requests: Iterable[str]) -> list[str]:
    """Requests without the path, and ranges that follow one another as one: their number goes with the image's size."""
    told: list[str] = []
    at = 0
    for request in requests:
        method, _, range_ = request.split(" ", 2)
        found = re.fullmatch(r"Range=bytes=(\d+)-(\d*)", range_)
        if found is None:
            told.append(f"{method} {range_}")
            continue
        assert int(found[1]) == at, f"{request}: expected to go on at {at}"
        size = int(found[2]) + 1 - at if found[2] else None
        kind = f"{method} the next {size} bytes" if size else f"{method} the rest"
        at += size or 0
        if not told or told[-1] != kind:
            told.append(kind)
    return told
