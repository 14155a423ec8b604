"""Rollback: what does not confirm itself does not stay, and what does, stays."""

from __future__ import annotations

from bench.images import BootDefect, Defect
from tests.scenarios.gallery.exhibit import application, bootloader, mixed, shows

__all__ = ["EXHIBITS"]

EXHIBITS = (
    mixed(
        "the bootloader was built without rollback",
        "the bootloader was built without rollback",
        "An image that does not confirm itself is rolled back.",
        bootloader(rollback=False),
        {
            "booted(slot='ota_0', app_version='1')   <- here": (
                "test_rollback::test_an_image_that_dies_at_boot_is_rolled_back",
            ),
            "booted(slot='factory', app_version='1')   <- here": (
                "test_rollback::test_a_dying_first_update_returns_to_factory",
            ),
        },
    ),
    mixed(
        "the application was built without rollback",
        "the application was built without rollback, and never confirms",
        "An image that works confirms itself.",
        application(rollback=False),
        {
            "expected said(tag='advanced_https_ota_example', text='App is valid, rollback cancelled successfully')": (
                "test_rollback::test_a_confirmed_update_survives_a_reset",
            ),
        },
    ),
    shows(
        Defect.CONFIRM_FIRST,
        "An image confirms itself only when it has found what it needs.",
        {
            "ota_1 is <OtaImgState.VALID: 2> in otadata": (
                "test_rollback::test_an_image_that_finds_no_network_is_rolled_back",
            ),
        },
    ),
    shows(
        Defect.CONFIRM_IN_WORDS,
        "What is said to be confirmed is.",
        {
            "ota_1 is <OtaImgState.PENDING_VERIFY: 1> in otadata": (
                "test_rollback::test_a_confirmed_update_survives_a_reset",
            ),
            "ota_1 is still PENDING_VERIFY in otadata": ("test_update::test_update_to_a_newer_version",),
        },
    ),
    shows(
        Defect.NEVER_CONFIRMS,
        "An image that works confirms itself.",
        {
            "expected said(tag='advanced_https_ota_example', text='App is valid, rollback cancelled successfully')": (
                "test_rollback::test_a_confirmed_update_survives_a_reset",
                "test_rollback::test_an_image_that_confirms_too_early_and_crashes_is_a_boot_loop",
            ),
            "expected said(tag='serial_ota', text='App is valid, rollback cancelled successfully')": (
                "test_serial_update::test_the_new_image_confirms_itself",
            ),
            "ota_1 is still PENDING_VERIFY in otadata": (
                "test_update::test_update_to_a_newer_version",
                "test_serial_update::test_an_image_that_arrives_whole_is_booted",
            ),
        },
    ),
    shows(
        Defect.RETURNS_SILENTLY,
        "An update that was installed is still there after the next restart.",
        {
            "the console's verdict is 'rolled_back'": (
                "test_update::test_update_to_a_newer_version",
                "test_serial_update::test_an_image_that_arrives_whole_is_booted",
            ),
        },
    ),
    shows(
        Defect.NO_DIAGNOSTICS,
        "native_ota confirms itself after its diagnostics.",
        {
            "expected said(text='Diagnostics (5 sec)...')": (
                "test_stock_applications::test_native_ota_confirms_itself_after_its_diagnostics",
            ),
        },
    ),
    shows(
        Defect.INVALID_VERSION_FORGOTTEN,
        "What was rolled back is not installed again.",
        {
            "said(text='Prepare to restart system!') must not come": (
                "test_stock_applications::test_native_ota_does_not_install_again_what_was_rolled_back",
            ),
        },
    ),
    shows(
        Defect.UPDATE_WHILE_PENDING,
        "An image that is not confirmed does not update.",
        {
            "text='Running app has not confirmed state (ESP_OTA_IMG_PENDING_VERIFY)')": (
                "test_rollback::test_a_second_update_is_refused_while_the_first_is_pending",
            ),
        },
    ),
    shows(
        Defect.SWITCH_AS_VALID,
        "A new image is on trial.",
        {
            "booted(slot='ota_0', app_version='1')   <- here": (
                "test_rollback::test_an_image_that_dies_at_boot_is_rolled_back",
                "test_serial_update::test_an_image_that_dies_before_it_confirms_itself_is_rolled_back",
                "test_flash_encryption::test_an_image_that_dies_is_rolled_back",
            ),
            "ota_1 is <OtaImgState.VALID: 2> in otadata": (
                "test_rollback::test_a_bootloader_without_rollback_never_arms_it",
                "test_rollback::test_without_rollback_in_the_bootloader_a_dying_image_is_a_boot_loop",
            ),
        },
    ),
    shows(
        Defect.GIVE_UP_IN_WORDS,
        "An image that gives itself up is marked invalid.",
        {
            "and not <OtaImgState.INVALID: 3>": (
                "test_rollback::test_an_image_that_fails_its_own_diagnostics_gives_itself_up",
            ),
        },
    ),
    shows(
        Defect.NO_WATCHDOG,
        "An image that hangs is noticed by a watchdog.",
        {
            "console panic()   <- here": (
                "test_rollback::test_an_image_that_a_watchdog_ends_is_rolled_back[task]",
                "test_rollback::test_an_image_that_a_watchdog_ends_is_rolled_back[interrupt]",
            ),
            "expected said(text='Task watchdog got triggered.": (
                "test_rollback::test_a_task_watchdog_that_only_complains_leaves_the_image_pending",
            ),
        },
    ),
    shows(
        Defect.ACTIVE_ENTRY_OVERWRITTEN,
        "The switch leaves the otadata entry of the running slot as it was.",
        {
            "expected said(tag='esp_ota_ops', text='Rollback to previously worked partition.')": (
                "test_rollback::test_an_image_that_fails_its_own_diagnostics_gives_itself_up",
            ),
            "ota_0 is None in otadata": ("test_otadata::test_a_panic_of_a_confirmed_image_does_not_change_the_slot",),
        },
    ),
    shows(
        BootDefect.PENDING_BOOTED_AGAIN,
        "An image that did not confirm itself is not booted again.",
        {
            "booted(slot='ota_0', app_version='1')   <- here": (
                "test_rollback::test_an_image_that_dies_at_boot_is_rolled_back",
                "test_rollback::test_losing_power_while_pending_verify_rolls_back",
                "test_rollback::test_a_reset_while_pending_verify_rolls_back",
                "test_rollback::test_an_image_that_restarts_without_confirming_comes_back_as_the_old_one",
                "test_supply::test_a_reset_leaves_something_that_runs[before_the_confirmation]",
                "test_supply::test_a_power_cut_leaves_something_that_runs[after_pending]",
            ),
        },
    ),
    shows(
        BootDefect.PENDING_CONFIRMED,
        "Only an image itself confirms that it works.",
        {
            "booted(slot='ota_0', app_version='1')   <- here": (
                "test_rollback::test_a_reset_while_pending_verify_rolls_back",
                "test_rollback::test_a_second_update_is_refused_while_the_first_is_pending",
                "test_supply::test_a_power_cut_while_an_image_gives_itself_up",
            ),
        },
    ),
    shows(
        BootDefect.ABORTED_BOOTED,
        "An image that was given up is not booted.",
        {
            "booted(slot='ota_0', app_version='1')   <- here": (
                "test_rollback::test_an_image_that_aborts_before_it_confirms_is_rolled_back",
            ),
            "boot loop: ota_1 died": ("test_supply::test_a_power_cut_in_the_rollback_still_ends_in_the_old_image",),
        },
    ),
    shows(
        BootDefect.VALID_ABORTED,
        "What has confirmed itself stays.",
        {
            "booted(slot='ota_1', app_version='2')   <- here": (
                "test_rollback::test_a_confirmed_update_survives_a_reset",
                "test_otadata::test_a_panic_of_a_confirmed_image_does_not_change_the_slot",
                "test_rollback::test_an_image_that_confirms_too_early_and_crashes_is_a_boot_loop",
            ),
        },
    ),
    shows(
        BootDefect.ABORT_NOT_ERASED,
        "The state of a slot is written to an erased sector.",
        {
            "booted(slot='ota_0', app_version='1')   <- here": (
                "test_rollback::test_an_image_that_dies_at_boot_is_rolled_back",
            ),
        },
    ),
)
