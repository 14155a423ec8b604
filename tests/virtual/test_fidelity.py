"""The virtual board's boots against real consoles: for the same flash, the same lines in the same order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.flash import OtaData
from bench.flash.emul_efuse import partition_bytes
from bench.virtual import panic
from bench.virtual.machine import ResetReason, Restart
from bench.virtual.running import Running
from tests.reference import reference
from tests.virtual.booting import Bench, app_image, bootloader_image, strings
from tests.virtual.consoles import RealBoot, comparable, real_boots

RELEASES = ("v4.4.8", "v5.1.4", "v5.3.1")
OTHER_FORMS = ("v5.1.4_nocolor_ok.log", "v5.1.4_systime_ok.log")


def _bench(boot: RealBoot) -> Bench:
    """A machine whose flash holds what that real one's must have held."""
    bench = Bench(table=boot.table)
    bench.put_bootloader(boot.bootloader())
    partition = bench.table.slot_at(boot.app_offset)
    assert partition is not None
    bench.put(partition.offset, boot.application().to_bytes())
    slots = bench.table.ota_slots
    if boot.has("is not bootable"):
        lower = app_image(secure_version=boot.secure_version - 1, min_chip_rev_full=3)
        bench.put(slots[0].offset, lower.to_bytes())
    elif not boot.has("Defaulting to factory") and not boot.has("in initial state"):
        bench.otadata = OtaData.erased().switched_to(slots.index(partition), len(slots))
    efuses = bench.table.emul_efuse
    if efuses is not None and not boot.has("Loading virtual efuse blocks from real efuses"):
        blocks = bench.machine.efuse.blocks.with_secure_version(boot.secure_version)
        bench.put(efuses.offset, partition_bytes(blocks, efuses.size))
    return bench


def _replayed(boot: RealBoot, bench: Bench) -> list[str]:
    running = bench.boot(ResetReason(boot.reset_reason))
    assert isinstance(running, Running)
    assert bench.console.endswith("\r\n")
    return bench.console.split("\r\n")[:-1]


@pytest.mark.parametrize("release", RELEASES)
def test_every_boot_of_a_release_is_repeated_line_by_line(release: str) -> None:
    """All real consoles of a release; those whose flash held the same are replayed once."""
    consoles = sorted(reference("serial").glob(f"{release}_*.log"))
    seen: set[tuple[str, ...]] = set()
    boots = 0
    for console in consoles:
        if console.name in OTHER_FORMS:
            continue
        for boot in real_boots(console):
            wanted = comparable(boot.lines)
            boots += 1
            if tuple(wanted) in seen:
                continue
            seen.add(tuple(wanted))
            assert comparable(_replayed(boot, _bench(boot))) == wanted, console.name
    assert boots >= 15
    assert len(seen) >= 8


@pytest.mark.parametrize("name", OTHER_FORMS)
def test_the_form_of_the_log_is_that_of_the_image(name: str) -> None:
    """Without colours, and with system time: the application's lines have the form of its own format strings."""
    boot = real_boots(reference(f"serial/{name}"))[0]
    app_lines = boot.lines[next(i for i, line in enumerate(boot.lines) if "cpu_start:" in line) :]
    bench = _bench(boot)
    partition = bench.table.slot_at(boot.app_offset)
    assert partition is not None
    bench.put(partition.offset, boot.application(strings("winbond") + b"".join(map(_format_of, app_lines))).to_bytes())
    replayed = _replayed(boot, bench)
    assert comparable(replayed)[-len(app_lines) :] == comparable(app_lines)
    assert [_form(line) for line in replayed[-len(app_lines) :]] == [_form(line) for line in app_lines]


def _format_of(line: str) -> bytes:
    """The C format string that printed a line, values and all."""
    found = re.fullmatch(r"(\x1b\[0;\d+m)?([EWI]) \(([\d:.]+)\) [\w.]+: (.*?)(\x1b\[0m)?", line)
    assert found is not None, line
    time = "%s" if ":" in found[3] else "%lu"
    body = re.sub(r"At .* KiB\)", "At %08X len %08X (%d KiB)", found[4].replace("%", "%%"))
    body = body.replace("detected chip: gd", "detected chip: %s")
    return f"{found[1] or ''}{found[2]} ({time}) %s: {body}{found[5] or ''}\n\0".encode()


def _form(line: str) -> tuple[bool, bool, bool]:
    return line.startswith("\x1b["), line.endswith("\x1b[0m"), re.search(r"\(\d\d:\d\d:\d\d\.\d{3}\)", line) is not None


def _dump(console: Path, first: str) -> list[str]:
    lines = console.read_bytes().decode("latin-1").split("\r\n")
    start = next(index for index, line in enumerate(lines) if first in line)
    return lines[start - 1 if first.startswith("abort") else start : lines.index("Rebooting...", start) + 1]


def _shape(lines: list[str]) -> list[str]:
    numbers = [re.sub(r"0x[0-9a-f]{8}", "0xN", line) for line in lines]
    numbers = [re.sub(r"^[0-9a-f]{8}: ", "N: ", line) for line in numbers]
    return [re.sub(r"(SHA256: )([0-9a-f]+)", lambda found: f"{found[1]}{len(found[2])}", line) for line in numbers]


@pytest.mark.parametrize("release", RELEASES)
def test_abort_dumps_as_the_real_one(release: str) -> None:
    """Line by line: registers, stack, ELF hash of the release's length, and the restart."""
    real = _dump(reference(f"serial/{release}_rollback_abort.log"), "abort() was called")
    bench, running = _running(release)
    with pytest.raises(Restart) as end:
        panic.abort(running)
    assert end.value.reason is ResetReason.SW_CPU
    assert _shape(bench.read_console().split("\r\n")[:-1]) == _shape(real)


def test_guru_meditation_has_the_real_one_s_shape() -> None:
    """As a real Interrupt wdt timeout, but for its reason and the words `Exception was unhandled.`"""
    real = _dump(reference("serial/v5.1.4_rollback_intwdt.log"), "Guru Meditation")
    bench, running = _running("v5.1.4")
    with pytest.raises(Restart):
        panic.illegal_instruction(running)
    lines = bench.read_console().split("\r\n")[:-1]
    assert lines[0] == "Guru Meditation Error: Core  0 panic'ed (Illegal instruction). Exception was unhandled."
    assert _shape(lines)[1:] == _shape(real)[1:]


def _running(release: str) -> tuple[Bench, Running]:
    bench = Bench()
    bench.put_bootloader(bootloader_image(idf_ver=release))
    bench.put_slot("ota_0", app_image(idf_ver=release))
    running = bench.boot()
    assert isinstance(running, Running)
    bench.read_console()
    return bench, running
