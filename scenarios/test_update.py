"""It works: the update arrives, the board boots it, and it is the new version."""

from __future__ import annotations

import pytest

from bench.ota import Draft, Ota
from bench.ota.words import CHIP_ID, DOWNLOADED
from bench.timeline import ABORT, FINISH, START, UPDATE_BOOT_PARTITION, VERIFY_CHIP_ID, forbid, said


@pytest.mark.covers(
    "advanced_https_ota: base",
    "aws: OTAE2EGreaterVersion",
    "app_update: esp_ota_get_running_partition points to correct address",
)
def test_update_to_a_newer_version(ota: Ota, release: Draft) -> None:
    """A newer version is downloaded, written to the other slot, booted from there, and confirmed."""
    ota.start(release.version("2"))

    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION(slot=ota.other_slot), FINISH, forbid(ABORT, said(level="E")))
    ota.expect_absent(VERIFY_CHIP_ID(CHIP_ID["esp32h2"]))
    ota.expect_updated(version="2")
    assert ota.slots[ota.other_slot].version == "2"
    assert ota.slots[ota.first_slot].version == "1"


def test_every_payload_is_the_right_one(ota: Ota, release: Draft, chip_id: int) -> None:
    """The events tell the chip the image is for and the slot that boots next, in ESP-IDF's numbers."""
    ota.start(release.version("2"))

    told = ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION, FINISH)
    verified, switched, finished = told[3], told[-2], told[-1]
    assert verified.get("payload") == chip_id
    assert switched.get("payload") == ota.subtype_of(ota.other_slot)
    assert finished.get("payload") is None
    ota.expect_updated(version="2")


@pytest.mark.covers(
    "advanced_https_ota: base",
    "aws: OTAE2EBackToBackDownloads",
    "app_update: esp_ota_get_next_update_partition logic",
)
def test_three_updates_in_a_row_alternate_the_slots(ota: Ota, release: Draft) -> None:
    """Each update goes to the slot that does not run, and each boots its own version."""
    slots = []
    for version in ("2", "3", "4"):
        ota.start(release.version(version))
        ota.expect(START)
        ota.expect(*DOWNLOADED[1:], UPDATE_BOOT_PARTITION, FINISH)
        ota.expect_updated(version=version)
        slots.append(ota.running_slot)
    assert slots == [ota.other_slot, ota.first_slot, ota.other_slot]


@pytest.mark.covers("aws: OTAE2ESameVersion")
@pytest.mark.needs("version_check")
def test_the_same_version_is_refused(ota: Ota, release: Draft) -> None:
    """The version that runs already is not installed again."""
    ota.start(release)

    ota.expect_refused("Current running version is the same as a new. We will not continue the update.")
    ota.expect_absent(VERIFY_CHIP_ID, FINISH)


@pytest.mark.covers("app_update: Switching between factory, OTA0, OTA1, OTA0")
@pytest.mark.firmware(layout="factory_two_ota")
def test_the_factory_image_is_left_for_ever(ota: Ota, release: Draft) -> None:
    """From the factory slot the first update goes to ota_0, the next ones between the OTA slots, never back."""
    slots = []
    for version in ("2", "3", "4"):
        ota.start(release.version(version))
        ota.expect(START)
        ota.expect(*DOWNLOADED[1:], UPDATE_BOOT_PARTITION, FINISH)
        ota.expect_updated(version=version)
        slots.append(ota.running_slot)
    assert ota.first_slot == "factory"
    assert slots == ["ota_0", "ota_1", "ota_0"]
    assert ota.slots["factory"].version == "1"
