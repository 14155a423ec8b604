"""Anti-rollback: an image older than the secure version of the eFuse never runs."""

from __future__ import annotations

import pytest

from bench.flash import OtaImgState
from bench.ota import Draft, Ota
from bench.ota.words import DOWNLOADED
from bench.timeline import CONNECTED, FINISH, GET_IMG_DESC, START, UPDATE_BOOT_PARTITION, VERIFY_CHIP_ID

pytestmark = pytest.mark.needs("anti_rollback")


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
