"""Real consoles taken apart: the boots in them, and the images and tables that must have been in flash."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bench.flash import Partition, PartitionTable
from bench.images import AppDesc, BootloaderDesc, Image
from tests.virtual.booting import strings

__all__ = ["RealBoot", "comparable", "real_boots"]

_SEGMENT = re.compile(r"segment \d+: paddr=([0-9a-f]+) vaddr=([0-9a-f]+) size=[0-9a-f]+h \( *(\d+)\)")
_PARTITION = re.compile(r"boot: +\d+ (.{16}) .{16} ([0-9a-f]{2}) ([0-9a-f]{2}) ([0-9a-f]{8}) ([0-9a-f]{8})")
_ENDS = ("main_task: Calling app_main()", "cpu_start: Starting scheduler.")


@dataclass(frozen=True)
class RealBoot:
    """The lines of one boot, from the ROM's first to the call of app_main, without CR LF."""

    lines: tuple[str, ...]

    def value(self, pattern: str, default: str | None = None) -> str:
        """The first group of the first line that matches."""
        for line in self.lines:
            if found := re.search(pattern, line):
                return found[1]
        assert default is not None, f"no line matches {pattern!r}"
        return default

    def has(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    @property
    def table(self) -> PartitionTable:
        rows = [_PARTITION.search(line) for line in self.lines]
        return PartitionTable(
            tuple(Partition(row[1].rstrip(), *(int(row[group], 16) for group in (2, 3, 4, 5))) for row in rows if row)
        )

    @property
    def reset_reason(self) -> int:
        return int(self.value(r"rst:0x([0-9a-f]+)"), 16)

    @property
    def secure_version(self) -> int:
        return int(self.value(r"Secure version \(from eFuse\) = (\d+)", "0"))

    @property
    def app_secure_version(self) -> int:
        return int(self.value(r"Secure version:   (\d+)", "0"))

    @property
    def app_offset(self) -> int:
        return int(self.value(r"Loaded app from partition at offset 0x([0-9a-f]+)"), 16)

    def bootloader(self) -> Image:
        """A bootloader with the segments that the ROM loaded and the options that show."""
        loads = [re.fullmatch(r"load:0x([0-9a-f]+),len:0x([0-9a-f]+)", line) for line in self.lines]
        segments = [(int(found[1], 16), int(found[2], 16)) for found in loads if found]
        release = self.value(r"boot: ESP-IDF (\S+) 2nd stage bootloader")
        desc = BootloaderDesc(version=1, idf_ver=release, date_time=self.value(r"boot: compile time (.+?)(?:\x1b|$)"))
        options = [
            option
            for option in (
                "Enabled a check secure version of app for anti rollback",
                "Loading virtual efuse blocks from flash",
            )
            if self.has(option)
        ]
        data = desc.to_bytes() + strings(*options)
        return Image.build(
            chip_id=5,
            entry_addr=int(self.value(r"^entry 0x([0-9a-f]+)"), 16),
            segments=[
                (addr, data.ljust(size, b"\1") if n == 0 else b"\1" * size) for n, (addr, size) in enumerate(segments)
            ],
            flash_size=self.value(r"SPI Flash Size : (\w+)"),
        )

    def application(self, rodata: bytes = b"") -> Image:
        """The application that was booted: its segments, its description, and the strings of its options."""
        found = [one for one in map(_SEGMENT.search, self.lines) if one]
        segments = [(int(one[2], 16), int(one[3])) for one in found]
        date, time = self.value(r"Compile time:     (\w+ +\d+ \d+ [\d:]+)").rsplit(" ", 1)
        desc = AppDesc(
            version=self.value(r"App version:      (\S+?)(?:\x1b|$)"),
            project_name=self.value(r"Project name:     (\S+?)(?:\x1b|$)"),
            secure_version=self.app_secure_version,
            date=date,
            time=time,
            idf_ver=self.value(r"ESP-IDF:          (\S+?)(?:\x1b|$)"),
            app_elf_sha256=bytes.fromhex(self.value(r"ELF file SHA256:  ([0-9a-f]+)").ljust(64, "0")),
        )
        options = []
        if self.has("Secure version:"):
            options.append("Secure version:   %d")
        if self.has(f"{self.chip_tag}: eFuse virtual mode is enabled."):
            options.append("eFuse virtual mode is enabled.")
        data = desc.to_bytes() + strings(*options) + rodata
        low, high = (
            int(major) * 100 + int(minor)
            for major, minor in (
                self.value(rf"{which} chip rev:     v(\d+\.\d+)").split(".") for which in ("Min", "Max")
            )
        )
        return Image.build(
            chip_id=5,
            entry_addr=next(address for address, _ in segments if 0x40380000 <= address < 0x40400000),
            segments=[
                (addr, data.ljust(size, b"\1") if n == 0 else b"\1" * size) for n, (addr, size) in enumerate(segments)
            ],
            flash_size=self.value(r"SPI Flash Size : (\w+)"),
            min_chip_rev_full=low,
            max_chip_rev_full=high,
        )

    @property
    def chip_tag(self) -> str:
        """Who announces virtual eFuses in the application of this release."""
        return "efuse_init" if self.has("efuse_init:") else "cpu_start"


def real_boots(console: Path) -> list[RealBoot]:
    """Every boot of a console that reaches its application."""
    boots: list[RealBoot] = []
    lines: list[str] = []
    for line in console.read_bytes().decode("latin-1").replace("\r\n", "\n").split("\n"):
        if (begins := line.find("ESP-ROM:")) >= 0:  # what was being printed when the power failed stands before it
            line, lines = line[begins:], []
        lines.append(line)
        if any(end in line for end in _ENDS) and lines[0].startswith("ESP-ROM:"):
            boots.append(RealBoot(tuple(lines)))
            lines = [""]
    return boots


def comparable(lines: tuple[str, ...] | list[str]) -> list[str]:
    """Lines without what must differ: times, addresses of the heap, eFuse contents, and the emulator's own traits."""
    result = []
    for line in lines:
        text = re.sub(r"^((?:\x1b\[0;\d+m)?[EWIDV]) \([\d:.]+\)", r"\1 (t)", line)
        if re.match(r"D \(", text) or line == "\x1b[0m":
            continue  # a debug build's own lines: these images have none
        if "spi_flash: Detected size(" in text:
            continue  # the emulated flash was as large as the image says, this one is larger
        text = text.replace("SLOW READ", "DIO").replace("detected chip: gd", "detected chip: winbond")
        text = re.sub(r"At [0-9A-F]{8} len [0-9A-F]{8} \(\d+ KiB\)", "At A len L (K)", text)
        if re.match(r"\d+\) ", text):
            text = re.sub(r"[0-9a-f]{8}", "W", text)
        result.append(text)
    return result
