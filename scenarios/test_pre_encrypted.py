"""Pre-encrypted images (esp_encrypted_img): only the right key opens them, and only whole."""

from __future__ import annotations

import pytest

from bench.ota import Draft, Keys, Ota
from bench.timeline import UPDATE_BOOT_PARTITION, Matcher, happened, said

pytestmark = pytest.mark.firmware(app="pre_encrypted_ota")

ECIES = pytest.mark.firmware(app="pre_encrypted_ota", encryption="ecies")
INCOMPLETE = "Complete data was not received."

DECRYPTED = said(text="Running firmware version")
"""The application has the first bytes of an image, and compares the version that stands in them."""


def returned(call: str, code: int) -> Matcher:
    """The line, one without a prefix, in which the component tells mbedTLS's error code."""
    return happened("console", "noise", text=f"  ! {call} returned -0x{code:04x}")


@pytest.mark.covers("pre_encrypted_ota: base")
def test_an_encrypted_image_is_decrypted_and_booted(ota: Ota, release: Draft, keys: Keys) -> None:
    """The image is decrypted on the way, written in plain, and boots as the new version."""
    ota.start(release.version("2").encrypted(keys.device_public))

    ota.expect_said("Magic Verified")
    ota.expect_said("Reading RSA private key")
    ota.expect_updated(version="2")
    assert ota.slots[ota.other_slot].version == "2"


@pytest.mark.firmware(app="pre_encrypted_ota", idf_ver="v5.3.1")
def test_an_image_for_another_key_is_refused(ota: Ota, release: Draft, keys: Keys) -> None:
    """An image encrypted for somebody else's key never reaches the flash as something bootable."""
    ota.start(release.version("2").encrypted(keys.foreign_public))

    ota.expect(returned("mbedtls_pk_decrypt", 0x4100))
    ota.expect_said("Unable to decipher GCM key")
    ota.expect_refused(INCOMPLETE)
    ota.expect_absent(UPDATE_BOOT_PARTITION, DECRYPTED)
    ota.expect_untouched(ota.other_slot)


@pytest.mark.firmware(app="pre_encrypted_ota", idf_ver="v5.3.1")
def test_a_key_that_does_not_parse_opens_nothing(ota: Ota, release: Draft, keys: Keys) -> None:
    """Firmware whose embedded key is none any more runs, and says with the next update what it is missing."""
    ota.start(release.version("2").with_broken_key().encrypted(keys.device_public))
    ota.expect_updated(version="2")

    ota.start(release.version("3").encrypted(keys.device_public))
    ota.expect(returned("mbedtls_pk_parse_keyfile", 0x3D00))
    ota.expect_said("Unable to decipher GCM key")
    ota.expect_refused(INCOMPLETE)
    ota.expect_absent(DECRYPTED)


def test_an_image_with_a_flipped_tag_is_refused(ota: Ota, release: Draft, keys: Keys) -> None:
    """One wrong bit in the authentication tag, and the image is not believed."""
    ota.start(release.version("2").encrypted(keys.device_public).with_flipped_tag())

    ota.expect_refused("Invalid Auth")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("magic", "Magic Verification failed"),
        ("key", "Unable to decipher GCM key"),
        ("iv", INCOMPLETE),
        ("size", "Invalid operation"),
        ("tag", "Invalid Auth"),
        ("ciphertext", "Invalid Auth"),
    ],
)
def test_a_flipped_bit_is_found(ota: Ota, release: Draft, keys: Keys, place: str, reason: str) -> None:
    """One bit that changed on the way, in the header or in the content, and the image is not booted."""
    ota.start(release.version("2").encrypted(keys.device_public).with_flipped_bit(place))

    ota.expect_refused(reason)
    ota.expect_absent(UPDATE_BOOT_PARTITION, said(text="upgrade successful"))


def test_the_reserved_bytes_of_the_header_mean_nothing(ota: Ota, release: Draft, keys: Keys) -> None:
    """What is reserved is passed over: a later tool may put something there."""
    ota.start(release.version("2").encrypted(keys.device_public).with_flipped_bit("reserved"))

    ota.expect_updated(version="2")


@pytest.mark.parametrize(
    ("length", "reason"),
    [(64_000, "Invalid operation"), (600, "Complete headers were not received"), (0, "Complete headers were not")],
    ids=["in_its_content", "in_its_first_read", "to_nothing"],
)
def test_a_truncated_image_is_refused(ota: Ota, release: Draft, keys: Keys, length: int, reason: str) -> None:
    """An encrypted image that ends too early is not booted, however much of it was decrypted."""
    ota.start(release.version("2").encrypted(keys.device_public).truncated(length))

    ota.expect_refused(reason)


@pytest.mark.parametrize("count", [1, 16, 4096])
def test_trailing_bytes_are_refused(ota: Ota, release: Draft, keys: Keys, count: int) -> None:
    """More content than the header announces is not what was encrypted."""
    ota.start(release.version("2").encrypted(keys.device_public).extended(count))

    ota.expect_refused("Invalid operation")


def test_a_plain_image_is_refused(ota: Ota, release: Draft) -> None:
    """An application that decrypts takes no image that anybody could have made."""
    ota.start(release.version("2"))

    ota.expect_said("Magic Verification failed")
    ota.expect_refused(INCOMPLETE)
    ota.expect_untouched(ota.other_slot)


def test_the_same_version_is_refused(ota: Ota, release: Draft, keys: Keys) -> None:
    """The version is read out of the first bytes that are decrypted."""
    ota.start(release.encrypted(keys.device_public))

    ota.expect_refused("Current running version is the same as a new. We will not continue the update.")


def test_what_is_encrypted_is_verified_as_well(ota: Ota, release: Draft, keys: Keys) -> None:
    """An image that was damaged before it was encrypted decrypts well, and is refused all the same."""
    ota.start(release.version("2").with_flipped_bit("segment").encrypted(keys.device_public))

    ota.expect_said("Checksum failed. Calculated 0x")
    ota.expect_refused("Image validation failed, image is corrupted")


def test_a_good_image_is_installed_after_a_refused_one(ota: Ota, release: Draft, keys: Keys) -> None:
    """A refusal leaves nothing behind that stands in the way of the next update."""
    ota.start(release.version("2").encrypted(keys.foreign_public))
    ota.expect_refused("Unable to decipher GCM key")

    ota.start(release.version("3").encrypted(keys.device_public))
    ota.expect_updated(version="3")


@pytest.mark.firmware(app="pre_encrypted_ota", idf_ver="v6.0")
def test_an_image_for_another_key_is_refused_by_psa(ota: Ota, release: Draft, keys: Keys) -> None:
    """ESP-IDF v6 decrypts by PSA, which names its errors otherwise."""
    ota.start(release.version("2").encrypted(keys.foreign_public))

    ota.expect_said("Reading RSA private key (PSA)")
    ota.expect_said("psa_asymmetric_decrypt failed: -150")
    ota.expect_said("Failed to process GCM key")
    ota.expect_refused(INCOMPLETE)
    ota.expect_absent(DECRYPTED)


@pytest.mark.firmware(app="pre_encrypted_ota", idf_ver="v6.0")
def test_a_flipped_tag_is_refused_by_psa(ota: Ota, release: Draft, keys: Keys) -> None:
    """PSA says more of a wrong tag than mbedTLS did."""
    ota.start(release.version("2").encrypted(keys.device_public).with_flipped_tag())

    ota.expect_refused("Invalid Auth Tag")


@pytest.mark.covers("pre_encrypted_ota: partial_download")
@pytest.mark.firmware(app="pre_encrypted_ota", partial_http_download=True)
def test_an_encrypted_image_is_downloaded_by_ranges(ota: Ota, release: Draft, keys: Keys) -> None:
    """Each range continues the decryption where the last one left it."""
    ota.start(release.version("2").encrypted(keys.device_public))

    ota.expect_updated(version="2")


@pytest.mark.firmware(app="pre_encrypted_ota", partial_http_download=True, http_request_size=10_001)
def test_ranges_that_end_within_a_block_spoil_the_decryption(ota: Ota, release: Draft, keys: Keys) -> None:
    """Finding: the next range is counted from what was written, and not from what has come: bytes come twice."""
    ota.start(release.version("2").encrypted(keys.device_public))

    ota.expect_refused("Invalid operation")
    ota.note_finding("a request size that is no multiple of 16 makes pre-encrypted images fail, however good they are")


@pytest.mark.firmware(app="pre_encrypted_ota", partial_http_download=True)
def test_trailing_bytes_are_refused_by_ranges_too(ota: Ota, release: Draft, keys: Keys) -> None:
    """However it is downloaded: more content than the header announces is not what was encrypted."""
    ota.start(release.version("2").encrypted(keys.device_public).extended(16))

    ota.expect_refused("Invalid operation")


@ECIES
def test_an_image_for_this_device_is_decrypted_by_ecies(ota: Ota, release: Draft, keys: Keys) -> None:
    """With the key that the device derives from its eFuse and the server's public point the image opens and boots."""
    ota.start(release.version("2").encrypted(keys.ecies_public))

    ota.expect_said("Magic Verified")
    ota.expect_said("ECC key derived successfully")
    ota.expect_said("GCM key derived successfully")
    ota.expect_updated(version="2")


@ECIES
def test_an_image_for_another_device_is_refused_by_ecies(ota: Ota, release: Draft, keys: Keys) -> None:
    """Every key gives a result; that of another device gives bytes that are no image."""
    ota.start(release.version("2").encrypted(keys.foreign_ecies_public))

    ota.expect_said("GCM key derived successfully")
    ota.expect_refused(INCOMPLETE)
    ota.expect_absent(UPDATE_BOOT_PARTITION)


@ECIES
@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("magic", "Magic Verification failed"),
        ("key", "Failed to get server public point"),
        ("tag", "Invalid Auth"),
        ("ciphertext", "Invalid Auth"),
    ],
)
def test_a_flipped_bit_is_found_by_ecies(ota: Ota, release: Draft, keys: Keys, place: str, reason: str) -> None:
    """One bit that changed on the way, in the header or in the content, and the image is not booted."""
    ota.start(release.version("2").encrypted(keys.ecies_public).with_flipped_bit(place))

    ota.expect_refused(reason)


@ECIES
def test_an_image_of_the_other_scheme_is_refused_by_ecies(ota: Ota, release: Draft, keys: Keys) -> None:
    """The header does not tell its scheme, and an RSA one read as a point is none of the curve."""
    ota.start(release.version("2").encrypted(keys.device_public))

    ota.expect(returned("mbedtls_ecp_check_pubkey", 0x4C80))
    ota.expect_refused("Failed to derive GCM key")
    ota.expect_absent(DECRYPTED)
