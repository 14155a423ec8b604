"""Images with one bit wrong, and images that this very chip must not run: all are found before they are booted."""

from __future__ import annotations

import pytest

from bench.ota import Draft, Ota
from bench.ota.words import DOWNLOADED
from bench.timeline import (
    ABORT,
    CONNECTED,
    FINISH,
    GET_IMG_DESC,
    START,
    UPDATE_BOOT_PARTITION,
    VERIFY_CHIP_ID,
    VERIFY_CHIP_REVISION,
    forbid,
)

WHERE = {
    "header": "Image hash failed - image is corrupt",
    "segment_header": "invalid segment length 0x",
    "app_desc": "Checksum failed. Calculated 0x",
    "segment": "Checksum failed. Calculated 0x",
    "checksum": "Checksum failed. Calculated 0x",
    "hash": "Image hash failed - image is corrupt",
}
"""What ESP-IDF says of a bit that is wrong there (components/bootloader_support/src/esp_image_format.c)."""


@pytest.mark.parametrize("place", WHERE)
def test_a_flipped_bit_is_found(ota: Ota, release: Draft, place: str) -> None:
    """One bit that changed on the way, wherever it is, and the image is not booted."""
    ota.start(release.version("2").with_flipped_bit(place))

    ota.expect(*DOWNLOADED)
    ota.expect_said(WHERE[place], tag="esp_image")
    ota.expect(FINISH)
    ota.expect_refused("Image validation failed, image is corrupted")
    ota.expect_absent(UPDATE_BOOT_PARTITION)


@pytest.mark.firmware(idf_ver="v5.3.1")
def test_an_image_for_later_chips_is_refused(ota: Ota, release: Draft) -> None:
    """An image that needs a higher chip revision than this one has is not booted."""
    ota.start(release.version("2").header(min_chip_rev_full=999))

    ota.expect(*DOWNLOADED)
    ota.expect_said("Image requires chip rev >= v9.99, but chip is v", tag="boot_comm")
    ota.expect(FINISH)
    ota.expect_refused("Image validation failed, image is corrupted")


@pytest.mark.firmware(idf_ver="v5.3.1")
def test_an_image_for_earlier_chips_is_refused(ota: Ota, release: Draft) -> None:
    """An image that was never meant for chips as late as this one is not booted."""
    ota.start(release.version("2").header(min_chip_rev_full=0, max_chip_rev_full=1))

    ota.expect(*DOWNLOADED)
    ota.expect_said("Image requires chip rev <= v0.1, but chip is v", tag="boot_comm")
    ota.expect(FINISH)
    ota.expect_refused("Image validation failed, image is corrupted")


def test_an_image_for_all_chips_is_installed(ota: Ota, release: Draft) -> None:
    """No limit of the chip revision means none."""
    ota.start(release.version("2").header(min_chip_rev_full=0, max_chip_rev_full=0xFFFF))

    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION, FINISH)
    ota.expect_updated(version="2")


@pytest.mark.covers("aws: OTAE2EPreviousVersion")
def test_an_older_version_is_installed(ota: Ota, release: Draft) -> None:
    """Versions are names: without anti-rollback an application takes a lower one, and the bench says which it runs."""
    ota.start(release.version("0.9"))

    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION, FINISH)
    ota.expect_updated(version="0.9")


@pytest.mark.covers("advanced_https_ota: verify_min_chip_revision")
@pytest.mark.firmware(idf_ver="v5.5")
def test_an_image_for_later_chips_is_refused_before_it_is_written(ota: Ota, release: Draft) -> None:
    """Since ESP-IDF v5.5 the chip revision is looked at in the image's header, and nothing of it is written."""
    ota.start(release.version("2").header(min_chip_rev_full=999))

    ota.expect(START, CONNECTED, GET_IMG_DESC, VERIFY_CHIP_ID, VERIFY_CHIP_REVISION(999), ABORT, forbid(FINISH))
    ota.expect_refused("chip revision check failed. Required >= v9.99, found v")
    ota.expect_untouched(ota.other_slot)


@pytest.mark.covers("advanced_https_ota: verify_max_chip_revision")
@pytest.mark.firmware(idf_ver="v5.5")
def test_an_image_for_earlier_chips_is_refused_before_it_is_written(ota: Ota, release: Draft) -> None:
    """The highest revision counts as well."""
    ota.start(release.version("2").header(min_chip_rev_full=0, max_chip_rev_full=1))

    ota.expect(START, CONNECTED, GET_IMG_DESC, VERIFY_CHIP_ID, VERIFY_CHIP_REVISION(0), ABORT, forbid(FINISH))
    ota.expect_refused("chip revision check failed. Required <= v0.1, found v")
    ota.expect_untouched(ota.other_slot)
