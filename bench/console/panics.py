"""Panics: from the line that names the reason to "Rebooting...", one `Panic`.

The forms are those of components/esp_system/panic.c and port/arch/{riscv,xtensa}/panic_arch.c, of abort() and
assert() in components/newlib (esp_libc since v6.0), of the stack overflow hook in components/freertos, of
ESP_ERROR_CHECK in esp_err.c, and of the ROM's own exception handler. A task watchdog that only reports prints a
register dump as well, but no reason: that is no panic. The brownout detector's line comes as a record in v5.x
and as bare text in v4.4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.console.items import Panic, Record

__all__ = ["PanicReader", "brownout"]

_REASON = re.compile(
    r"(?:Guru Meditation Error: Core|abort\(\) was called at PC 0x|assert failed: "
    r"|\*\*\*ERROR\*\*\* A stack overflow in task|ESP_ERROR_CHECK failed: esp_err_t|Stack smashing protect failure!"
    r"|Brownout detector was triggered|Fatal exception \([0-9]{1,2}\): |Panic handler entered multiple times)"
)
_CORE = re.compile(r"[Cc]ore +([0-9]{1,2})\b")
_PC = re.compile(r"(?:\bat PC 0x|^(?:ME)?PC +: 0x|^epc1=0x)([0-9a-fA-F]{8})\b")
_FRAME = re.compile(r"0x([0-9a-fA-F]{8}):0x[0-9a-fA-F]{8}")
_SHA = re.compile(r"ELF file SHA256: +([0-9a-f]{4,64})")
_ENDS = ("Rebooting...", "CPU halted.", "Entering gdb stub now.")
_MOST_LINES = 2000
"""A dump is shorter than this: what follows belongs to somebody else."""


def brownout(record: Record) -> Panic | None:
    """The brownout detector speaks as a record (tag BOD or brownout) in v5.x and later."""
    if not record.message.startswith("Brownout detector was triggered"):
        return None
    return Panic(record.message.strip(), None, None, (), None, record.line_no, record.line_no)


@dataclass
class _Dump:
    """A panic that is still being printed."""

    reason: str
    line_no: int
    last_line_no: int
    core: int | None = None
    pc: int | None = None
    backtrace: tuple[int, ...] = ()
    sha: str | None = None

    def add(self, text: str, line_no: int) -> None:
        self.last_line_no = line_no
        if text.startswith("Debug exception reason:"):
            self.reason = f"{self.reason} {text.strip()}"
        if self.core is None and (match := _CORE.search(text)):
            self.core = int(match[1])
        if self.pc is None and (match := _PC.search(text)):
            self.pc = int(match[1], 16)
        if not self.backtrace and text.startswith("Backtrace:"):
            self.backtrace = tuple(int(pc, 16) for pc in _FRAME.findall(text))
        if self.sha is None and (match := _SHA.match(text)):
            self.sha = match[1]


class PanicReader:
    """Collects one panic after another from the lines that are not records."""

    def __init__(self) -> None:
        self._dump: _Dump | None = None

    @property
    def open(self) -> bool:
        """Has a panic begun, and not ended?"""
        return self._dump is not None

    def starts(self, text: str) -> bool:
        """Does a panic begin with this line?"""
        return _REASON.match(text) is not None

    def feed(self, text: str, line_no: int) -> Panic | None:
        """One line: the first of a panic (see `starts`) or one that follows; the panic, if the line ends it."""
        if self._dump is None:
            self._dump = _Dump(text.strip(), line_no, line_no)
        self._dump.add(text, line_no)
        if text.startswith(_ENDS) or line_no - self._dump.line_no > _MOST_LINES:
            return self.end()
        return None

    def end(self) -> Panic | None:
        """The panic as far as it came, when something else follows or the console ends."""
        dump, self._dump = self._dump, None
        if dump is None:
            return None
        return Panic(dump.reason, dump.core, dump.pc, dump.backtrace, dump.sha, dump.line_no, dump.last_line_no)
