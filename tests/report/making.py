"""Evidence for reports, made by the bench's own parts from a console and what a server did, in no time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.console import Console
from bench.report import Evidence
from bench.report.firmware_store import KeptImage
from bench.timeline import Clock, Timeline

__all__ = ["BOOT", "FAILED", "PANIC", "UPDATE", "Scenario", "damaged", "scenario"]

BOOT = b"""\
ESP-ROM:esp32c3-api1-20210207
rst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)
I (24) boot: ESP-IDF v5.3.1 2nd stage bootloader
I (60) boot: Partition Table:
I (63) boot: ## Label            Usage          Type ST Offset   Length
I (71) boot:  0 otadata          OTA data         01 00 0000d000 00002000
I (78) boot:  1 ota_0            OTA app          00 10 00010000 00100000
I (85) boot:  2 ota_1            OTA app          00 11 00110000 00100000
I (91) boot: End of partition table
I (200) boot: Loaded app from partition at offset 0x%(offset)s
I (210) app_init: Project name:     advanced_https_ota
I (211) app_init: App version:      %(version)s
I (212) app_init: ESP-IDF:          v5.3.1
"""

UPDATE = b"""\
I (300) advanced_https_ota_example: Starting Advanced OTA example
I (310) advanced_https_ota_example: OTA started
"""

REFUSED = b"""\
E (320) esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x2700
E (321) esp_https_ota: Failed to open HTTP connection: ESP_ERR_HTTP_CONNECT
"""

PANIC = b"""\
Guru Meditation Error: Core  0 panic'ed (Illegal instruction). Exception was unhandled.

Core  0 register dump:
MEPC    : 0x42000014  RA      : 0x42000010  SP      : 0x3fc8f000  GP      : 0x3fc8b400

Stack memory:
3fc8f000: 0x00000000 0x42000010 0x00000000 0x00000000 0x00000000 0x00000000 0x00000000 0x00000000

ELF file SHA256: %(sha)s

Rebooting...
"""

FAILED = {
    "failure_class": "Diverged",
    "message": "expected this sequence:\n   ok START\n>> .. FINISH   <- here",
    "expectation": {
        "wanted": [
            {"text": "START", "fate": "came", "index": 0},
            {"text": "maybe WRITE_FLASH", "fate": "left out", "index": None},
            {"text": "FINISH", "fate": "here", "index": None},
            {"text": "booted(slot='ota_1')", "fate": "awaited", "index": None},
        ],
        "instead": "FINISH should have come next; instead came: #9 the end",
    },
}


@dataclass(frozen=True)
class _Steps(Clock):
    """A clock of ten milliseconds an entry, so that a picture is the same in every run."""

    _count: Iterator[int] = field(default_factory=itertools.count)

    def now(self) -> float:
        return next(self._count) / 100


class Scenario:
    """One scenario as it happens; what it leaves lies in `folder`."""

    def __init__(self, folder: Path, evidence: Evidence, timeline: Timeline) -> None:
        self.folder = folder
        self.timeline = timeline
        self._evidence = evidence
        self._console = Console(timeline)

    def says(self, data: bytes, **values: str) -> None:
        """The device prints this."""
        data = data % {name.encode(): value.encode() for name, value in values.items()} if values else data
        self._evidence.console(data)
        self._console.feed(data)

    def boots(self, version: str, offset: str) -> None:
        """A boot from the slot at this offset."""
        self.says(BOOT, version=version, offset=offset)

    def serves(self, number: int = 1, status: int = 200, sent: int = 4096, fault: str = "") -> None:
        """One request and its answer."""
        numbers = {"connection": number, "request": number}
        self.timeline.append("server", "request", **numbers, method="GET", path="/release-1.bin", range=None)
        if fault:
            self.timeline.append("server", "fault", **numbers, path="/release-1.bin", fault=fault, after=sent)
        self.timeline.append(
            "server",
            "response",
            **numbers,
            status=status,
            announced=4096,
            sent=sent,
            complete=not fault,
            aborted="fault" if fault else None,
        )

    def ends(self, outcome: str, cause: str | None = None, **facts: object) -> None:
        """How it ended."""
        self._console.close()
        known = {"chip": "esp32c3", "virtual": True, "seconds": 1.25, "rollback": True, "confirmed_by": "App is valid"}
        told = {"promise": "A newer version is installed.", "scenario": f"scenarios/test_x.py::{self.folder.name}"}
        self._evidence.outcome(outcome, cause=cause, **{**known, **told, **facts})

    def event(self, name: str, payload: int | None = None) -> int:
        """An event, as the console would tell it."""
        return self.timeline.append("console", "event", name=f"ESP_HTTPS_OTA_{name}", payload=payload, line_no=15).index


@contextmanager
def scenario(run: Path, name: str, board: str = "model") -> Iterator[Scenario]:
    """A scenario that is going on; it is unfinished until it `ends`."""
    folder = run / board / name
    timeline = Timeline(_Steps())
    with Evidence(folder) as evidence, timeline:
        evidence.attach(timeline)
        evidence.flashed([KeptImage.of("app.bin", b"image")])
        yield Scenario(folder, evidence, timeline)


def damaged(run: Path) -> None:
    """A run in which every file of evidence is damaged in some scenario."""
    for name in ("half_a_line", "no_timeline", "no_console", "bad_outcome", "no_outcome", "bad_images", "binary"):
        with scenario(run, name) as told:
            told.boots("1", "10000")
            if name != "no_outcome":
                told.ends("passed")
    lines = (run / "model/half_a_line/timeline.jsonl").read_bytes()
    (run / "model/half_a_line/timeline.jsonl").write_bytes(lines[:-25])
    (run / "model/no_timeline/timeline.jsonl").unlink()
    (run / "model/no_console/console.raw").unlink()
    (run / "model/bad_outcome/outcome.json").write_text('{"outcome": "pas')
    (run / "model/bad_images/images.json").write_text(json.dumps({"not": "a list"}))
    (run / "model/binary/timeline.jsonl").write_bytes(bytes(range(256)) + b'\n{"index": 0}\n[1]\n')
