"""A machine with an example application in its flash, and what it says: for tests of what runs on the virtual board."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import NoReturn

from bench.builds import VirtualBuild
from bench.builds.apps import APPS
from bench.builds.catalogue import vocabulary
from bench.builds.releases import line_of
from bench.builds.rodata import Dialect
from bench.flash import Partition, PartitionTable
from bench.images import AppDesc, Defect, Image, behaviour_field, defect_field
from bench.virtual import apps, boot
from bench.virtual.log import Log
from bench.virtual.machine import Halted, Machine, ResetReason, Restart
from bench.virtual.release import Release
from bench.virtual.running import Running

__all__ = ["ANTI_ROLLBACK", "TWO_OTA", "Console", "Life", "firmware", "live"]

TWO_OTA = """\
nvs,      data, nvs,     0x9000,   0x4000
otadata,  data, ota,     0xd000,   0x2000
phy_init, data, phy,     0xf000,   0x1000
factory,  app,  factory, 0x10000,  0x100000
ota_0,    app,  ota_0,   0x110000, 0x100000
ota_1,    app,  ota_1,   0x210000, 0x100000
"""

ANTI_ROLLBACK = """\
nvs,        data, nvs,   0xe000,   0x4000
otadata,    data, ota,   0x12000,  0x2000
phy_init,   data, phy,   0x14000,  0x1000
emul_efuse, data, efuse, 0x15000,  0x2000
ota_0,      app,  ota_0, 0x20000,  0x380000
ota_1,      app,  ota_1, 0x3a0000, 0x380000
"""

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_CHIP_IDS = {"esp32": 0, "esp32c3": 5, "esp32s3": 9}
_ADDRESSES = {
    "esp32": (0x3F400000, 0x3FFB0000, 0x40080000, 0x400D0000, 0x40081000),
    "esp32c3": (0x3C000000, 0x3FC8C800, 0x40380000, 0x42000000, 0x40381000),
    "esp32s3": (0x3C000000, 0x3FC94000, 0x40374000, 0x42000000, 0x40375000),
}
"""Where the five segments of an application go: DROM, DRAM, IRAM, IROM and the rest of IRAM."""
_RODATA_SIZE = 80_000


def firmware(
    version: str = "1",
    *,
    chip: str = "esp32c3",
    project: str = "advanced_https_ota",
    idf_ver: str = "v5.1.4",
    secure_version: int = 0,
    options: Iterable[str] = ("version_check", "url_from_stdin"),
    level: str = "info",
    embedded: Iterable[bytes] = (b"FROM_STDIN",),
    without: str = "",
    behaviour: str = "",
    defect: Defect | None = None,
    code: int = 140_000,
) -> Image:
    """An example as ESP-IDF would have compiled it: its log strings, and the files and literals embedded in it.

    Args:
        without: a log string to leave out
        code: bytes of machine code
    """
    rodata = AppDesc(version, project, secure_version=secure_version, idf_ver=idf_ver).to_bytes()
    chosen, line = frozenset(options), line_of(idf_ver)
    dialect = Dialect(idf_ver, chip, chosen, level, log_colors=line < (5, 4))
    for component in APPS[project].components:
        words = vocabulary("app", component)
        compiled = [one for one in words.strings if one.compiled(line, chip, chosen, level) and one.text != without]
        rodata += b"".join(tag.encode() + b"\0" for tag in words.tags if compiled)
        rodata += b"".join(dialect.log_format(one.level, one.text).encode() + b"\0" for one in compiled)
    for literal in embedded:
        rodata += literal + b"\0"
    rodata += behaviour_field(behaviour) + (defect_field(defect) if defect is not None else b"")
    random = Random(version)
    drom, dram, iram, irom, more = _ADDRESSES[chip]
    segments = [
        (drom + 0x20, rodata.ljust(_RODATA_SIZE, b"\0")),
        (dram, random.randbytes(1000)),
        (iram, random.randbytes(4096)),
    ]
    # the MMU maps pages of 64 KiB, so a mapped segment's address goes with its place in the image
    place = 24 + sum(8 + len(data) for _, data in segments) + 8
    segments += [(irom + place % 0x10000, random.randbytes(code)), (more, random.randbytes(2000))]
    return Image.build(chip_id=_CHIP_IDS[chip], segments=segments, entry_addr=iram)


@dataclass
class Console:
    """What a machine said."""

    raw: bytearray = field(default_factory=bytearray)

    def __call__(self, data: bytes) -> None:
        self.raw += data

    @property
    def lines(self) -> list[str]:
        """Without colours, line ends and times."""
        text = _ESCAPES.sub("", self.raw.decode("utf-8", "surrogateescape")).replace("\r", "")
        return [re.sub(r"^([EWID]) \(\d+\) ", r"\1 ", line) for line in text.removesuffix("\n").split("\n")]

    def after(self, line: str) -> list[str]:
        """The lines behind the first that ends so."""
        lines = self.lines
        at = next(at for at, one in enumerate(lines) if one.endswith(line))
        return lines[at + 1 :]


@dataclass
class Life:
    """A machine, its partition table and console; applications are run in it one after the other."""

    machine: Machine
    table: PartitionTable
    console: Console

    def partition(self, label: str) -> Partition:
        found = self.table.by_label(label)
        assert found is not None
        return found

    def running(self, image: Image, slot: str = "factory") -> Running:
        """Flash `image` into a slot and load it from there."""
        data, partition, desc = image.to_bytes(), self.partition(slot), image.app_desc
        assert desc is not None
        self.machine.flash.poke(partition.offset, data)
        release = Release.parse(desc.idf_ver)
        log = Log(self.machine, image, release)
        return Running(self.machine, image, data, partition, self.table, release, log)

    def content(self, label: str) -> bytes:
        """What flash holds in a partition."""
        partition = self.partition(label)
        return self.machine.flash.peek(partition.offset, partition.size)

    def play(self, firmware: Callable[[], NoReturn], *lines: str) -> type[BaseException]:
        """Let firmware run, with these lines typed, until it restarts or has nothing left to do."""
        for line in lines:
            self.machine.uart.feed(line.encode() + b"\n")
        over = threading.Event()
        watcher = threading.Thread(target=self._power_off_when_idle, args=(over,))
        watcher.start()
        try:
            firmware()
        except Restart as end:
            self.machine.reset_reason = end.reason
            return Restart
        except Halted as end:
            return type(end)
        finally:
            over.set()
            watcher.join()
            self.machine.network.drop()  # as the board does at every reset

    def run(self, image: Image, *lines: str, slot: str = "factory") -> type[BaseException]:
        """Let an application run that was loaded from a slot."""
        running = self.running(image, slot)
        return self.play(lambda: apps.run(running), *lines)

    def boot(self, *lines: str, firmware: Callable[[Machine], NoReturn] = boot.run) -> None:
        """Power the board, type these lines, and let it live until it has nothing left to do."""
        supply = self.machine.supply
        supply.set_power(True)
        supply.wait_for_start()
        self.machine.reset_reason = ResetReason.POWERON
        self.machine.rtc.clear()
        self.machine.clock.restart()
        while self.play(lambda: firmware(self.machine), *lines) is Restart:
            self.machine.clock.restart()
            lines = ()

    def flash(self, build: VirtualBuild) -> None:
        """Put a whole build into flash, past the ROM."""
        files = build.files()
        for offset, name in json.loads(files["flasher_args.json"])["flash_files"].items():
            self.machine.flash.poke(int(offset, 16), files[name])

    def _power_off_when_idle(self, over: threading.Event) -> None:
        while not over.wait(0.005):
            if self.machine.supply.idle:
                self.machine.supply.set_power(False)
                return


@contextmanager
def live(
    chip: str = "esp32c3", csv: str = TWO_OTA, *, console: Console | None = None, flash_size: int | None = None
) -> Iterator[Life]:
    """A new machine with that partition table in its flash, and a console that only listens unless told otherwise."""
    console = console or Console()
    machine = Machine.assemble(chip, console=console, flash_size=flash_size)
    try:
        table = PartitionTable.from_csv(csv)
        machine.flash.poke(0x8000, table.to_bytes())
        yield Life(machine, table, console)
    finally:
        machine.close()
