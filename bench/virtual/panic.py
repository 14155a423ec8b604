"""How an application dies: abort(), assert(), a CPU exception, each with the dump that ESP-IDF's panic handler prints.

Sources: components/esp_system/panic.c (esp_panic_handler), port/panic_handler.c, port/arch/riscv/panic_arch.c,
port/arch/xtensa/panic_arch.c and debug_helpers.c, checked against real consoles of the ESP32-C3. The virtual processor
has no registers: program counters point into the image, the rest is invented, the same at every run of an image.

Before the application has set its own exception vectors, the ROM's are in force (`first_instruction`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NoReturn

from bench.images import Image
from bench.virtual.idf.err import esp_err_to_name
from bench.virtual.loops import crash_reset
from bench.virtual.machine import Machine
from bench.virtual.memory_map import MEMORY_MAPS
from bench.virtual.resets import ResetReason
from bench.virtual.running import Running

__all__ = [
    "abort",
    "assert_failed",
    "error_check_failed",
    "first_instruction",
    "illegal_instruction",
    "interrupt_watchdog",
    "load_prohibited",
    "registers",
]

_RISCV_REGISTERS = (
    "MEPC", "RA", "SP", "GP", "TP", "T0", "T1", "T2", "S0/FP", "S1", "A0", "A1", "A2", "A3", "A4", "A5", "A6", "A7",
    "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "T3", "T4", "T5", "T6",
    "MSTATUS", "MTVEC", "MCAUSE", "MTVAL", "MHARTID",
)  # fmt: skip
_XTENSA_REGISTERS = (
    "PC", "PS", "A0", "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11", "A12", "A13", "A14", "A15",
    "SAR", "EXCCAUSE", "EXCVADDR", "LBEG", "LEND", "LCOUNT",
)  # fmt: skip
_STACK_BYTES = 1024
_STACK_USED_WORDS = 40
_UNUSED_STACK = 0xA5A5A5A5  # tskSTACK_FILL_BYTE
_STORE_FAULT, _LOAD_FAULT, _ILLEGAL_INSTRUCTION = 7, 5, 2  # RISC-V mcause
_LOAD_PROHIBITED = 28  # Xtensa EXCCAUSE
_REBOOT_MS = 20
_NO_FAULT: Mapping[str, int] = MappingProxyType({})


def abort(running: Running, *, core: int = 0) -> NoReturn:
    """abort(): print where, dump, restart."""
    cpu = _Cpu(running.image)
    _die(running, f"abort() was called at PC 0x{cpu.call_site:08x} on core {core}", cpu, core, reason=None)


def assert_failed(running: Running, where: str, expression: str, *, core: int = 0) -> NoReturn:
    """A failed assert().

    Args:
        where: function, file and line, e.g. ``"do_core_init startup.c:328"``
        expression: as C spells it
    """
    _die(running, f"assert failed: {where} ({expression})", _Cpu(running.image), core, reason=None)


def error_check_failed(running: Running, code: int, place: str, expression: str, *, core: int = 0) -> NoReturn:
    """ESP_ERROR_CHECK (_esp_error_check_failed of esp_system/esp_err.c): says what failed where, and aborts.

    Args:
        place: file and line, e.g. ``'"./main/native_ota_example.c" line 326'``, in app_main
        expression: as C spells it
    """
    where = f"file: {place}\nfunc: app_main\nexpression: {expression}\n"
    call = _Cpu(running.image).call_site
    running.log.raw(f"ESP_ERROR_CHECK failed: esp_err_t 0x{code:x} ({esp_err_to_name(code)}) at 0x{call:08x}\n{where}")
    abort(running, core=core)


def load_prohibited(running: Running, address: int, *, core: int = 0) -> NoReturn:
    """A read where there is no memory, through a pointer that is NULL: Guru Meditation Error."""
    riscv = running.machine.chip.arch == "riscv"
    fault = {"MCAUSE": _LOAD_FAULT, "MTVAL": address, "EXCCAUSE": _LOAD_PROHIBITED, "EXCVADDR": address}
    reason = "Load access fault" if riscv else "LoadProhibited"
    _die(running, "", _Cpu(running.image), core, reason=reason, fault=fault)


def illegal_instruction(running: Running, *, core: int = 0) -> NoReturn:
    """An illegal instruction in the running application: Guru Meditation Error."""
    riscv = running.machine.chip.arch == "riscv"
    cpu = _Cpu(running.image)
    pc = cpu.call_site
    details = ""
    if not riscv:
        around = (pc & ~3) - 4
        words = " ".join(f"{cpu.word_at(around + 4 * index):08x}" for index in range(3))
        details = f"Memory dump at 0x{around:08x}: {words}"
    reason = "Illegal instruction" if riscv else "IllegalInstruction"
    _die(running, details, cpu, core, reason=reason)


def interrupt_watchdog(running: Running, *, core: int = 0) -> NoReturn:
    """Interrupts were off for too long: `Interrupt wdt timeout`, as panic_soc_fill_info of port/arch/*/panic_arch.c."""
    reason = f"Interrupt wdt timeout on CPU{core}"
    _die(running, "", _Cpu(running.image), core, reason=reason, unhandled=False)


def registers(running: Running, *, core: str = " 0") -> str:
    """panic_print_registers of the interrupted task, with the head that RISC-V targets put above it."""
    cpu = _Cpu(running.image)
    if running.machine.chip.arch == "riscv":
        table = _registers(_RISCV_REGISTERS, cpu.riscv(cpu.call_site, 0))
        return f"Core {core} register dump:\n{table}\n"
    return f"\n\nBacktrace: {cpu.backtrace()}\n\n"


def first_instruction(machine: Machine, image: Image, wdt_ms: int) -> NoReturn:
    """The application's first instruction is illegal: only the ROM is there to say so, and the watchdog to end it.

    The ESP32's ROM prints a `Fatal exception`; that of the ESP32-S3 is seen to print a short `Guru Meditation Error`
    with registers, and that of the ESP32-C3 is assumed to do the same with RISC-V's. All stop then, until the RTC
    watchdog that the bootloader armed resets the chip.

    Args:
        wdt_ms: CONFIG_BOOTLOADER_WDT_TIME_MS
    """
    chip, entry = machine.chip, image.header.entry_addr
    if chip.name == "esp32":
        registers = {"epc1": entry, "epc2": 0, "epc3": 0, "excvaddr": 0, "depc": 0}
        text = "Fatal exception (0): IllegalInstruction\n"
        text += ", ".join(f"{name}=0x{value:08x}" for name, value in registers.items()) + "\n"
    elif chip.arch == "riscv":
        text = "Guru Meditation Error: Core 0 panic'ed (Illegal instruction)\nCore 0 register dump:\n"
        text += _registers(_RISCV_REGISTERS, _Cpu(image).riscv(entry, _ILLEGAL_INSTRUCTION)) + "\n"
    else:
        text = "Guru Meditation Error: Core 0 panic'ed (IllegalInstruction)\nCore 0 register dump:\n"
        cpu = _Cpu(image)
        text += _registers(_XTENSA_REGISTERS, cpu.xtensa(entry)) + f"\n\nBacktrace: 0x{entry:08x}:0x{cpu.sp:08x}\n"
    machine.uart.write(text.replace("\n", "\r\n").encode("ascii"))
    machine.clock.sleep(wdt_ms)
    crash_reset(machine, ResetReason.RTCWDT_RTC)


def _die(
    running: Running,
    details: str,
    cpu: _Cpu,
    core: int,
    *,
    reason: str | None,
    unhandled: bool = True,
    fault: Mapping[str, int] = _NO_FAULT,
) -> NoReturn:
    machine, image = running.machine, running.image
    lines = ["\n"]
    if reason is not None:
        how = "Exception was unhandled." if unhandled else ""
        lines = [f"Guru Meditation Error: Core {core:2d} panic'ed ({reason}). {how}\n"]
    lines.append(f"{details}\n")
    if machine.chip.arch == "riscv":
        cause = _STORE_FAULT if reason is None else _ILLEGAL_INSTRUCTION
        registers = cpu.riscv(cpu.call_site if reason else cpu.panic_site, cause) | dict(fault)
        lines.append(f"Core {core:2d} register dump:\n{_registers(_RISCV_REGISTERS, registers)}\n")
        lines.append(f"\nStack memory:\n{cpu.stack_dump()}")
    else:
        if reason is not None:
            registers = cpu.xtensa(cpu.call_site) | dict(fault)
            lines.append(f"Core {core:2d} register dump:\n{_registers(_XTENSA_REGISTERS, registers)}\n")
        lines.append(f"\n\nBacktrace: {cpu.backtrace()}\n\n")
    desc = image.app_desc
    sha = desc.app_elf_sha256.hex()[: running.release.elf_sha_length] if desc is not None else ""
    lines.append(f"\n\n\nELF file SHA256: {sha}\n\nRebooting...\n")
    running.log.raw("".join(lines))
    machine.clock.sleep(_REBOOT_MS)
    crash_reset(machine, ResetReason.SW_CPU)


def _registers(names: tuple[str, ...], values: dict[str, int]) -> str:
    """Four to a line, each followed by two blanks, as panic_print_registers."""
    cells = [f"{name:<8}: 0x{values.get(name, 0):08x}  " for name in names]
    return "\n".join("".join(cells[at : at + 4]) for at in range(0, len(cells), 4))


@dataclass(frozen=True)
class _Cpu:
    """An invented processor state that fits an image."""

    image: Image

    @property
    def _seed(self) -> bytes:
        return self.image.digest or bytes([self.image.checksum])

    def _random(self, what: str) -> int:
        return int.from_bytes(hashlib.sha256(self._seed + what.encode()).digest()[:4], "little")

    def _code(self, what: str, *, mapped: bool) -> int:
        """An address in code: flash-mapped code (the application's), or code in RAM (the panic handler's)."""
        chip = self.image.header.chip
        name = chip.name if chip is not None and chip.name in MEMORY_MAPS else "esp32c3"
        where = MEMORY_MAPS[name]
        wanted = where.mapped[0] if mapped else where.iram
        for segment in self.image.segments:
            if segment.load_addr in wanted and len(segment.data) >= 64:
                offset = self._random(what) % min(len(segment.data) - 16, 0x10000)
                return segment.load_addr + (offset & ~1)
        return self.image.header.entry_addr

    @property
    def call_site(self) -> int:
        return self._code("call site", mapped=True)

    @property
    def panic_site(self) -> int:
        return self._code("panic handler", mapped=False)

    @property
    def _ram(self) -> int:
        """Where data of the application lies in RAM."""
        for segment in self.image.segments:
            if 0x3FC00000 <= segment.load_addr < 0x40000000 or 0x3FFA0000 <= segment.load_addr < 0x40000000:
                return segment.load_addr + len(segment.data)
        return 0x3FC90000

    @property
    def sp(self) -> int:
        return (self._ram + 0x7000 + self._random("stack") % 0x800) & ~0xF

    def word_at(self, address: int) -> int:
        segment = self.image.segment_at(address)
        if segment is None:
            return 0
        at = address - segment.load_addr
        return int.from_bytes(segment.data[at : at + 4].ljust(4, b"\0"), "little")

    def riscv(self, pc: int, cause: int) -> dict[str, int]:
        vectors = next((one.load_addr for one in self.image.segments if 0x40300000 <= one.load_addr < 0x40400000), 0)
        return {
            "MEPC": pc, "RA": self._code("return", mapped=False), "SP": self.sp, "GP": self._ram & ~0xF,
            "TP": self.sp + 0xF0, "S0/FP": 4, "S1": self.sp + 0x64, "A0": self.sp + 0x2C, "A1": self.sp + 0x62,
            "A3": self.sp + 0x59, "A4": 1, "A5": self._ram & ~0xFFF, "MSTATUS": 0x1880, "MTVEC": vectors | 1,
            "MCAUSE": cause,
        }  # fmt: skip

    def xtensa(self, pc: int) -> dict[str, int]:
        return {
            "PC": pc, "PS": 0x60030, "A0": self._code("return", mapped=True) & 0x3FFFFFFF | 0x80000000, "A1": self.sp,
            "A2": self.sp + 0x20, "A4": 1, "A8": 0x80000000 | pc & 0x3FFFFFFF, "A9": self.sp - 0x20, "SAR": 0x1D,
            "EXCCAUSE": 0, "EXCVADDR": 0, "LBEG": 0x400570E8, "LEND": 0x400570F3, "LCOUNT": 0,
        }  # fmt: skip

    def stack_dump(self) -> str:
        """1 KiB of stack, eight words a line (panic_print_basic_backtrace)."""
        lines = []
        for at in range(0, _STACK_BYTES, 32):
            words = (self._stack_word(at // 4 + index) for index in range(8))
            lines.append(f"{self.sp + at:08x}: " + " ".join(f"0x{word:08x}" for word in words) + "\n")
        return "".join(lines)

    def _stack_word(self, index: int) -> int:
        if index >= _STACK_USED_WORDS:
            return _UNUSED_STACK
        kind = self._random(f"word {index}")
        return (0, self.sp + kind % 0x200 & ~3, self._code(f"frame {index}", mapped=True), kind & 0xFF)[kind % 4]

    def backtrace(self) -> str:
        """Frames from the panic handler out to the task, as esp_backtrace_print_from_frame."""
        sites = [self.panic_site, self._code("abort", mapped=False), self.call_site]
        sites += [self._code("main_task", mapped=True), self._code("vPortTaskWrapper", mapped=False)]
        return " ".join(f"0x{site:08x}:0x{self.sp + 0x20 * number:08x}" for number, site in enumerate(sites))
