"""Rollback: an image that does not confirm itself does not stay."""

from __future__ import annotations

import pytest

from bench.flash import OtaImgState
from bench.ota import Draft, Ota
from bench.ota.words import DOWNLOADED
from bench.timeline import FINISH, UPDATE_BOOT_PARTITION, panicked, said

pytestmark = pytest.mark.needs("rollback")


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
