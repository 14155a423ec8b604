"""Bootloader, otadata and partition table: what boots is sound, and is what otadata says."""

from __future__ import annotations

from bench.images import BootDefect, Defect
from tests.scenarios.gallery.exhibit import application, mixed, shows

__all__ = ["EXHIBITS"]

EXHIBITS = (
    shows(
        BootDefect.ANY_BOOTLOADER,
        "The ROM starts nothing that is no bootloader.",
        {
            "nothing should have booted": ("test_otadata::test_a_damaged_bootloader_boots_nothing[magic]",),
        },
    ),
    shows(
        BootDefect.ANY_TABLE,
        "A damaged partition table boots nothing.",
        {
            "expected said(tag='flash_parts', text='Incorrect MD5 checksum')": (
                "test_otadata::test_a_damaged_partition_table_boots_nothing[entry]",
                "test_otadata::test_a_damaged_partition_table_boots_nothing[md5]",
            ),
        },
    ),
    shows(
        BootDefect.ANY_IMAGE,
        "A damaged image is not booted.",
        {
            "expected said(tag='boot', text='OTA app partition slot 1 is not bootable')": (
                "test_otadata::test_a_slot_damaged_after_the_switch_is_not_booted[rodata]",
                "test_rollback::test_with_both_slots_bad_the_factory_image_runs",
            ),
            "nothing should have booted": ("test_rollback::test_with_both_slots_bad_and_no_factory_nothing_runs",),
        },
    ),
    shows(
        BootDefect.SKIP_HASH,
        "An image whose SHA-256 is wrong is not booted.",
        {
            "expected said(tag='boot', text='OTA app partition slot 1 is not bootable')": (
                "test_otadata::test_a_slot_damaged_after_the_switch_is_not_booted[flash_speed]",
            ),
        },
    ),
    shows(
        BootDefect.ANY_CRC,
        "An otadata entry whose CRC is wrong does not count.",
        {
            "booted(slot='ota_0', app_version='1')   <- here": (
                "test_otadata::test_damaged_otadata_still_boots_a_sound_slot[second_wrong_crc]",
                "test_supply::test_a_power_cut_leaves_something_that_runs[in_the_write_of_the_switch]",
            ),
        },
    ),
    shows(
        BootDefect.LOWEST_SEQUENCE,
        "The higher sequence number decides.",
        {
            "booted(slot='ota_1', app_version='2')   <- here": (
                "test_update::test_update_to_a_newer_version",
                "test_otadata::test_damaged_otadata_still_boots_a_sound_slot[second_in_an_unknown_state]",
                "test_stock_applications::test_a_newer_version_is_installed",
            ),
        },
    ),
    shows(
        BootDefect.NO_FALL_BACK,
        "Where the selected slot does not boot, another one is tried.",
        {
            "booted(slot='ota_0', app_version='1')   <- here": (
                "test_otadata::test_a_slot_damaged_after_the_switch_is_not_booted",
                "test_flash_encryption::test_ciphertext_of_the_other_slots_address_does_not_boot",
            ),
            "expected said(tag='boot', text='OTA app partition slot 0 is not bootable')": (
                "test_rollback::test_with_both_slots_bad_the_factory_image_runs",
            ),
        },
    ),
    shows(
        BootDefect.NO_FACTORY,
        "A factory image is the last resort.",
        {
            "booted(slot='factory', app_version='1')   <- here": (
                "test_rollback::test_a_dying_first_update_returns_to_factory",
                "test_otadata::test_without_otadata_the_factory_image_runs[wrong_crc]",
            ),
        },
    ),
    shows(
        BootDefect.FIRST_ENTRY_FORGOTTEN,
        "The first boot writes an otadata entry for what it booted.",
        {
            "expected said(tag='esp_ota_ops', text='Rollback to previously worked partition.')": (
                "test_rollback::test_an_image_that_fails_its_own_diagnostics_gives_itself_up",
            ),
        },
    ),
    shows(
        BootDefect.FALL_BACK_FORGETS,
        "A fall-back leaves otadata as it is.",
        {
            "ota_1 is None in otadata": ("test_rollback::test_with_both_slots_bad_and_no_factory_nothing_runs",),
            ".active_index": ("test_otadata::test_after_a_fall_back_an_update_takes_the_running_slots_entry",),
        },
    ),
    shows(
        BootDefect.SILENT,
        "Where nothing boots, the bootloader says why.",
        {
            "nobody said why": ("test_rollback::test_with_both_slots_bad_and_no_factory_nothing_runs",),
        },
    ),
    shows(
        Defect.BOTH_ENTRIES_ERASED,
        "At every moment of a switch one otadata entry is whole.",
        {
            "booted(slot='ota_1', app_version='2')   <- here": (
                "test_supply::test_a_power_cut_in_the_second_switch_leaves_the_running_slot[middle-2]",
            ),
        },
    ),
    mixed(
        "a stale entry is dropped",
        "the application drops what otadata says of the slot that it overwrites, as ESP-IDF v5.5 does",
        "Until v5.3 an update that is broken off leaves its slot's old entry behind.",
        application(idf_ver="v5.5"),
        {
            "ota_0 is None in otadata": ("test_otadata::test_an_update_broken_off_leaves_the_slots_old_state_behind",),
        },
    ),
    mixed(
        "a stale entry is kept",
        "the application keeps what otadata says of the slot that it overwrites",
        "Since v5.5 an update that is broken off leaves no entry for its slot.",
        application(idf_ver="v5.3.1"),
        {
            "== ()": ("test_otadata::test_since_v5_5_an_update_broken_off_drops_the_slots_entry",),
        },
    ),
    mixed(
        "the running slot's entry is lost",
        "the application writes the switch over the entry of the slot that runs",
        "Since v6.0 the running slot keeps its entry after a fall-back.",
        application(idf_ver="v5.5"),
        {
            "booted(slot='ota_1', app_version='2')   <- here": (
                "test_otadata::test_since_v6_0_the_running_slot_keeps_its_entry_after_a_fall_back",
            ),
        },
    ),
    mixed(
        "the running slot's entry is kept",
        "the application writes the switch as ESP-IDF v6.0 does",
        "Until v5.5 an update after a fall-back takes the running slot's entry.",
        application(idf_ver="v6.0"),
        {
            "booted(slot='ota_0', app_version='4')   <- here": (
                "test_otadata::test_after_a_fall_back_an_update_takes_the_running_slots_entry",
            ),
        },
    ),
)
