"""otadata and flash: whatever is damaged, what boots is sound, and what the bench says of it is what happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.flash import OtaData, OtaImgState, SelectEntry
from bench.images import Behaviour
from bench.ota import Draft, Ota, Programmer
from bench.ota.words import SOFTWARE_RESET
from bench.timeline import booted, panicked, said

pytestmark = [pytest.mark.needs("flash_write"), pytest.mark.firmware(layout="two_ota")]

Damage = Callable[[Programmer], None]

NO_CHOICE = "ota data partition invalid and no factory, will try all partitions"


def _entry(index: int, change: Callable[[SelectEntry], SelectEntry]) -> Damage:
    def damage(flash: Programmer) -> None:
        data = flash.otadata
        flash.otadata = data.with_entry(index, change(data.entries[index]))

    return damage


def _both(change: Callable[[SelectEntry], SelectEntry]) -> Damage:
    def damage(flash: Programmer) -> None:
        for index in (0, 1):
            _entry(index, change)(flash)

    return damage


def _erased(_: SelectEntry) -> SelectEntry:
    return SelectEntry.erased()


def _wrong_crc(entry: SelectEntry) -> SelectEntry:
    return replace(entry, crc=entry.crc ^ 1)


def _zeroed(_: SelectEntry) -> SelectEntry:
    return SelectEntry(0, bytes(20), 0, 0)


def _unknown_state(entry: SelectEntry) -> SelectEntry:
    return entry.with_state(0x77)


@pytest.mark.covers("app_update: Switching between factory, OTA0, OTA1, corrupt ota_sec2, OTA0")
@pytest.mark.parametrize(
    ("damage", "slot", "version", "says"),
    [
        pytest.param(_entry(0, _erased), "ota_1", "2", None, id="first_erased"),
        pytest.param(_entry(1, _erased), "ota_0", "1", None, id="second_erased"),
        pytest.param(_entry(0, _wrong_crc), "ota_1", "2", None, id="first_wrong_crc"),
        pytest.param(_entry(1, _wrong_crc), "ota_0", "1", None, id="second_wrong_crc"),
        pytest.param(_entry(1, _zeroed), "ota_0", "1", None, id="second_zeroed"),
        pytest.param(_entry(1, _unknown_state), "ota_1", "2", None, id="second_in_an_unknown_state"),
        pytest.param(_both(_erased), "ota_0", "1", "No factory image, trying OTA 0", id="both_erased"),
        pytest.param(_both(_wrong_crc), "ota_0", "1", NO_CHOICE, id="both_wrong_crc"),
        pytest.param(_both(_zeroed), "ota_0", "1", NO_CHOICE, id="both_zeroed"),
    ],
)
def test_damaged_otadata_still_boots_a_sound_slot(
    ota: Ota, release: Draft, damage: Damage, slot: str, version: str, says: str | None
) -> None:
    """After one update (ota_0 in the first sector, ota_1 in the second): the entry that is left decides."""
    ota.update(release.version("2"), version="2")
    whole = {label: ota.slots[label].digest for label in ("ota_0", "ota_1")}
    with ota.unpowered() as flash:
        damage(flash)
    if says is not None:
        ota.expect_said(says, tag="boot")
    ota.expect_boot(slot=slot, version=version)
    ota.wait_until_ready()
    assert {label: ota.slots[label].digest for label in whole} == whole
    ota.update(release.version("3"), version="3")


@pytest.mark.covers("app_update: Switching between factory, OTA0, corrupt ota_sec1, factory")
@pytest.mark.firmware(layout="factory_two_ota", rollback=True)
@pytest.mark.parametrize("change", [_erased, _wrong_crc], ids=["erased", "wrong_crc"])
def test_without_otadata_the_factory_image_runs(
    ota: Ota, release: Draft, change: Callable[[SelectEntry], SelectEntry]
) -> None:
    """A table with a factory image falls back to it when otadata says nothing."""
    ota.update(release.version("2"), version="2")
    with ota.unpowered() as flash:
        _both(change)(flash)
    ota.expect_boot(slot="factory", version="1")
    ota.wait_until_ready()
    ota.update(release.version("3"), version="3")
    ota.expect_state("ota_0", OtaImgState.VALID)


def test_the_sequence_number_at_its_top_ends_all_updates(ota: Ota, release: Draft) -> None:
    """The number that would follow is the mark of an erased entry: the switch is lost, and is named a fall-back."""
    ota.update(release.version("2"), version="2")
    with ota.unpowered() as flash:
        flash.otadata = flash.otadata.with_entry(1, SelectEntry.for_seq(0xFFFF_FFFE, OtaImgState.VALID))
    ota.expect_boot(slot="ota_1", version="2")
    ota.wait_until_ready()

    ota.start(release.version("3"))
    ota.expect_said("ESP_HTTPS_OTA upgrade successful. Rebooting ...")
    ota.expect_boot(slot="ota_1", version="2")
    ota.wait_until_ready()
    assert ota.otadata.entries[0].ota_seq == 0xFFFF_FFFF
    assert ota.otadata.active_index == 1
    ota.expect_untouched("ota_1")
    ota.expect_verdict("fell_back")


def test_a_sequence_number_below_its_top_still_takes_an_update(ota: Ota, release: Draft) -> None:
    """One update before the top there is one left."""
    ota.wait_for_prompt()
    with ota.unpowered() as flash:
        flash.otadata = OtaData.erased().with_entry(0, SelectEntry.for_seq(0xFFFF_FFFD, OtaImgState.VALID))
    ota.expect_boot(slot="ota_0", version="1")
    ota.wait_until_ready()
    ota.update(release.version("2"), version="2")
    assert ota.otadata.entries[1].ota_seq == 0xFFFF_FFFE


@pytest.mark.parametrize(
    "where", [0x0, 0x3, 0x18, 0x1000, 0x25000], ids=["magic", "flash_speed", "segment", "rodata", "code"]
)
def test_a_slot_damaged_after_the_switch_is_not_booted(ota: Ota, release: Draft, where: int) -> None:
    """The update was reported, and its slot broke before the reboot: the old one runs, and it is a fall-back."""
    ota.supply.plan_power_cut("otadata", phase="after", nth=2)
    ota.start(release.version("2"))
    ota.expect_power_lost()
    with ota.unpowered() as flash:
        flash.flip("ota_1", where)
    ota.expect_said("OTA app partition slot 1 is not bootable", tag="boot")
    ota.expect_boot(slot="ota_0", version="1")
    ota.wait_until_ready()
    ota.expect_untouched("ota_0")
    ota.expect_absent(booted(slot="ota_1"), said(text="App is valid"))
    ota.update(release.version("3"), version="3")


@pytest.mark.firmware(layout="two_ota", idf_ver="v5.3.1")
def test_after_a_fall_back_an_update_takes_the_running_slots_entry(ota: Ota, release: Draft) -> None:
    """A field case: the slot that otadata names is damaged and the other runs; the next update overwrites the entry
    of the slot that runs, so the update has nothing to roll back to."""
    ota.update(release.version("2"), version="2")
    ota.update(release.version("3"), version="3")
    with ota.unpowered() as flash:
        flash.flip("ota_0", 0x1000)
    ota.expect_boot(slot="ota_1", version="2")
    ota.wait_until_ready()
    assert ota.otadata.active_index == 0

    ota.start(release.version("4").behaving(Behaviour.ABORT))
    ota.expect_boot_after_update(version="4")
    ota.expect(panicked())
    ota.expect_boot(slot="ota_0", version="4")
    assert ota.slots["ota_1"].otadata == ()
    ota.expect_untouched("ota_1")


@pytest.mark.firmware(layout="two_ota", idf_ver="v5.3.1")
def test_an_update_broken_off_leaves_the_slots_old_state_behind(ota: Ota, release: Draft) -> None:
    """A field case: the slot is overwritten as far as the update came, and otadata still calls it what it was."""
    ota.update(release.version("2"), version="2")
    before = ota.slots["ota_0"].digest
    ota.supply.plan_power_cut("ota:write", nth=20)
    ota.start(release.version("3"))
    ota.expect_power_lost()
    ota.power_cycle()
    ota.expect_boot(slot="ota_1", version="2")
    ota.wait_until_ready()
    ota.expect_state("ota_0", OtaImgState.VALID)
    ota.expect_state("ota_1", OtaImgState.VALID)
    ota.expect_untouched("ota_1")
    assert ota.slots["ota_0"].digest != before, "ota_0 is still what it was"
    ota.update(release.version("4"), version="4")


@pytest.mark.needs("behaviour")
def test_a_panic_of_a_confirmed_image_does_not_change_the_slot(ota: Ota, release: Draft) -> None:
    """A field case: after a panic the same slot runs again, never the other one."""
    ota.start(release.version("2").behaving(Behaviour.CONFIRM_THEN_ABORT))
    ota.expect_boot_after_update(version="2")
    ota.expect_confirmed()
    for _ in range(2):
        ota.expect(panicked())
        assert ota.expect_boot(slot="ota_1", version="2").get("reset_reason") in SOFTWARE_RESET
    ota.expect_absent(booted(slot="ota_0"))
    ota.expect_state("ota_0", OtaImgState.VALID)
    ota.expect_state("ota_1", OtaImgState.VALID)


@pytest.mark.parametrize(
    ("offset", "says"),
    [(0x04, "Incorrect MD5 checksum"), (0x00, "partition 0 invalid magic number"), (0xB0, "Incorrect MD5 checksum")],
    ids=["entry", "magic", "md5"],
)
def test_a_damaged_partition_table_boots_nothing(ota: Ota, offset: int, says: str) -> None:
    """No slot can be trusted when the table cannot; repaired, the board is what it was."""
    ota.wait_for_prompt()
    before = ota.slots
    with ota.unpowered() as flash:
        flash.flip("partition-table", offset)
    ota.expect_said(says, tag="flash_parts")
    ota.expect_said("Failed to verify partition table", tag="boot")
    ota.expect_nothing_boots("load partition table error!")
    with ota.unpowered() as flash:
        flash.restore("partition-table")
    ota.expect_boot(slot="ota_0", version="1")
    assert ota.slots == before


@pytest.mark.parametrize(("offset", "length"), [(0, 1), (0, 0x2000)], ids=["magic", "erased"])
def test_a_damaged_bootloader_boots_nothing(ota: Ota, offset: int, length: int) -> None:
    """The ROM finds no bootloader and says what it found; repaired, the board is what it was."""
    ota.wait_for_prompt()
    before = ota.slots
    with ota.unpowered() as flash:
        flash.write("bootloader", b"\xff" * length, offset)
    ota.expect_nothing_boots("invalid header: 0x")
    with ota.unpowered() as flash:
        flash.restore("bootloader")
    ota.expect_boot(slot="ota_0", version="1")
    assert ota.slots == before


@pytest.mark.covers("app_update: Test rollback. Updated partition invalidated after esp_ota_begin")
@pytest.mark.firmware(layout="two_ota", idf_ver="v5.5")
def test_since_v5_5_an_update_broken_off_drops_the_slots_entry(ota: Ota, release: Draft) -> None:
    """esp_ota_begin() erases what otadata says of the slot that it overwrites: nobody takes it for sound any more."""
    ota.update(release.version("2"), version="2")
    ota.supply.plan_power_cut("ota:write", nth=20)
    ota.start(release.version("3"))
    ota.expect_power_lost()
    assert ota.slots["ota_0"].otadata == ()
    ota.power_cycle()
    ota.expect_running(slot="ota_1", version="2")
    ota.expect_state("ota_1", OtaImgState.VALID)
    ota.expect_untouched("ota_1")
    ota.update(release.version("4"), version="4")


@pytest.mark.covers("app_update: Test esp_rewrite_otadata. Updated sequence number for non-running partition always")
@pytest.mark.firmware(layout="two_ota", idf_ver="v6.0")
def test_since_v6_0_the_running_slot_keeps_its_entry_after_a_fall_back(ota: Ota, release: Draft) -> None:
    """The same field case is mended there: the entry of the damaged slot is written anew, and a rollback succeeds."""
    ota.update(release.version("2"), version="2")
    ota.update(release.version("3"), version="3")
    with ota.unpowered() as flash:
        flash.flip("ota_0", 0x1000)
    ota.expect_boot(slot="ota_1", version="2")
    ota.wait_until_ready()

    ota.start(release.version("4").behaving(Behaviour.ABORT))
    ota.expect_boot_after_update(version="4")
    ota.expect(panicked())
    ota.expect_boot(slot="ota_1", version="2")
    ota.expect_state("ota_1", OtaImgState.VALID)
    ota.expect_state("ota_0", OtaImgState.ABORTED)
    ota.expect_untouched("ota_1")
    ota.expect_verdict("rolled_back")
