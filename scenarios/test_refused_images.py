"""Images that must not be installed: cut short, no image at all, made for another chip, too large."""

from __future__ import annotations

import pytest

from bench.ota import Draft, Firmware, Keys, Ota
from bench.ota.words import CHIP_ID, DOWNLOADED
from bench.server import Cut
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
    maybe,
    said,
)

NO_DESCRIPTION = (START, CONNECTED, GET_IMG_DESC, ABORT, forbid(VERIFY_CHIP_ID, FINISH))
"""The events of a download that is given up because it does not begin with an application's description."""

HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>\n%s</body></html>\n"
PARAGRAPH = b"<p>This network asks you to sign in before you go on.</p>\n"


@pytest.mark.covers("advanced_https_ota: truncated_bin")
def test_an_image_truncated_in_its_body_is_refused(ota: Ota, release: Draft) -> None:
    """Only the first 64,000 bytes were published: the image fails its validation and is not booted."""
    ota.start(release.version("2").truncated(64_000))

    ota.expect(*DOWNLOADED, FINISH)
    ota.expect_refused("Image validation failed, image is corrupted")


@pytest.mark.covers("advanced_https_ota: truncated_header")
@pytest.mark.parametrize("length", [0, 1, 180], ids=["empty", "one_byte", "half_a_header"])
def test_an_image_truncated_in_its_header_is_refused(ota: Ota, release: Draft, length: int) -> None:
    """Only the first bytes were published, or none: there is no whole description to read."""
    ota.start(release.version("2").truncated(length))

    ota.expect(*NO_DESCRIPTION)
    ota.expect_refused("Complete headers were not received")


def test_an_image_without_its_last_byte_is_refused(ota: Ota, release: Draft) -> None:
    """One byte of the hash is missing: what erased flash gives in its place does not do."""
    ota.start(release.version("2").truncated(len(release.data) - 1))

    ota.expect(*DOWNLOADED, FINISH)
    ota.expect_refused("Image validation failed, image is corrupted")


def test_a_connection_cut_in_the_middle_is_refused(ota: Ota, release: Draft) -> None:
    """The server announced the whole image and closed after 100,000 bytes: nothing half is booted."""
    ota.start(release.version("2").served(Cut(after=100_000)))

    ota.expect(*DOWNLOADED, ABORT, forbid(FINISH))
    ota.expect_refused("Complete data was not received.")
    ota.expect_fault("cut")


@pytest.mark.covers("advanced_https_ota: random")
@pytest.mark.parametrize("first_byte", [0x00, 0xE9], ids=["other_magic", "right_magic"])
def test_random_bytes_are_refused(ota: Ota, release: Draft, first_byte: int) -> None:
    """Something that is no image at all is refused by its missing description, whatever its first byte."""
    ota.start(release.random(32_000, first_byte=first_byte))

    ota.expect(*NO_DESCRIPTION)
    ota.expect_refused("Incorrect app descriptor magic")


@pytest.mark.parametrize(
    ("paragraphs", "reason"),
    [(40, "Incorrect app descriptor magic"), (2, "Complete headers were not received")],
    ids=["long", "short"],
)
def test_a_page_of_html_is_refused(ota: Ota, release: Draft, paragraphs: int, reason: str) -> None:
    """What a captive portal or a web server's error page puts in the image's place is no image."""
    ota.start(release.replaced_by(HTML % (PARAGRAPH * paragraphs)))

    ota.expect(*NO_DESCRIPTION)
    ota.expect_refused(reason)


def test_another_magic_byte_is_refused_as_it_is_written(ota: Ota, release: Draft) -> None:
    """An image with a whole description but another first byte is refused with its first write."""
    ota.start(release.version("2").header(magic=0xEA))

    ota.expect(START, CONNECTED, GET_IMG_DESC, VERIFY_CHIP_ID, maybe(VERIFY_CHIP_REVISION), ABORT, forbid(FINISH))
    ota.expect_refused("OTA image has invalid magic byte (expected 0xE9, saw 0xea)")


@pytest.mark.covers("advanced_https_ota: invalid_chip_id")
def test_an_image_for_another_chip_is_refused(ota: Ota, release: Draft) -> None:
    """An image whose header names another chip is refused before it is written."""
    other = CHIP_ID["esp32h2"]
    ota.start(release.version("2").chip_id(other))

    ota.expect(START, CONNECTED, GET_IMG_DESC, VERIFY_CHIP_ID(other), ABORT, forbid(FINISH))
    ota.expect_refused("Mismatch chip id, expected")


@pytest.mark.firmware(layout="factory_two_ota")
def test_an_image_larger_than_the_slot_is_refused(ota: Ota, release: Draft, firmware: Firmware) -> None:
    """What does not fit is refused at the slot's end, and not one byte of the next partition is touched."""
    ota.start(release.version("2").padded_to(firmware.slot_size + 4096))

    ota.expect(*DOWNLOADED, ABORT, forbid(FINISH))
    ota.expect_refused("Error: esp_ota_write failed! err=0x104")
    ota.expect_untouched("ota_1")


@pytest.mark.firmware(layout="factory_two_ota")
def test_an_image_larger_than_the_slot_by_its_last_read_is_refused(
    ota: Ota, release: Draft, firmware: Firmware
) -> None:
    """Everything was received and only the last 16 bytes did not fit: the application goes on to the validation,
    and that finds the image longer than its partition.
    """
    ota.start(release.version("2").padded_to(firmware.slot_size + 16))

    ota.expect(*DOWNLOADED)
    ota.expect_said("doesn't fit in partition length", tag="esp_image")
    ota.expect(FINISH)
    ota.expect_refused("Image validation failed, image is corrupted")
    ota.expect_absent(UPDATE_BOOT_PARTITION, said(text="esp_ota_set_boot_partition"))
    ota.expect_untouched("ota_1")


def test_a_merged_flash_file_is_refused(ota: Ota, release: Draft, firmware: Firmware) -> None:
    """The file for the factory's flasher, bootloader and all, is not what an update is."""
    ota.start(release.version("2").merged_with(firmware.build))

    ota.expect(*NO_DESCRIPTION)
    ota.expect_refused("Incorrect app descriptor magic")


def test_the_bootloader_is_refused(ota: Ota, release: Draft, firmware: Firmware) -> None:
    """A valid image for this chip that is no application."""
    ota.start(release.replaced_by(firmware.build.bootloader.to_bytes()))

    ota.expect(*NO_DESCRIPTION)
    ota.expect_refused("Incorrect app descriptor magic")


def test_an_encrypted_image_is_refused_by_an_application_that_cannot_decrypt(
    ota: Ota, release: Draft, keys: Keys
) -> None:
    """To an application without the key a pre-encrypted image is random bytes."""
    ota.start(release.version("2").encrypted(keys.device_public))

    ota.expect(*NO_DESCRIPTION)
    ota.expect_refused("Incorrect app descriptor magic")


@pytest.mark.covers("aws: OTAE2ESameVersion")
@pytest.mark.needs("version_check")
def test_the_same_version_is_refused_whatever_else_changed(ota: Ota, release: Draft) -> None:
    """Only the version counts: the same one in an image of another build is not installed."""
    ota.start(release.described(time="23:59:59", date="Dec 31 2030", app_elf_sha256=bytes(32)))

    ota.expect_refused("Current running version is the same as a new. We will not continue the update.")
    ota.expect_absent(VERIFY_CHIP_ID, FINISH, said(text="esp_ota_write failed"))


def test_a_good_image_is_installed_after_a_refused_one(ota: Ota, release: Draft) -> None:
    """A refusal leaves nothing behind that stands in the way of the next update."""
    ota.start(release.version("2").truncated(64_000))
    ota.expect(*DOWNLOADED, FINISH)
    ota.expect_refused("Image validation failed, image is corrupted")

    ota.update(release.version("3"), version="3")
