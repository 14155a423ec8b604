"""Anti-rollback: an image older than the secure version of the eFuse never runs."""

from __future__ import annotations

import pytest

from bench.boards.board import Board
from bench.flash import OtaImgState, PartitionTable
from bench.flash.emul_efuse import emulated_efuses, partition_bytes
from bench.images import Behaviour
from bench.ota import Draft, Ota
from bench.ota.words import DOWNLOADED
from bench.timeline import CONNECTED, FINISH, GET_IMG_DESC, START, UPDATE_BOOT_PARTITION, VERIFY_CHIP_ID, panicked, said

pytestmark = pytest.mark.needs("anti_rollback")


@pytest.mark.covers("advanced_https_ota: anti_rollback")
@pytest.mark.firmware(layout="anti_rollback")
def test_a_lower_secure_version_is_refused_before_the_download(ota: Ota, release: Draft) -> None:
    """The application reads the secure version from the image's header and does not download the rest."""
    ota.start(release.version("2").secure_version(1))
    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION, FINISH)
    ota.expect_updated(version="2")

    ota.start(release.version("3").secure_version(0))
    ota.expect(START, CONNECTED, GET_IMG_DESC)
    ota.expect_refused("New firmware security version is less than eFuse programmed, 0 < 1")
    ota.expect_absent(VERIFY_CHIP_ID, FINISH)
    assert ota.secure_version == 1


@pytest.mark.firmware(layout="anti_rollback", secure_version_check=False)
def test_a_lower_secure_version_is_refused_at_the_end_and_erased(ota: Ota, release: Draft) -> None:
    """Without the check in the application, the image is refused when it should become the one that boots."""
    ota.start(release.version("2").secure_version(1))
    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION, FINISH)
    ota.expect_updated(version="2")

    ota.start(release.version("3").secure_version(0))
    ota.expect(*DOWNLOADED, FINISH)
    ota.expect_refused(
        "This a new partition can not be booted due to a secure version is lower than stored in efuse. "
        "Partition will be erased.",
        erased=True,
    )
    assert ota.secure_version == 1


@pytest.mark.needs("power_cut")
@pytest.mark.firmware(layout="anti_rollback")
def test_the_secure_version_advances_only_after_confirmation(ota: Ota, release: Draft) -> None:
    """Neither the download nor the first boot of the new image moves the eFuse; its confirmation does."""
    assert ota.secure_version == 0
    ota.supply.plan_power_cut("otadata:confirm")
    ota.start(release.version("2").secure_version(1))

    ota.expect_boot_after_update(version="2")
    ota.expect_power_lost()
    assert ota.secure_version == 0
    ota.power_cycle()
    ota.expect_boot(slot=ota.first_slot, version="1")
    assert ota.secure_version == 0

    ota.wait_until_ready()
    ota.start(release.version("2").secure_version(1))
    ota.expect_boot_after_update(version="2")
    ota.expect_confirmed()
    ota.wait_until_ready()
    assert ota.secure_version == 1
    ota.expect_state(ota.running_slot, OtaImgState.VALID)


@pytest.mark.firmware(layout="anti_rollback", secure_version=1)
@pytest.mark.parametrize("secure_version", [1, 2, 5], ids=["equal", "higher", "much_higher"])
def test_no_lower_secure_version_is_accepted(ota: Ota, release: Draft, secure_version: int) -> None:
    """The same secure version may replace itself, and a higher one may skip some."""
    ota.wait_for_prompt()
    assert ota.secure_version == 1

    ota.start(release.version("2").secure_version(secure_version))
    ota.expect_boot_after_update(version="2")
    ota.expect_confirmed()
    ota.wait_until_ready()
    assert ota.secure_version == secure_version
    ota.expect_state(ota.other_slot, OtaImgState.VALID)
    ota.expect_untouched(ota.first_slot)
    ota.expect_verdict("updated")


@pytest.mark.firmware(layout="anti_rollback")
def test_the_last_secure_version_can_be_reached(ota: Ota, release: Draft, board: Board) -> None:
    """16 on ESP32-C3 and ESP32-S3, 32 on the ESP32: the last bit is burnt, and from then on only it is accepted."""
    last = 32 if board.chip == "esp32" else 16
    ota.update(release.version("2").secure_version(last), version="2")
    assert ota.secure_version == last

    ota.start(release.version("3").secure_version(last - 1))
    ota.expect_refused(f"New firmware security version is less than eFuse programmed, {last - 1} < {last}")
    ota.update(release.version("4").secure_version(last), version="4")
    assert ota.secure_version == last


@pytest.mark.needs("behaviour")
@pytest.mark.firmware(layout="anti_rollback")
def test_after_confirmation_there_is_no_way_back(ota: Ota, release: Draft) -> None:
    """A failure found after the confirmation cannot be rolled back: the old slot is too old, and it is said so."""
    ota.start(release.version("2").secure_version(1).behaving(Behaviour.CONFIRM_THEN_GIVE_UP))

    ota.expect_boot_after_update(version="2")
    ota.expect_confirmed()
    ota.expect_said("Diagnostics failed! Start rollback to the previous version ...")
    ota.expect_said("Rollback is not possible, do not have any suitable apps in slots", tag="esp_ota_ops")
    ota.wait_until_ready()
    assert ota.secure_version == 1
    ota.expect_state(ota.other_slot, OtaImgState.VALID)
    ota.expect_untouched(ota.first_slot)
    ota.reset()
    ota.expect_boot(slot=ota.other_slot, version="2")


@pytest.mark.needs("behaviour")
@pytest.mark.firmware(layout="anti_rollback")
def test_before_confirmation_there_is_a_way_back(ota: Ota, release: Draft) -> None:
    """The same failure before the confirmation is rolled back, and the eFuse has not moved."""
    ota.start(release.version("2").secure_version(1).behaving(Behaviour.DIAGNOSTICS_FAIL))

    ota.expect_boot_after_update(version="2")
    ota.expect_said("Rollback to previously worked partition.", tag="esp_ota_ops")
    ota.expect_boot(slot=ota.first_slot, version="1")
    assert ota.secure_version == 0
    ota.expect_state(ota.other_slot, OtaImgState.INVALID)
    ota.expect_verdict("rolled_back")


@pytest.mark.needs("flash_write")
@pytest.mark.firmware(layout="anti_rollback")
def test_a_slot_that_is_too_old_is_never_a_fallback(ota: Ota, release: Draft) -> None:
    """When the only slot that may run is damaged, nothing runs: a sound image of an older secure version does not."""
    ota.update(release.version("2").secure_version(1), version="2")
    with ota.unpowered() as flash:
        flash.flip(ota.running_slot, 0x1000)
    ota.expect_nothing_boots("No bootable app partitions in the partition table")
    assert ota.slots[ota.first_slot].version == "1"
    assert ota.secure_version == 1
    ota.expect_untouched(ota.first_slot)


@pytest.mark.needs("flash_write")
@pytest.mark.firmware(layout="anti_rollback")
def test_erased_emulated_efuses_forget_the_secure_version(ota: Ota, release: Draft) -> None:
    """Why emulated eFuses are for testing only: erased, they begin anew from the chip's. The next boot burns again."""
    ota.update(release.version("2").secure_version(1), version="2")
    with ota.unpowered() as flash:
        flash.erase("emul_efuse")
        assert ota.secure_version == 0

    ota.expect_said("[Virtual] Loading virtual efuse blocks from real efuses", tag="efuse")
    ota.expect_boot(slot=ota.other_slot, version="2")
    ota.wait_until_ready()
    assert ota.secure_version == 1


@pytest.mark.needs("flash_write")
@pytest.mark.firmware(layout="anti_rollback")
def test_corrupt_emulated_efuses_lock_out_what_is_too_old_for_them(ota: Ota, board: Board) -> None:
    """Bits that were set by accident count as burnt: no image of secure version 0 is started any more."""
    ota.wait_for_prompt()
    sound = ota.secure_version
    with ota.unpowered() as flash:
        data = flash.read("emul_efuse")
        efuses = emulated_efuses(board.chip, data)
        assert efuses is not None
        flash.write("emul_efuse", partition_bytes(efuses.with_secure_version(3), len(data)))
        assert (sound, ota.secure_version) == (0, 3)
    ota.expect_nothing_boots("No bootable app partitions in the partition table")

    with ota.unpowered() as flash:
        flash.write("emul_efuse", data)
    ota.expect_boot(version="1")
    assert ota.secure_version == sound


@pytest.mark.needs("flash_write")
@pytest.mark.firmware(layout="anti_rollback")
def test_without_a_partition_for_emulated_efuses_a_confirmation_is_fatal(ota: Ota, release: Draft) -> None:
    """The table in the field lacks `emul_efuse`: raising the secure version aborts, in every boot from then on."""
    ota.wait_for_prompt()
    with ota.unpowered() as flash:
        table = ota.firmware.build.partition_table
        rows = tuple(row for row in table.partitions if row.label != "emul_efuse")
        flash.write("partition-table", PartitionTable(rows, md5=table.md5).to_bytes())
    ota.expect_boot(version="1")
    ota.wait_until_ready()
    ota.start(release.version("2").secure_version(1))
    ota.expect_boot_after_update(version="2")
    ota.expect_said("no efuse partition in partition_table? (Flash is not updated)", tag="efuse")
    ota.expect(panicked())
    ota.expect_absent(said(text="App is valid"))
    ota.expect_state(ota.other_slot, OtaImgState.VALID)
    ota.expect_nothing_boots("no efuse partition in partition_table? (Flash is not updated)")
    assert ota.supply.secure_version() == 0


@pytest.mark.needs("efuse_disposable", "behaviour")
@pytest.mark.firmware(layout="anti_rollback", efuse_virtual=False)
def test_real_efuses_move_on_confirmation_and_for_ever(ota: Ota, release: Draft) -> None:
    """With the chip's own eFuses: nothing burnt by the download, one bit by the confirmation, and no way back."""
    ota.start(release.version("2").secure_version(1).behaving(Behaviour.NEVER_CONFIRM))
    ota.expect_boot_after_update(version="2")
    ota.wait_until_ready()
    assert ota.supply.secure_version() == 0
    ota.reset()
    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.wait_until_ready()

    ota.start(release.version("2").secure_version(1))
    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION, FINISH)
    ota.expect_boot(slot=ota.other_slot, version="2")
    ota.expect_confirmed()
    ota.wait_until_ready()
    assert ota.supply.secure_version() == 1

    ota.start(release.version("3").secure_version(0))
    ota.expect_refused("New firmware security version is less than eFuse programmed, 0 < 1")
    ota.expect_absent(said(text="Not really burning eFuses"))
    assert ota.supply.secure_version() == 1


@pytest.mark.needs("power_cut")
@pytest.mark.firmware(layout="anti_rollback")
@pytest.mark.parametrize(
    ("phase", "nth"), [("before", 1), ("middle", 1), ("after", 2)], ids=["before_erase", "in_erase", "in_erase_of_both"]
)
def test_a_power_cut_while_burning_is_made_good_at_the_next_boot(
    ota: Ota, release: Draft, phase: str, nth: int
) -> None:
    """The image was confirmed and the eFuse not yet burnt: the bootloader burns it when it boots a valid image."""
    ota.wait_for_prompt()
    ota.supply.plan_power_cut("efuse:secure_version", phase=phase, nth=nth)
    ota.start(release.version("2").secure_version(1))
    ota.expect_power_lost()
    assert ota.secure_version == 0
    ota.expect_state(ota.other_slot, OtaImgState.VALID)
    ota.power_cycle()

    ota.expect_running(slot=ota.other_slot, version="2")
    assert ota.secure_version == 1
    ota.start(release.version("3").secure_version(0))
    ota.expect_refused("New firmware security version is less than eFuse programmed, 0 < 1")
