"""Boots: what ROM, second-stage bootloader and application say between a reset and the application's own work.

One pass goes through these, and any of them may be missing from the console: it was opened later, a power cut
ended it, the ROM's or the bootloader's log is switched off:

* the ROM banner (``ets Jun  8 2016 00:22:57`` on the ESP32, ``ESP-ROM:esp32c3-api1-20210207`` on later chips),
  its ``rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)`` and ``entry 0x403cc710``, where it leaves for flash;
* the bootloader (components/bootloader_support/src/bootloader_init.c, bootloader_utility.c): its version, the
  partition table, ``Loaded app from partition at offset 0x...`` (``Fast booting app ...`` out of deep sleep);
* the application's description (tag cpu_start: components/esp_system/startup.c up to v5.1; tag app_init:
  components/esp_app_format/esp_app_desc.c since v5.2).

A pass that never leaves the ROM is no boot: download mode, empty flash, a reset button that bounces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bench.console.items import Boot, Record

__all__ = ["BOOT_TAGS", "BootReader", "is_rom", "reset_reason"]

_BANNER = re.compile(r"(?:ESP-ROM:|ets [A-Z][a-z]{2} [ 0-9][0-9] 20[0-9]{2} )")
_RESET = re.compile(r"rst:0x([0-9a-fA-F]{1,4}) \(([^()]{1,40})\),boot:0x[0-9a-fA-F]{1,8} ?\(?([^)]{0,60})")
_ENTRY = re.compile(r"entry 0x[0-9a-f]{8}")
_BOOTLOADER = re.compile(r"ESP-IDF (\S+) 2nd stage bootloader")
_LOADED = re.compile(r"(?:Loaded|Fast booting) app from partition at offset 0x([0-9a-f]{1,8})\s*\Z")
_ROW = re.compile(r" ?[0-9]{1,2} (.{1,16}?) +(?:\S.*)?([0-9a-f]{2}) ([0-9a-f]{2}) ([0-9a-f]{8}) ([0-9a-f]{8})\s*\Z")
_DESCRIPTION = re.compile(
    r"(Application information|Project name|App version|Secure version|Compile time|ELF file SHA256|ESP-IDF):\s*(.*)"
)

BOOT_TAGS = frozenset({"boot", "cpu_start", "app_init"})
"""The tags whose records make a boot."""

_LATE_TAGS = frozenset(
    {"app_start", "heap_init", "main_task", "memory_layout", "sleep", "sleep_gpio", "spi_flash"}
    | {"advanced_https_ota_example", "native_ota_example", "pre_encrypted_ota_example", "simple_ota_example"}
    | {"esp_https_ota", "esp_ota_ops", "example_common", "example_connect", "ethernet_connect"}
)
"""Tags that speak after the description, so that it will not come any more."""

_PATIENCE = 64
"""Records of an application that a description may still follow, in a build that logs more than most."""


def is_rom(text: str) -> bool:
    """Does the ROM speak here, so that there was a reset?"""
    return _BANNER.match(text) is not None or _RESET.match(text) is not None


def reset_reason(text: str) -> str | None:
    """The reset reason, if the line is the ROM's ``rst:`` line."""
    match = _RESET.match(text)
    return match[2] if match else None


@dataclass
class _Pass:
    """A pass that is still going on."""

    line_no: int
    reset_reason: str | None = None
    offset: int | None = None
    bootloader: str | None = None
    described: dict[str, str] = field(default_factory=dict)
    in_rom: bool = False
    download: bool = False
    records: int = 0


class BootReader:
    """Makes boots of banner lines and of the records whose tags are `BOOT_TAGS`."""

    def __init__(self) -> None:
        self._pass: _Pass | None = None
        self._table: dict[int, str] = {}
        self._known: dict[int, str] = {}

    @property
    def open(self) -> bool:
        """Is a boot under way, so that every record has to be shown to `record`?"""
        return self._pass is not None

    def noise(self, text: str, line_no: int) -> Boot | None:
        """A line that is no record; the boot before, if this line begins another."""
        if _BANNER.match(text):
            return self._begin(line_no, in_rom=True)
        match = _RESET.match(text)
        if match is not None:
            now = self._pass
            before = None
            if now is None or not now.in_rom or now.reset_reason is not None:
                before = self._begin(line_no, in_rom=True)
                now = self._pass
            if now is not None:
                now.reset_reason = match[2]
                now.download = "DOWNLOAD" in match[3]
            return before
        if self._pass is not None:
            if text.startswith("waiting for download"):
                self._pass.download = True
            elif _ENTRY.match(text):
                self._pass.in_rom = False
        return None

    def record(self, record: Record) -> Boot | None:
        """A record; the boot that it shows to be complete, which comes *before* the record."""
        tag = record.tag
        if tag == "boot":
            return self._bootloader(record)
        if tag in ("cpu_start", "app_init"):
            match = _DESCRIPTION.match(record.message)
            if match is not None:
                return self._describe(record, match[1], match[2])
        now = self._pass
        if now is None:
            return None
        now.in_rom = False
        if now.offset is not None or now.bootloader is None:
            now.records += 1
        late = tag in _LATE_TAGS or record.message.startswith("Starting scheduler")
        if now.described or late or now.records > _PATIENCE:
            return self.end()
        return None

    def works(self) -> Boot | None:
        """The application is at its own work: what it has not said of itself by now it will not say."""
        if self._pass is not None:
            self._pass.in_rom = False
        return self.end()

    def end(self) -> Boot | None:
        """The boot as far as it came: a panic, another banner or the end of the console follows."""
        now, self._pass = self._pass, None
        if now is None or now.in_rom or now.download:
            return None
        described = now.described
        secure = described.get("Secure version", "")
        sha = described.get("ELF file SHA256")
        return Boot(
            now.line_no,
            now.reset_reason,
            now.offset,
            None if now.offset is None else self._slot(now.offset),
            described.get("App version"),
            int(secure) if secure.isascii() and secure.isdigit() else None,
            described.get("ESP-IDF"),
            described.get("Project name"),
            sha.removesuffix("...") if sha else None,
            now.bootloader,
        )

    def _begin(self, line_no: int, *, in_rom: bool = False) -> Boot | None:
        before = self.end()
        self._pass = _Pass(line_no, in_rom=in_rom)
        self._known.update(self._table)
        self._table = {}
        return before

    def _slot(self, offset: int) -> str | None:
        # A row may have been garbled in this boot; the same flash had the same table a boot ago.
        return self._table.get(offset) or (self._known.get(offset) if self._table else None)

    def _bootloader(self, record: Record) -> Boot | None:
        message = record.message
        before = None
        if match := _BOOTLOADER.match(message):
            now = self._pass
            if now is None or now.bootloader is not None or now.offset is not None or now.described:
                before = self._begin(record.line_no)
            assert self._pass is not None
            self._pass.bootloader = match[1]
        elif match := _ROW.match(message):
            before = self._in_bootloader(record)
            name = _slot_name(match[1], match[2], match[3])
            if name is not None:
                self._table[int(match[4], 16)] = name
        elif (match := _LOADED.match(message)) and not record.cut:
            before = self._in_bootloader(record)
            assert self._pass is not None
            self._pass.offset = int(match[1], 16)
        if self._pass is not None:
            self._pass.in_rom = False
        return before

    def _in_bootloader(self, record: Record) -> Boot | None:
        """Make sure that a pass is open which the application has not come to yet."""
        if self._pass is None or self._pass.described:
            return self._begin(record.line_no)
        return None

    def _describe(self, record: Record, name: str, value: str) -> Boot | None:
        now, before = self._pass, None
        if now is None or name in now.described:
            before = self._begin(record.line_no)
            now = self._pass
        assert now is not None
        now.in_rom = False
        if not record.cut:
            now.described[name] = value.strip()
        return before


def _slot_name(label: str, type_: str, subtype: str) -> str | None:
    """ESP-IDF's name of an application's slot; None for a data partition."""
    if type_ != "00":
        return None
    number = int(subtype, 16)
    if number == 0x00:
        return "factory"
    if number == 0x20:
        return "test"
    if 0x10 <= number <= 0x1F:
        return f"ota_{number - 0x10}"
    return label.strip()
