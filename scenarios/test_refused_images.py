"""Images that must not be installed: cut short, random, made for another chip."""

from __future__ import annotations

from bench.ota import Draft, Ota
from bench.ota.words import CHIP_ID, DOWNLOADED
from bench.server import Cut
from bench.timeline import ABORT, CONNECTED, FINISH, GET_IMG_DESC, START, VERIFY_CHIP_ID, forbid


def test_an_image_truncated_in_its_body_is_refused(ota: Ota, release: Draft) -> None:
    """Only the first 64,000 bytes were published: the image fails its validation and is not booted."""
    ota.start(release.version("2").truncated(64_000))

    ota.expect(*DOWNLOADED, FINISH)
    ota.expect_refused("Image validation failed, image is corrupted")


def test_an_image_truncated_in_its_header_is_refused(ota: Ota, release: Draft) -> None:
    """Only the first 180 bytes were published: there is no whole description to read."""
    ota.start(release.version("2").truncated(180))

    ota.expect(START, CONNECTED, GET_IMG_DESC, ABORT, forbid(VERIFY_CHIP_ID, FINISH))
    ota.expect_refused("Complete headers were not received")


def test_a_connection_cut_in_the_middle_is_refused(ota: Ota, release: Draft) -> None:
    """The server announced the whole image and closed after 100,000 bytes: nothing half is booted."""
    ota.start(release.version("2").served(Cut(after=100_000)))

    ota.expect(*DOWNLOADED, ABORT, forbid(FINISH))
    ota.expect_refused("Complete data was not received.")
    ota.expect_fault("cut")


def test_random_bytes_are_refused(ota: Ota, release: Draft) -> None:
    """Something that is no image at all is refused by its missing description."""
    ota.start(release.random(32_000))

    ota.expect(START, CONNECTED, GET_IMG_DESC, ABORT, forbid(VERIFY_CHIP_ID, FINISH))
    ota.expect_refused("Incorrect app descriptor magic")


def test_an_image_for_another_chip_is_refused(ota: Ota, release: Draft) -> None:
    """An image whose header names another chip is refused before it is written."""
    other = CHIP_ID["esp32h2"]
    ota.start(release.version("2").chip_id(other))

    ota.expect(START, CONNECTED, GET_IMG_DESC, VERIFY_CHIP_ID(other), ABORT, forbid(FINISH))
    ota.expect_refused("Mismatch chip id, expected")
