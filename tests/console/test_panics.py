"""Panics of both architectures, and what looks like one and is none."""

from __future__ import annotations

import pytest

from bench.console import Panic
from tests.console.consoles import Device, read

XTENSA = """Guru Meditation Error: Core  1 panic'ed (LoadProhibited). Exception was unhandled.

Core  1 register dump:
PC      : 0x400d6f3b  PS      : 0x00060630  A0      : 0x800d2a17  A1      : 0x3ffb5e10
EXCVADDR: 0x00000000  LBEG    : 0x4000c2e0  LEND    : 0x4000c2f6  LCOUNT  : 0xffffffff


Backtrace: 0x400d6f38:0x3ffb5e10 0x400d2a14:0x3ffb5e30 0x40085bc1:0x3ffb5e60




ELF file SHA256: 0123456789abcdef

Rebooting...
"""
GURU = "Guru Meditation Error: Core  1 panic'ed (LoadProhibited). Exception was unhandled."


def panics(text: str) -> list[Panic]:
    """The panics in a console that begins and ends with a record."""
    device = Device().say("before").raw(text).say("after")
    return [item for item in read(device.console) if isinstance(item, Panic)]


def test_xtensa() -> None:
    [panic] = panics(XTENSA)
    assert panic == Panic(GURU, 1, 0x400D6F3B, (0x400D6F38, 0x400D2A14, 0x40085BC1), "0123456789abcdef", 2, 16)


def test_riscv() -> None:
    [panic] = [item for item in read(Device().panic().console) if isinstance(item, Panic)]
    assert (panic.reason, panic.core, panic.pc) == ("abort() was called at PC 0x420080f5 on core 0", 0, 0x420080F5)
    assert (panic.elf_sha256, panic.backtrace) == ("8c3adc48d2460b11", ())


@pytest.mark.parametrize(
    "first",
    [
        "assert failed: app_main main.c:12 (x == y)",
        "***ERROR*** A stack overflow in task main has been detected.",
        "ESP_ERROR_CHECK failed: esp_err_t 0x103 (ESP_ERR_INVALID_STATE) at 0x400d2a17",
        "Stack smashing protect failure!",
        "Brownout detector was triggered",
        "Guru Meditation Error: Core  0 panic'ed (Interrupt wdt timeout on CPU0).",
        "Fatal exception (29): StoreProhibited",
    ],
)
@pytest.mark.parametrize("end", ["Rebooting...\n", "CPU halted.\n", "", "ESP-ROM:esp32c3-api1-20210207\n"])
def test_one_panic_whatever_its_reason_and_its_end(first: str, end: str) -> None:
    body = (
        ""
        if "Brownout" in first
        else "\nabort() was called at PC 0x420080f5 on core 0\nBacktrace: 0x400d6f38:0x3ffb5e10\n"
    )
    [panic] = panics(first + "\n" + body + end)
    assert panic.reason == first


def test_the_brownout_detector_may_speak_as_a_record() -> None:
    items = read(Device().log("E", "BOD", "Brownout detector was triggered").console)
    assert [type(item).__name__ for item in items] == ["Record", "Panic"]


def test_a_second_reason_goes_with_the_first() -> None:
    [panic] = panics(
        XTENSA.replace(
            "Core  1 register", "Debug exception reason: Stack canary watchpoint triggered (main) \nCore  1 register"
        )
    )
    assert panic.reason == GURU + " Debug exception reason: Stack canary watchpoint triggered (main)"


def test_a_register_dump_alone_is_no_panic() -> None:
    assert not panics("Core F4 register dump:\nMEPC    : 0x42007fc2  RA      : 0x42007fbe\nELF file SHA256: 0123\n")


def test_a_quoted_panic_is_no_panic() -> None:
    items = read(Device().say("last time: abort() was called at PC 0x420080f5 on core 0").console)
    assert [type(item).__name__ for item in items] == ["Record"]


def test_a_panic_that_never_ends_is_let_go() -> None:
    text = "abort() was called at PC 0x420080f5 on core 0\n" + "junk\n" * 3000
    items = read(Device().raw(text).console)
    assert len([item for item in items if isinstance(item, Panic)]) == 1
    assert len(items) > 900
