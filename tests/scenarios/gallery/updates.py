"""An update that succeeds: what is reported is what boots, and it is told as it is."""

from __future__ import annotations

from bench.images import Defect
from tests.scenarios.gallery.exhibit import application, mixed, shows

__all__ = ["EXHIBITS"]

EXHIBITS = (
    shows(
        Defect.REPORT_WITHOUT_SWITCH,
        "An update that is reported as installed is what boots.",
        {
            "booted(slot='ota_1', app_version='2')   <- here": (
                "test_update::test_update_to_a_newer_version",
                "test_image_sizes::test_an_image_of_an_odd_size_is_installed",
                "test_plain_http::test_a_plain_url_is_taken_although_http_is_not_allowed",
                "test_served_otherwise::test_a_server_of_tls_1_3_alone_serves_firmware_that_speaks_it",
                "test_served_otherwise::test_simple_ota_speaks_both_versions_of_tls",
                "test_served_otherwise::test_a_good_image_is_installed_although_tls_does_not_say_goodbye",
                "test_served_otherwise::test_an_update_succeeds_after_the_server_was_unavailable",
                "test_releases::test_the_stock_application_of_a_release_updates_itself",
                "test_stock_applications::test_a_newer_version_is_installed",
                "test_stock_applications::test_simple_ota_with_an_embedded_certificate_trusts_that_alone",
                "test_flash_encryption::test_an_update_is_installed_and_stands_encrypted_in_flash",
                "test_flash_encryption::test_native_ota_updates_an_encrypted_board",
                "test_flash_encryption::test_simple_ota_updates_an_encrypted_board",
                "test_pre_encrypted::test_an_encrypted_image_is_decrypted_and_booted",
                "test_pre_encrypted::test_an_image_for_this_device_is_decrypted_by_ecies",
                "test_serial_update::test_an_image_that_arrives_whole_is_booted",
            ),
            "booted(slot='ota_0', app_version='2')   <- here": (
                "test_image_sizes::test_an_image_that_fills_its_slot_to_the_last_byte_is_installed",
                "test_signed::test_an_update_signed_with_the_same_key_is_installed",
                "test_signed::test_simple_ota_installs_what_is_signed_by_rsa",
            ),
            "booted(slot='ota_1', app_version='0')   <- here": (
                "test_stock_applications::test_an_older_version_is_installed",
            ),
            "booted(slot='ota_1', app_version='1')   <- here": (
                "test_stock_applications::test_simple_ota_installs_its_own_version_again",
            ),
        },
    ),
    shows(
        Defect.SUCCESS_WHATEVER_HAPPENED,
        "Success is only told of an update that succeeded.",
        {
            "said(text='ESP_HTTPS_OTA upgrade successful. Rebooting ...') must not come": (
                "test_refused_images::test_an_image_truncated_in_its_body_is_refused",
                "test_refused_images::test_an_image_larger_than_the_slot_by_its_last_read_is_refused",
                "test_refused_images::test_a_good_image_is_installed_after_a_refused_one",
            ),
            "said(text='OTA Succeed, Rebooting...') must not come": (
                "test_stock_applications::test_a_connection_cut_in_the_middle_is_refused[simple_ota]",
            ),
        },
    ),
    shows(
        Defect.EVENT_LOST,
        "Every event of a download is told.",
        {
            "VERIFY_CHIP_ID   <- here": (
                "test_update::test_update_to_a_newer_version",
                "test_update::test_every_payload_is_the_right_one",
            ),
        },
    ),
    shows(
        Defect.WRONG_SLOT_TOLD,
        "The slot that is told as the next is the one that boots next.",
        {
            "get('payload')": ("test_update::test_every_payload_is_the_right_one",),
        },
    ),
    shows(
        Defect.OWN_CHIP_TOLD,
        "The chip id that is told is the one in the image.",
        {
            "VERIFY_CHIP_ID(16)   <- here": ("test_refused_images::test_an_image_for_another_chip_is_refused",),
        },
    ),
    shows(
        Defect.LAST_SLOT_ALWAYS,
        "An update goes to the slot that does not run.",
        {
            "UPDATE_BOOT_PARTITION(slot=ota_0) was not seen": ("test_update::test_the_factory_image_is_left_for_ever",),
            "VERIFY_CHIP_ID   <- here": ("test_update::test_three_updates_in_a_row_alternate_the_slots",),
        },
    ),
    shows(
        Defect.SEQUENCE_NOT_RAISED,
        "The last update decides what boots.",
        {
            "booted(slot='ota_0', app_version='3')   <- here": (
                "test_update::test_three_updates_in_a_row_alternate_the_slots",
                "test_stock_applications::test_three_updates_in_a_row_alternate_the_slots",
                "test_flash_encryption::test_three_updates_in_a_row_alternate_the_slots",
                "test_serial_update::test_three_images_in_a_row_alternate_the_slots",
                "test_releases::test_the_stock_application_of_a_release_updates_itself",
            ),
            "booted(slot='ota_0', app_version='good-1')   <- here": ("test_soak::test_updates_back_to_back",),
            ".ota_seq": ("test_otadata::test_the_sequence_number_at_its_top_ends_all_updates",),
            "booted(slot='ota_1', app_version='2')   <- here": (
                "test_otadata::test_a_sequence_number_below_its_top_still_takes_an_update",
            ),
        },
    ),
    shows(
        Defect.FORGET_TO_ERASE,
        "An update is written to erased flash.",
        {
            "UPDATE_BOOT_PARTITION   <- here": ("test_update::test_three_updates_in_a_row_alternate_the_slots",),
            "UPDATE_BOOT_PARTITION(slot=ota_1)   <- here": (
                "test_refused_images::test_a_good_image_is_installed_after_a_refused_one",
            ),
        },
    ),
    shows(
        Defect.VERSION_CHECK_LOST,
        "The version that runs is not installed again.",
        {
            "UPDATE_BOOT_PARTITION must not come": (
                "test_update::test_the_same_version_is_refused",
                "test_partial_download::test_the_own_version_is_refused_after_the_first_range",
            ),
            "said(text='ESP_HTTPS_OTA upgrade successful. Rebooting ...') must not come": (
                "test_pre_encrypted::test_the_same_version_is_refused",
            ),
        },
    ),
    mixed(
        "native_ota does not compare versions",
        "the application, native_ota, was built without the comparison of versions",
        "The version that runs is not installed again.",
        application(version_check=False),
        {
            "said(text='Prepare to restart system!') must not come": (
                "test_stock_applications::test_native_ota_refuses_its_own_version",
            ),
        },
    ),
    shows(
        Defect.VERSION_BY_BUILD,
        "Only the version counts, whatever else of a build has changed.",
        {
            "UPDATE_BOOT_PARTITION must not come": (
                "test_refused_images::test_the_same_version_is_refused_whatever_else_changed",
            ),
        },
    ),
    shows(
        Defect.OLDER_REFUSED,
        "Versions are names, and are not compared for order.",
        {
            "VERIFY_CHIP_ID   <- here": ("test_damaged_images::test_an_older_version_is_installed",),
            "said(text='Prepare to restart system!')   <- here": (
                "test_stock_applications::test_an_older_version_is_installed[native_ota]",
            ),
        },
    ),
    shows(
        Defect.OWN_VERSION_REFUSED,
        "An application that compares no versions installs any.",
        {
            "said(text='OTA Succeed, Rebooting...')   <- here": (
                "test_stock_applications::test_simple_ota_installs_its_own_version_again",
            ),
        },
    ),
    mixed(
        "the interface is not bound",
        "the application was built without its network interface",
        "An application that is bound to an interface says to which.",
        application(bind_interface=False),
        {
            "expected said(tag='simple_ota_example', text='Bind interface name is en1')": (
                "test_stock_applications::test_simple_ota_says_which_interface_it_is_bound_to",
            ),
        },
    ),
)
