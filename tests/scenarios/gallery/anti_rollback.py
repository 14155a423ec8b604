"""Anti-rollback: what is too old never runs, and the eFuse moves when it should."""

from __future__ import annotations

from bench.images import BootDefect, Defect
from tests.scenarios.gallery.exhibit import application, bootloader, both, mixed, shows

__all__ = ["EXHIBITS"]

EXHIBITS = (
    mixed(
        "the application does not check the secure version",
        "the application does not check the secure version before the download",
        "An image that is too old is refused before it is downloaded.",
        application(secure_version_check=False),
        {
            "expected said(text='New firmware security version is less than eFuse programmed, 0 < 1')": (
                "test_anti_rollback::test_a_lower_secure_version_is_refused_before_the_download",
            ),
        },
    ),
    mixed(
        "nobody checks the secure version",
        "neither application nor bootloader has anti-rollback",
        "An image that is too old is not switched to.",
        both(anti_rollback=False),
        {
            "FINISH   <- here": ("test_anti_rollback::test_a_lower_secure_version_is_refused_at_the_end_and_erased",),
        },
    ),
    mixed(
        "the bootloader does not check the secure version",
        "the bootloader was built without anti-rollback",
        "An image that is too old is never booted.",
        bootloader(anti_rollback=False),
        {
            "nothing should have booted": ("test_anti_rollback::test_a_slot_that_is_too_old_is_never_a_fallback",),
        },
    ),
    shows(
        Defect.TOO_OLD_KEPT,
        "An image that is too old is erased when it is refused at the end.",
        {
            "must have been erased": (
                "test_anti_rollback::test_a_lower_secure_version_is_refused_at_the_end_and_erased",
            ),
        },
    ),
    shows(
        Defect.EQUAL_SECURE_VERSION_REFUSED,
        "The same secure version may replace itself.",
        {
            "UPDATE_BOOT_PARTITION(slot=ota_1)   <- here": (
                "test_anti_rollback::test_no_lower_secure_version_is_accepted[equal]",
            ),
        },
    ),
    shows(
        Defect.BURN_EARLY,
        "The secure version is raised by nothing but a confirmation.",
        {
            "secure_version": ("test_anti_rollback::test_the_secure_version_advances_only_after_confirmation",),
            "expected said(tag='esp_ota_ops', text='Rollback to previously worked partition.')": (
                "test_anti_rollback::test_before_confirmation_there_is_a_way_back",
            ),
        },
    ),
    mixed(
        "the chip's eFuse is burnt by the download",
        "the application burns the chip's own eFuse before the new image has confirmed itself",
        "The chip's eFuse is burnt by nothing but a confirmation.",
        application(defect=Defect.BURN_EARLY),
        {
            "secure_version": ("test_anti_rollback::test_real_efuses_move_on_confirmation_and_for_ever",),
        },
    ),
    shows(
        Defect.BURN_NEVER,
        "A confirmation raises the secure version.",
        {
            "secure_version": ("test_anti_rollback::test_the_secure_version_advances_only_after_confirmation",),
            "no efuse partition in partition_table?": (
                "test_anti_rollback::test_without_a_partition_for_emulated_efuses_a_confirmation_is_fatal",
            ),
        },
    ),
    shows(
        Defect.BURN_TOO_LITTLE,
        "The secure version is raised to that of the image.",
        {
            "secure_version": (
                "test_anti_rollback::test_the_last_secure_version_can_be_reached",
                "test_anti_rollback::test_no_lower_secure_version_is_accepted[higher]",
            ),
        },
    ),
    shows(
        Defect.GIVE_UP_ANYWAY,
        "What is confirmed does not return to an image that is too old.",
        {
            "text='Rollback is not possible, do not have any suitable apps in slots')": (
                "test_anti_rollback::test_after_confirmation_there_is_no_way_back",
            ),
        },
    ),
    shows(
        BootDefect.BURN_PENDING,
        "The first boot of a new image does not raise the secure version.",
        {
            "secure_version": ("test_anti_rollback::test_the_secure_version_advances_only_after_confirmation",),
        },
    ),
    shows(
        BootDefect.BURN_NEVER,
        "A boot of a confirmed image makes up for a secure version that was not raised.",
        {
            "secure_version": (
                "test_anti_rollback::test_a_power_cut_while_burning_is_made_good_at_the_next_boot",
                "test_anti_rollback::test_erased_emulated_efuses_forget_the_secure_version",
            ),
        },
    ),
    shows(
        BootDefect.EMULATED_EFUSES_KEPT,
        "Emulated eFuses count as the chip's own would.",
        {
            "nothing should have booted": (
                "test_anti_rollback::test_corrupt_emulated_efuses_lock_out_what_is_too_old_for_them",
            ),
        },
    ),
)
