"""Images that must not be installed: each is found by what is wrong with it."""

from __future__ import annotations

from bench.images import Defect
from tests.scenarios.gallery.exhibit import application, mixed, shows

__all__ = ["EXHIBITS"]

EXHIBITS = (
    shows(
        Defect.TRUST_ANY_IMAGE,
        "Nothing is switched to that fails its validation.",
        {
            "FINISH   <- here": (
                "test_refused_images::test_an_image_truncated_in_its_body_is_refused",
                "test_refused_images::test_an_image_without_its_last_byte_is_refused",
                "test_broken_transfers::test_a_length_that_is_too_short_cuts_the_image",
                "test_broken_transfers::test_an_image_cut_without_a_length_fails_its_validation",
            ),
            "UPDATE_BOOT_PARTITION must not come": (
                "test_partial_download::test_parts_that_begin_a_byte_too_late_are_not_booted",
                "test_partial_download::test_a_file_replaced_between_two_ranges_is_not_booted",
                "test_partial_download::test_a_truncated_image_is_refused",
                "test_resumption::test_a_file_that_changed_meanwhile_is_not_booted",
                "test_resumption::test_a_server_that_ignores_the_range_spoils_the_image",
            ),
            "said(text='ESP_HTTPS_OTA upgrade successful. Rebooting ...') must not come": (
                "test_pre_encrypted::test_what_is_encrypted_is_verified_as_well",
            ),
            "said(text='Prepare to restart system!') must not come": (
                "test_stock_applications::test_native_ota_refuses_a_truncated_image",
            ),
            "said(text='OTA Succeed, Rebooting...') must not come": (
                "test_stock_applications::test_simple_ota_refuses_a_truncated_image",
            ),
            "said(text='Update complete, restarting') must not come": (
                "test_serial_update::test_an_image_that_was_damaged_before_it_was_sent_is_refused",
            ),
        },
    ),
    shows(
        Defect.SKIP_CHECKSUM,
        "The checksum of an image is compared.",
        {
            "expected said(tag='esp_image', text='Checksum failed. Calculated 0x')": (
                "test_damaged_images::test_a_flipped_bit_is_found[segment]",
            ),
        },
    ),
    shows(
        Defect.SKIP_HASH,
        "The SHA-256 of an image is compared.",
        {
            "FINISH   <- here": (
                "test_damaged_images::test_a_flipped_bit_is_found[hash]",
                "test_damaged_images::test_a_flipped_bit_is_found[header]",
            ),
        },
    ),
    shows(
        Defect.TRUST_ANY_CHIP,
        "An image for another chip is not installed.",
        {
            "ABORT   <- here": ("test_refused_images::test_an_image_for_another_chip_is_refused",),
            "said(text='Prepare to restart system!') must not come": (
                "test_stock_applications::test_an_image_for_another_chip_is_refused[native_ota]",
            ),
            "said(text='OTA Succeed, Rebooting...') must not come": (
                "test_stock_applications::test_an_image_for_another_chip_is_refused[simple_ota]",
            ),
            "expected said(text='Mismatch chip id, expected')": (
                "test_stock_applications::test_simple_ota_refuses_random_bytes",
            ),
        },
    ),
    shows(
        Defect.TRUST_LATER_REVISION,
        "An image that needs a later chip revision is not installed.",
        {
            "FINISH   <- here": ("test_damaged_images::test_an_image_for_later_chips_is_refused",),
            "ABORT   <- here": ("test_damaged_images::test_an_image_for_later_chips_is_refused_before_it_is_written",),
        },
    ),
    shows(
        Defect.TRUST_EARLIER_REVISION,
        "An image for earlier chip revisions only is not installed.",
        {
            "FINISH   <- here": ("test_damaged_images::test_an_image_for_earlier_chips_is_refused",),
            "ABORT   <- here": (
                "test_damaged_images::test_an_image_for_earlier_chips_is_refused_before_it_is_written",
            ),
        },
    ),
    shows(
        Defect.ANY_REVISION_REFUSED,
        "No limit of the chip revision means none.",
        {
            "UPDATE_BOOT_PARTITION   <- here": ("test_damaged_images::test_an_image_for_all_chips_is_installed",),
        },
    ),
    mixed(
        "the chip revision is found out late",
        "the application does not look at the chip revision before it writes",
        "Since v5.5 the chip revision is looked at before anything is written.",
        application(idf_ver="v5.3.1"),
        {
            "VERIFY_CHIP_REVISION(999)   <- here": (
                "test_damaged_images::test_an_image_for_later_chips_is_refused_before_it_is_written",
            ),
        },
    ),
    shows(
        Defect.ANY_MAGIC,
        "What does not begin as an image is not written.",
        {
            "ABORT   <- here": ("test_refused_images::test_another_magic_byte_is_refused_as_it_is_written",),
            "OTA image has invalid magic byte (expected 0xE9, saw 0x00)": (
                "test_serial_update::test_something_that_is_no_image_is_refused",
                "test_stock_applications::test_native_ota_refuses_random_bytes",
            ),
        },
    ),
    shows(
        Defect.ANY_DESCRIPTION,
        "What is no application is found out by its missing description.",
        {
            "ABORT   <- here": (
                "test_refused_images::test_random_bytes_are_refused",
                "test_refused_images::test_a_page_of_html_is_refused[long]",
                "test_refused_images::test_a_merged_flash_file_is_refused",
                "test_refused_images::test_the_bootloader_is_refused",
                "test_refused_images::test_an_encrypted_image_is_refused_by_an_application_that_cannot_decrypt",
                "test_broken_transfers::test_a_compressed_image_is_refused",
                "test_broken_transfers::test_a_page_instead_of_an_image_is_refused[long]",
            ),
            "expected said(text='Incorrect app descriptor magic')": (
                "test_flash_encryption::test_a_served_ciphertext_is_refused",
            ),
        },
    ),
    shows(
        Defect.SHORT_HEADER,
        "Headers that did not come whole are not read.",
        {
            "expected said(text='Complete headers were not received')": (
                "test_refused_images::test_an_image_truncated_in_its_header_is_refused",
                "test_broken_transfers::test_a_download_that_breaks_off_in_the_image_header_is_refused",
                "test_stock_applications::test_simple_ota_refuses_a_truncated_header",
                "test_http_status::test_not_modified_is_no_image",
            ),
            "expected said(text='received package is not fit len')": (
                "test_stock_applications::test_native_ota_refuses_a_truncated_header",
            ),
        },
    ),
    shows(
        Defect.PLAIN_IN_FLASH,
        "What is written on a chip that encrypts is encrypted.",
        {
            "UPDATE_BOOT_PARTITION(slot=ota_1)   <- here": (
                "test_flash_encryption::test_an_update_is_installed_and_stands_encrypted_in_flash",
            ),
            "said(text='Prepare to restart system!')   <- here": (
                "test_flash_encryption::test_native_ota_updates_an_encrypted_board",
            ),
            "said(text='OTA Succeed, Rebooting...')   <- here": (
                "test_flash_encryption::test_simple_ota_updates_an_encrypted_board",
            ),
        },
    ),
    shows(
        Defect.WRITE_PAST_SLOT,
        "Nothing is written behind the slot.",
        {
            "ABORT   <- here": ("test_refused_images::test_an_image_larger_than_the_slot_is_refused",),
        },
    ),
    shows(
        Defect.FULL_SLOT_REFUSED,
        "An image may fill its slot to the last byte.",
        {
            "UPDATE_BOOT_PARTITION(slot=ota_0)   <- here": (
                "test_image_sizes::test_an_image_that_fills_its_slot_to_the_last_byte_is_installed",
            ),
        },
    ),
    shows(
        Defect.LAST_BYTES_LOST,
        "The last bytes of an image arrive, whatever its size.",
        {
            "ota_1 does not hold what was published": (
                "test_image_sizes::test_an_image_of_an_odd_size_is_installed[block_and_1]",
                "test_flash_encryption::test_an_image_that_does_not_end_with_a_block_is_installed",
            ),
        },
    ),
    shows(
        Defect.SPOIL_OTADATA,
        "A refused update leaves the otadata entry of the running slot as it was.",
        {
            "the otadata entry of the running slot ota_0 was changed": (
                "test_refused_images::test_a_connection_cut_in_the_middle_is_refused",
                "test_stock_applications::test_native_ota_refuses_a_truncated_image",
                "test_serial_update::test_a_mishap_on_the_way_is_refused",
                "test_pre_encrypted::test_a_good_image_is_installed_after_a_refused_one",
            ),
        },
    ),
    shows(
        Defect.FORGET_ON_FAILURE,
        "A failed attempt leaves the board as it was.",
        {
            "the otadata entry of the running slot ota_0 was changed": (
                "test_stock_applications::test_simple_ota_refuses_random_bytes",
                "test_stock_applications::test_native_ota_refuses_a_truncated_header",
                "test_stock_applications::test_a_missing_file_is_refused[native_ota]",
                "test_stock_applications::test_a_connection_cut_in_the_middle_is_refused[simple_ota]",
                "test_releases::test_the_stock_application_of_a_release_refuses_half_an_image",
                "test_http_status::test_a_redirect_to_a_bare_name_is_refused",
                "test_http_status::test_a_redirect_that_fills_the_request_buffer_is_refused",
                "test_http_status::test_a_redirect_to_nobody_is_refused",
                "test_http_status::test_v5_5_says_that_an_image_is_not_modified",
                "test_http_status::test_a_token_that_expires_in_mid_download_ends_the_attempt",
                "test_tls::test_an_unsound_certificate_is_refused",
                "test_resumption::test_a_server_that_ignores_the_range_spoils_the_image",
                "test_pre_encrypted::test_an_image_for_another_device_is_refused_by_ecies",
                "test_pre_encrypted::test_an_image_of_the_other_scheme_is_refused_by_ecies",
                "test_pre_encrypted::test_ranges_that_end_within_a_block_spoil_the_decryption",
                "test_serial_update::test_a_mishap_on_the_way_is_refused",
                "test_flash_encryption::test_a_lost_chunk_is_refused_on_an_encrypted_board",
            ),
        },
    ),
    shows(
        Defect.SILENT_FAILURE,
        "An attempt that fails says so.",
        {
            "expected said(tag='advanced_https_ota_example', text='ESP_HTTPS_OTA upgrade failed')": (
                "test_refused_images::test_random_bytes_are_refused",
            ),
            "expected said(text='ESP_HTTPS_OTA upgrade failed')": (
                "test_releases::test_the_stock_application_of_a_release_refuses_half_an_image",
            ),
        },
    ),
    shows(
        Defect.FINISH_WHATEVER_HAPPENED,
        "An attempt that is given up is told as aborted.",
        {
            "ABORT   <- here": (
                "test_refused_images::test_a_connection_cut_in_the_middle_is_refused",
                "test_broken_transfers::test_a_download_that_breaks_off_is_refused",
                "test_plain_http::test_a_plain_download_that_breaks_off_is_refused",
                "test_refused_images::test_a_page_of_html_is_refused",
            ),
        },
    ),
)
