"""Rollback: an image that does not confirm itself does not stay."""

from __future__ import annotations

import pytest

from bench.flash import OtaImgState
from bench.images import Behaviour
from bench.ota import Draft, Ota
from bench.ota.words import DOWNLOADED, SOFTWARE_RESET
from bench.timeline import FINISH, UPDATE_BOOT_PARTITION, panicked, said

pytestmark = pytest.mark.needs("rollback")


@pytest.mark.covers("aws: OTAE2EImageCrashed")
def test_an_image_that_dies_at_boot_is_rolled_back(ota: Ota, release: Draft) -> None:
    """The bootloader returns to the last good slot when the new image dies at its first instruction."""
    ota.start(release.version("2").crashing_at_boot())

    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION(slot=ota.other_slot), FINISH)
    ota.expect_boot(slot=ota.other_slot)
    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.expect_state(ota.other_slot, OtaImgState.ABORTED)
    ota.expect_absent(said(text="App version:      2"))
    ota.expect_verdict("rolled_back")


@pytest.mark.needs("behaviour")
def test_an_image_that_aborts_before_it_confirms_is_rolled_back(ota: Ota, release: Draft) -> None:
    """The bootloader returns to the last good slot when the new image panics before it confirmed itself."""
    ota.start(release.version("2").aborting_before_confirm())

    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION(slot=ota.other_slot), FINISH)
    ota.expect_boot(slot=ota.other_slot, version="2")
    ota.expect(panicked())
    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.expect_state(ota.other_slot, OtaImgState.ABORTED)
    ota.expect_absent(said(text="App is valid"))
    ota.expect_verdict("rolled_back")


@pytest.mark.needs("power_cut")
def test_losing_power_while_pending_verify_rolls_back(ota: Ota, release: Draft) -> None:
    """Power lost after the new image booted and before it confirmed itself: the old one comes back."""
    ota.supply.plan_power_cut("otadata:confirm")
    ota.start(release.version("2"))

    ota.expect_boot_after_update(version="2")
    ota.expect_power_lost()
    ota.expect_state(ota.other_slot, OtaImgState.PENDING_VERIFY)
    ota.power_cycle()
    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.expect_state(ota.other_slot, OtaImgState.ABORTED)
    ota.expect_verdict("rolled_back")


@pytest.mark.needs("behaviour")
def test_a_reset_while_pending_verify_rolls_back(ota: Ota, release: Draft) -> None:
    """Reset by EN while the new image runs, unconfirmed: the old one comes back."""
    ota.start(release.version("2").hanging_before_confirm())

    ota.expect_boot_after_update(version="2")
    ota.expect_state(ota.other_slot, OtaImgState.PENDING_VERIFY)
    ota.reset()
    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.expect_state(ota.other_slot, OtaImgState.ABORTED)
    ota.expect_verdict("rolled_back")


def test_a_confirmed_update_survives_a_reset(ota: Ota, release: Draft) -> None:
    """Once the new image has confirmed itself, a reset boots it again."""
    ota.start(release.version("2"))

    ota.expect_boot_after_update(version="2")
    ota.expect_confirmed()
    ota.wait_until_ready()
    ota.expect_state(ota.other_slot, OtaImgState.VALID)
    ota.reset()
    ota.expect_boot(slot=ota.other_slot, version="2")
    ota.wait_until_ready()
    ota.expect_state(ota.other_slot, OtaImgState.VALID)
    ota.expect_verdict("updated")


@pytest.mark.needs("behaviour")
@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        (Behaviour.TASK_WATCHDOG_PANIC, "abort() was called"),
        (Behaviour.INTERRUPT_WATCHDOG, "Interrupt wdt timeout on CPU0"),
    ],
    ids=["task", "interrupt"],
)
def test_an_image_that_a_watchdog_ends_is_rolled_back(
    ota: Ota, release: Draft, behaviour: Behaviour, cause: str
) -> None:
    """A watchdog that panics before the image confirmed itself brings the old image back."""
    ota.start(release.version("2").behaving(behaviour))

    ota.expect_boot_after_update(version="2")
    (panic,) = ota.expect(panicked())
    assert cause in str(panic.get("reason"))
    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.expect_state(ota.other_slot, OtaImgState.ABORTED)
    ota.expect_untouched(ota.first_slot)
    ota.expect_absent(said(text="App is valid"))
    ota.expect_verdict("rolled_back")


@pytest.mark.needs("behaviour")
def test_a_task_watchdog_that_only_complains_leaves_the_image_pending(ota: Ota, release: Draft) -> None:
    """Without a panic nothing restarts the hanging image; the next reset, whoever gives it, brings the old one back."""
    ota.start(release.version("2").behaving(Behaviour.TASK_WATCHDOG))

    ota.expect_boot_after_update(version="2")
    ota.expect_said("Task watchdog got triggered. The following tasks/users did not reset the watchdog in time:")
    ota.expect_said("CPU 0: main")
    ota.supply.wait_until_idle(5)
    ota.expect_state(ota.other_slot, OtaImgState.PENDING_VERIFY)
    ota.expect_absent(panicked(), said(text="App is valid"))
    ota.expect_verdict("incomplete")
    ota.reset()
    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.expect_state(ota.other_slot, OtaImgState.ABORTED)
    ota.expect_verdict("rolled_back")


@pytest.mark.covers("app_update: Test rollback. factory, OTA0, OTA1, rollback -> OTA0")
@pytest.mark.needs("behaviour")
def test_an_image_that_fails_its_own_diagnostics_gives_itself_up(ota: Ota, release: Draft) -> None:
    """esp_ota_mark_app_invalid_rollback_and_reboot(): the image says that it is bad, and the old one runs."""
    ota.start(release.version("2").behaving(Behaviour.DIAGNOSTICS_FAIL))

    ota.expect_boot_after_update(version="2")
    ota.expect_said("Diagnostics failed! Start rollback to the previous version ...")
    ota.expect_said("Rollback to previously worked partition.", tag="esp_ota_ops")
    assert ota.expect_boot(slot=ota.first_slot, version="1").get("reset_reason") in SOFTWARE_RESET
    ota.expect_state(ota.other_slot, OtaImgState.INVALID)
    ota.expect_state(ota.first_slot, OtaImgState.VALID)
    ota.expect_absent(panicked(), said(text="App is valid"))
    ota.expect_verdict("rolled_back")


@pytest.mark.needs("behaviour")
def test_an_image_that_restarts_without_confirming_comes_back_as_the_old_one(ota: Ota, release: Draft) -> None:
    """The update looked like a success, and the device is silently back on the old version: it is named as such."""
    ota.start(release.version("2").behaving(Behaviour.RESTART_BEFORE_CONFIRM))

    ota.expect_said("ESP_HTTPS_OTA upgrade successful. Rebooting ...")
    ota.expect_boot(slot=ota.other_slot, version="2")
    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.expect_absent(panicked(), said(level="E"))
    ota.expect_state(ota.other_slot, OtaImgState.ABORTED)
    ota.expect_verdict("rolled_back")


@pytest.mark.covers("aws: OTAE2ERollbackIfUnableToConnectAfterUpdate")
@pytest.mark.needs("network_control", "power_cut")
def test_an_image_that_finds_no_network_is_rolled_back(ota: Ota, release: Draft) -> None:
    """The new image cannot reach anything, so it does not confirm itself; the old one comes back, and can update."""
    ota.supply.plan_power_cut("otadata", phase="after", nth=2)
    ota.start(release.version("2"))
    ota.expect_power_lost()
    ota.supply.set_network(False)
    ota.power_cycle()

    ota.expect_boot(slot=ota.other_slot, version="2")
    ota.expect_said("Waiting for IP(s)")
    ota.expect_state(ota.other_slot, OtaImgState.PENDING_VERIFY)
    ota.expect_absent(said(text="App is valid"))
    ota.supply.set_network(True)
    ota.reset()
    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.expect_state(ota.other_slot, OtaImgState.ABORTED)
    ota.wait_until_ready()
    ota.update(release.version("3"), version="3")


@pytest.mark.needs("behaviour")
def test_an_image_that_confirms_too_early_and_crashes_is_a_boot_loop(ota: Ota, release: Draft) -> None:
    """What has confirmed itself is not rolled back, however often it dies; the same slot is booted again and again."""
    ota.start(release.version("2").behaving(Behaviour.CONFIRM_THEN_ABORT))

    ota.expect_boot_after_update(version="2")
    ota.expect_confirmed()
    ota.expect_boot_loop(slot=ota.other_slot, version="2")
    ota.expect_state(ota.other_slot, OtaImgState.VALID)
    ota.expect_untouched(ota.first_slot)


@pytest.mark.needs("behaviour", "same_boot")
def test_a_second_update_is_refused_while_the_first_is_pending(ota: Ota, release: Draft) -> None:
    """An image that has not confirmed itself may not update: the slot it could return to would be lost."""
    ota.start(release.version("2").behaving(Behaviour.NEVER_CONFIRM))
    ota.expect_boot_after_update(version="2")
    ota.wait_until_ready()

    ota.start(release.version("3"))
    ota.expect_said("Running app has not confirmed state (ESP_OTA_IMG_PENDING_VERIFY)", tag="esp_ota_ops")
    ota.expect_said("esp_ota_begin failed (ESP_ERR_OTA_ROLLBACK_INVALID_STATE)")
    ota.expect_said("ESP_HTTPS_OTA upgrade failed")
    ota.expect_absent(UPDATE_BOOT_PARTITION, said(text="ESP_HTTPS_OTA upgrade successful"))
    ota.expect_untouched(ota.first_slot, ota.other_slot)
    ota.expect_state(ota.other_slot, OtaImgState.PENDING_VERIFY)
    ota.expect_verdict("refused")
    ota.reset()
    ota.expect_boot(slot=ota.first_slot, version="1")


@pytest.mark.firmware(bootloader={"rollback": False})
def test_a_bootloader_without_rollback_never_arms_it(ota: Ota, release: Draft) -> None:
    """An application with rollback over a bootloader without: the state stays NEW, and nothing is confirmed."""
    ota.start(release.version("2"))

    ota.expect_boot_after_update(version="2")
    ota.wait_until_ready()
    ota.expect_state(ota.other_slot, OtaImgState.NEW)
    ota.expect_absent(said(text="App is valid"))
    ota.reset()
    ota.expect_boot(slot=ota.other_slot, version="2")
    ota.expect_state(ota.other_slot, OtaImgState.NEW)


@pytest.mark.firmware(bootloader={"rollback": False})
def test_without_rollback_in_the_bootloader_a_dying_image_is_a_boot_loop(ota: Ota, release: Draft) -> None:
    """Nobody brings the old image back: the field case that only a test of the bootloader in the field finds."""
    ota.start(release.version("2").crashing_at_boot())

    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION(slot=ota.other_slot), FINISH)
    ota.expect_boot(slot=ota.other_slot)
    ota.expect_boot_loop(slot=ota.other_slot)
    ota.expect_state(ota.other_slot, OtaImgState.NEW)
    ota.expect_untouched(ota.first_slot)


@pytest.mark.covers("app_update: Test rollback. factory, OTA0, OTA0, rollback -> factory")
@pytest.mark.firmware(layout="factory_two_ota", rollback=True)
def test_a_dying_first_update_returns_to_factory(ota: Ota, release: Draft) -> None:
    """From the factory image the first update goes to ota_0; when it dies, the factory image runs again."""
    ota.start(release.version("2").crashing_at_boot())

    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION(slot="ota_0"), FINISH)
    ota.expect_boot(slot="ota_0")
    ota.expect_boot(slot="factory", version="1")
    ota.expect_state("ota_0", OtaImgState.ABORTED)
    ota.expect_untouched("factory", "ota_1")
    ota.expect_verdict("rolled_back")
    ota.wait_until_ready()
    ota.update(release.version("3"), version="3")


@pytest.mark.needs("flash_write")
@pytest.mark.firmware(layout="factory_two_ota", rollback=True)
def test_with_both_slots_bad_the_factory_image_runs(ota: Ota, release: Draft) -> None:
    """Whatever lies in the OTA slots, a device with a factory image has one to fall back to."""
    ota.update(release.version("2"), version="2")
    ota.update(release.version("3"), version="3")

    with ota.unpowered() as flash:
        for slot in ("ota_0", "ota_1"):
            flash.flip(slot, 0x1000)
    ota.expect_said("OTA app partition slot 1 is not bootable", tag="boot")
    ota.expect_said("OTA app partition slot 0 is not bootable", tag="boot")
    ota.expect_boot(slot="factory", version="1")
    ota.wait_until_ready()
    ota.update(release.version("4"), version="4")


@pytest.mark.needs("flash_write")
@pytest.mark.firmware(layout="two_ota")
def test_with_both_slots_bad_and_no_factory_nothing_runs(ota: Ota, release: Draft) -> None:
    """Rather no application than a damaged one: the bootloader says so, and a repaired slot boots again."""
    ota.update(release.version("2"), version="2")
    with ota.unpowered() as flash:
        for slot in ("ota_0", "ota_1"):
            flash.flip(slot, 0x1000)
    ota.expect_nothing_boots("No bootable app partitions in the partition table")
    ota.expect_state("ota_1", OtaImgState.VALID)

    with ota.unpowered() as flash:
        flash.flip("ota_1", 0x1000)
    ota.expect_boot(slot="ota_1", version="2")
