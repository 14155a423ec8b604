"""Pre-encrypted images: only the right key opens them, and only whole."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.images import Defect
from tests.scenarios.gallery.exhibit import application, mixed, shows

__all__ = ["EXHIBITS"]


def _another_key() -> bytes:
    """An RSA-3072 private key that nothing is encrypted for, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


EXHIBITS = (
    shows(
        Defect.TRUST_ANY_TAG,
        "An image whose authentication tag is wrong is not believed.",
        {
            "said(text='ESP_HTTPS_OTA upgrade successful. Rebooting ...') must not come": (
                "test_pre_encrypted::test_an_image_with_a_flipped_tag_is_refused",
                "test_pre_encrypted::test_a_flipped_bit_is_found[tag]",
                "test_pre_encrypted::test_a_flipped_tag_is_refused_by_psa",
                "test_pre_encrypted::test_a_flipped_bit_is_found_by_ecies[tag]",
            ),
        },
    ),
    shows(
        Defect.PLAIN_TOO,
        "An application that decrypts takes no plain image.",
        {
            "expected said(text='Magic Verification failed')": (
                "test_pre_encrypted::test_a_plain_image_is_refused",
                "test_pre_encrypted::test_a_flipped_bit_is_found[magic]",
            ),
        },
    ),
    shows(
        Defect.SIZE_NOT_COMPARED,
        "The content is as long as the header says.",
        {
            "expected said(text='Invalid operation')": (
                "test_pre_encrypted::test_a_truncated_image_is_refused",
                "test_pre_encrypted::test_trailing_bytes_are_refused_by_ranges_too",
                "test_pre_encrypted::test_ranges_that_end_within_a_block_spoil_the_decryption",
            ),
            "said(text='ESP_HTTPS_OTA upgrade successful. Rebooting ...') must not come": (
                "test_pre_encrypted::test_trailing_bytes_are_refused",
                "test_pre_encrypted::test_a_flipped_bit_is_found[size]",
            ),
        },
    ),
    shows(
        Defect.RESERVED_COUNTS,
        "The reserved bytes of the header mean nothing.",
        {
            "said(text='ESP_HTTPS_OTA upgrade successful. Rebooting ...')   <- here": (
                "test_pre_encrypted::test_the_reserved_bytes_of_the_header_mean_nothing",
            ),
        },
    ),
    shows(
        Defect.KEY_OF_ZEROS,
        "An image for another key is given up at once.",
        {
            "said(text='Running firmware version') must not come": (
                "test_pre_encrypted::test_an_image_for_another_key_is_refused",
                "test_pre_encrypted::test_an_image_for_another_key_is_refused_by_psa",
                "test_pre_encrypted::test_a_key_that_does_not_parse_opens_nothing",
                "test_pre_encrypted::test_an_image_of_the_other_scheme_is_refused_by_ecies",
            ),
        },
    ),
    mixed(
        "another device's key is embedded",
        "the application was built with the private key of another device",
        "An image for this device's key is opened by it.",
        lambda sound: application(private_key_pem=_another_key())(sound),
        {
            "said(text='ESP_HTTPS_OTA upgrade successful. Rebooting ...')   <- here": (
                "test_pre_encrypted::test_an_encrypted_image_is_decrypted_and_booted",
            ),
        },
    ),
    shows(
        Defect.ANY_CONTENT,
        "What another device's key makes of an image is no image.",
        {
            "expected said(text='Complete data was not received.')": (
                "test_pre_encrypted::test_an_image_for_another_device_is_refused_by_ecies",
            ),
        },
    ),
    shows(
        Defect.WRONG_KEY_BLOCK,
        "An image for this device is opened with the key in its eFuse.",
        {
            "said(text='ESP_HTTPS_OTA upgrade successful. Rebooting ...')   <- here": (
                "test_pre_encrypted::test_an_image_for_this_device_is_decrypted_by_ecies",
            ),
        },
    ),
    shows(
        Defect.HEADER_NOT_COUNTED,
        "The decryption goes on where the last read left it.",
        {
            "said(text='ESP_HTTPS_OTA upgrade successful. Rebooting ...')   <- here": (
                "test_pre_encrypted::test_an_encrypted_image_is_downloaded_by_ranges",
            ),
        },
    ),
)
