"""Firmware that fails, on the virtual board, against real firmware that failed in the same way."""

from __future__ import annotations

import re

import pytest

from bench.flash import OtaData, OtaImgState, SelectEntry
from bench.images import Behaviour, Defect
from bench.virtual import panic
from bench.virtual.door import CutPlan, Phase
from bench.virtual.idf.efuse import SecureVersion
from bench.virtual.idf.ota_ops import OtaOps
from bench.virtual.machine import Halted, PowerLost, Restart
from tests.reference import reference
from tests.virtual.lifelike import ANTI_ROLLBACK, TWO_OTA, firmware, live

ROLLBACK = ("version_check", "url_from_stdin", "rollback")
EVERYTHING = (*ROLLBACK, "anti_rollback", "efuse_virtual")
NO_EFUSES = "\n".join(line for line in ANTI_ROLLBACK.splitlines() if "emul_efuse" not in line)


def real_lines(name: str) -> list[str]:
    text = re.sub(r"\x1b\[[0-9;]*m", "", reference(f"serial/{name}").read_bytes().decode("latin-1"))
    return [re.sub(r"^([EWID]) \(\d+\) ", r"\1 ", line) for line in text.replace("\r", "").split("\n")]


def shape(lines: list[str]) -> list[str]:
    """Numbers aside."""
    numbers = [re.sub(r"0x[0-9a-f]{8}", "0xN", line) for line in lines]
    numbers = [re.sub(r"^[0-9a-f]{8}: ", "N: ", line) for line in numbers]
    return [re.sub(r"SHA256: [0-9a-f]+", "SHA256: N", line) for line in numbers]


def test_an_interrupt_watchdog_dumps_as_the_real_one() -> None:
    real = real_lines("v5.1.4_rollback_intwdt.log")
    start = next(at for at, line in enumerate(real) if line.startswith("Guru Meditation"))
    real = real[start : real.index("Rebooting...", start) + 1]
    with live() as life:
        running = life.running(firmware(idf_ver="v5.1.4"))
        with pytest.raises(Restart):
            panic.interrupt_watchdog(running)
        assert shape(life.console.lines) == shape(real)


def test_a_task_watchdog_complains_as_the_real_one() -> None:
    real = [line for line in real_lines("v5.1.4_hang_taskwdt_no_panic.log") if line.startswith("E task_wdt")]
    pending = OtaData.erased().with_entry(0, SelectEntry.for_seq(1, OtaImgState.PENDING_VERIFY))
    with live(csv=TWO_OTA) as life:
        life.machine.flash.poke(life.partition("otadata").offset, pending.to_bytes())
        image = firmware(idf_ver="v5.1.4", options=ROLLBACK, behaviour=Behaviour.TASK_WATCHDOG)
        life.run(image, slot="ota_0")
        told = [line for line in life.console.lines if line.startswith("E task_wdt")]
        head = next(line for line in life.console.lines if "register dump" in line)
    assert len(told) >= 10

    assert told[:5] == real[:5]
    assert told[:5] == told[5:10]
    assert head == "Core F4 register dump:"


@pytest.mark.parametrize(
    ("behaviour", "defect"),
    [
        (Behaviour.NEVER_CONFIRM, None),
        (Behaviour.SOUND, Defect.NEVER_CONFIRMS),
        (Behaviour.SOUND, Defect.CONFIRM_IN_WORDS),
    ],
)
def test_what_never_confirms_stays_pending(behaviour: Behaviour, defect: Defect | None) -> None:
    pending = OtaData.erased().with_entry(0, SelectEntry.for_seq(1, OtaImgState.PENDING_VERIFY))
    with live(csv=TWO_OTA) as life:
        life.machine.flash.poke(life.partition("otadata").offset, pending.to_bytes())
        life.run(firmware(options=ROLLBACK, behaviour=behaviour, defect=defect), slot="ota_0")
        confirmed = any("App is valid" in line for line in life.console.lines)
        assert confirmed == (defect is Defect.CONFIRM_IN_WORDS)
        assert OtaData.parse(life.content("otadata")).entries[0].state == OtaImgState.PENDING_VERIFY


def test_emulated_efuses_without_a_partition_abort_and_spare_the_chip() -> None:
    """esp_efuse_utility_write_efuses_to_flash."""
    with live(csv=NO_EFUSES) as life:
        running = life.running(firmware(secure_version=1, options=EVERYTHING), "ota_0")
        with pytest.raises(Restart):
            SecureVersion(running).update(1)
        assert any("no efuse partition in partition_table? (Flash is not updated)" in one for one in life.console.lines)
        assert life.machine.efuse.secure_version == 0
        assert not life.machine.efuse.burns


def test_the_sequence_number_after_the_top_is_that_of_an_erased_entry() -> None:
    """esp_rewrite_ota_data counts in 32 bits and does not know that the last of them means nothing."""
    top = OtaData.erased().with_entry(1, SelectEntry.for_seq(0xFFFF_FFFE, OtaImgState.VALID))
    with live(csv=TWO_OTA) as life:
        life.machine.flash.poke(life.partition("otadata").offset, top.to_bytes())
        ops = OtaOps(life.running(firmware(), "ota_1"))
        life.machine.flash.poke(life.partition("ota_0").offset, firmware("2").to_bytes())
        ops.set_boot_partition(life.partition("ota_0"))
        data = OtaData.parse(life.content("otadata"))
    assert data.entries[0].ota_seq == 0xFFFF_FFFF
    assert data.active_index == 1


@pytest.mark.parametrize("back", [False, True])
def test_a_cut_may_come_back_at_once(back: bool) -> None:
    """The operation is broken off either way; only then is the board without power, or not."""
    with live() as life:
        machine = life.machine
        machine.flash.door.plan(CutPlan("ota:write", Phase.MIDDLE, back=back))
        with pytest.raises(Halted) as end:
            machine.flash.program(0x110000, b"\0" * 256, "ota:write")
        assert (end.type is PowerLost) != back
        assert machine.supply.powered == back
        assert machine.flash.peek(0x110000, 256).count(0) == 128
