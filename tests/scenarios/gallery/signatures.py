"""Signed updates: only what the key of the running firmware signed is installed."""

from __future__ import annotations

from bench.images import Defect
from tests.scenarios.gallery.exhibit import application, mixed, shows

__all__ = ["EXHIBITS"]

EXHIBITS = (
    mixed(
        "no signature is verified",
        "the application was built without the verification of signatures",
        "The signature of an update is verified.",
        application(signing=None),
        {
            "expected said(tag='esp_image', text='Verifying image signature...')": (
                "test_signed::test_a_key_that_comes_second_is_not_trusted",
                "test_signed::test_an_update_signed_with_the_same_key_is_installed",
            ),
            "expected said(text='Verifying image signature...')": (
                "test_signed::test_simple_ota_installs_what_is_signed_by_rsa",
            ),
        },
    ),
    shows(
        Defect.ANY_SIGNER,
        "A good signature of somebody else is none.",
        {
            "expected said(tag='esp_image', text='Secure boot signature verification failed')": (
                "test_signed::test_an_update_signed_with_another_key_is_refused",
            ),
            "expected said(text='image valid, signature bad')": (
                "test_signed::test_trust_follows_the_running_firmware",
            ),
        },
    ),
    shows(
        Defect.SIGNER_ONLY,
        "A signature counts for the image that was signed.",
        {
            "expected said(tag='esp_image', text='Secure boot signature verification failed')": (
                "test_signed::test_an_update_with_a_signature_of_another_image_is_refused",
            ),
            "expected said(text='Secure boot signature verification failed')": (
                "test_signed::test_a_flipped_bit_in_the_signature_is_found",
            ),
        },
    ),
    shows(
        Defect.ANY_BLOCK,
        "Only the first of several signatures counts.",
        {
            "expected said(tag='esp_image', text='Secure boot signature verification failed')": (
                "test_signed::test_a_key_that_comes_second_is_not_trusted",
            ),
        },
    ),
    shows(
        Defect.UNSIGNED_TOO,
        "An image without a signature is not installed.",
        {
            "expected said(tag='esp_image', text='Secure boot signature verification failed')": (
                "test_signed::test_an_unsigned_update_is_refused",
                "test_signed::test_a_damaged_signature_block_is_no_signature",
                "test_signed::test_a_signature_of_another_kind_is_refused",
            ),
        },
    ),
    shows(
        Defect.DAMAGE_NOT_TOLD,
        "A damaged image is told from one with a bad signature.",
        {
            "expected said(text='image corrupted on flash')": (
                "test_signed::test_a_signed_image_damaged_afterwards_is_refused",
            ),
        },
    ),
    mixed(
        "nothing is switched after ecdsa v1",
        "the application, on an ESP32, reports success for a signed update, and leaves otadata as it is",
        "A signed update that is reported as installed is what boots.",
        application(defect=Defect.REPORT_WITHOUT_SWITCH),
        {
            "booted(slot='ota_0', app_version='2')   <- here": (
                "test_signed::test_simple_ota_installs_what_is_signed_by_ecdsa",
            ),
        },
        board="virtual-esp32",
    ),
)
