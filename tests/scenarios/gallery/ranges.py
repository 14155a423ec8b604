"""Partial download and resumption: what is asked for, and what is made of the answers."""

from __future__ import annotations

from bench.images import Defect
from tests.scenarios.gallery.exhibit import application, mixed, shows

__all__ = ["EXHIBITS"]

EXHIBITS = (
    shows(
        Defect.RANGE_TWICE,
        "Every range is asked for once.",
        {
            "GET bytes=8192-12287": ("test_partial_download::test_every_range_is_asked_for_once_and_in_order",),
        },
    ),
    shows(
        Defect.LAST_RANGE_FORGOTTEN,
        "The last range may be of any size.",
        {
            "GET bytes=229376-": ("test_partial_download::test_the_last_range_may_be_of_any_size[one_byte]",),
        },
    ),
    shows(
        Defect.RANGE_ALWAYS,
        "An image within one request is asked for whole.",
        {
            "== ['HEAD', 'GET']": ("test_partial_download::test_an_image_within_one_request_is_asked_for_whole",),
        },
    ),
    shows(
        Defect.RANGES_REQUIRED,
        "A server that ignores ranges serves the image in one answer.",
        {
            "UPDATE_BOOT_PARTITION(slot=ota_1)   <- here": (
                "test_partial_download::test_a_server_that_ignores_ranges_serves_the_image_in_one_answer",
            ),
        },
    ),
    shows(
        Defect.CONTENT_RANGE_REQUIRED,
        "The bytes of a part decide, whatever its Content-Range says.",
        {
            "UPDATE_BOOT_PARTITION(slot=ota_1)   <- here": (
                "test_partial_download::test_a_wrong_content_range_goes_unnoticed",
            ),
        },
    ),
    shows(
        Defect.HEAD_IGNORED,
        "A refused HEAD ends the attempt.",
        {
            "expected said(text='Received incorrect http status 403')": (
                "test_partial_download::test_a_refused_head_is_refused",
            ),
        },
    ),
    shows(
        Defect.HEAD_ONLY,
        "Since v6.0 the length is found out where HEAD is refused.",
        {
            "UPDATE_BOOT_PARTITION(slot=ota_1)   <- here": (
                "test_partial_download::test_v6_asks_for_one_byte_where_head_is_refused",
            ),
        },
    ),
    shows(
        Defect.CONNECTION_NOT_KEPT,
        "Since v6.0 every range is asked for on one connection.",
        {
            "connections": ("test_partial_download::test_v6_asks_for_every_range_on_one_connection",),
        },
    ),
    shows(
        Defect.PART_ASKED_AGAIN,
        "A part that was cut short ends the attempt.",
        {
            "UPDATE_BOOT_PARTITION must not come": ("test_partial_download::test_a_part_cut_short_ends_the_attempt",),
        },
    ),
    shows(
        Defect.LENGTHLESS_SUCCESS,
        "Without a length nothing is installed, and nothing is said to be.",
        {
            "said(text='ESP_HTTPS_OTA upgrade successful. Rebooting ...') must not come": (
                "test_partial_download::test_without_a_length_nothing_is_installed_and_nothing_is_said_to_be",
                "test_partial_download::test_chunks_to_a_partial_download_install_nothing",
            ),
        },
    ),
    mixed(
        "a missing length is found out late",
        "the application downloads an image whose length it could not learn",
        "Since v6.0 a missing length ends the attempt before the download.",
        application(idf_ver="v5.5"),
        {
            "expected said(text='Failed to get image length from http response')": (
                "test_partial_download::test_v6_says_that_the_length_is_missing",
            ),
        },
    ),
    shows(
        Defect.RESUME_TOO_FAR,
        "An update is resumed from just what was written.",
        {
            "UPDATE_BOOT_PARTITION(slot=ota_1)   <- here": (
                "test_resumption::test_an_update_goes_on_where_it_was_cut",
                "test_resumption::test_an_update_goes_on_where_power_was_lost",
                "test_resumption::test_an_update_goes_on_where_it_was_cut_on_an_encrypted_board",
            ),
        },
    ),
    shows(
        Defect.RESUME_FROM_START,
        "What came before a cut is not downloaded again.",
        {
            "GET bytes=99328-": ("test_resumption::test_an_update_goes_on_where_it_was_cut",),
            "GET bytes=0-16383": ("test_resumption::test_a_partial_download_goes_on_in_parts",),
        },
    ),
    shows(
        Defect.RESUME_ANY_URL,
        "What was kept of one URL is not gone on with from another.",
        {
            "UPDATE_BOOT_PARTITION(slot=ota_1)   <- here": ("test_resumption::test_another_url_starts_afresh",),
        },
    ),
    shows(
        Defect.RESUME_REMEMBERED,
        "A finished update is forgotten.",
        {
            "UPDATE_BOOT_PARTITION(slot=ota_0)   <- here": ("test_resumption::test_a_finished_update_is_forgotten",),
        },
    ),
    shows(
        Defect.RESUME_TRUSTS_200,
        "Since v6.0 a whole file is not taken for the rest of it.",
        {
            "expected said(text='Server ignored the requested Range header')": (
                "test_resumption::test_v6_notices_a_server_that_ignores_the_range",
            ),
        },
    ),
    shows(
        Defect.RESUME_WITHOUT_FALLBACK,
        "A range that cannot be had leads back to the beginning.",
        {
            "expected said(text='OTA resumption failed')": (
                "test_resumption::test_v5_5_stumbles_over_the_answer_that_a_range_lies_behind_the_file",
            ),
            "expected said(text='Image validation failed, image is corrupted')": (
                "test_resumption::test_v6_starts_afresh_where_the_file_is_too_short_for_the_range",
            ),
        },
    ),
    shows(
        Defect.RESUME_UNASKED,
        "Since v6.0 the first request is for a range.",
        {
            "GET bytes=0-": ("test_resumption::test_v6_always_asks_for_a_range",),
        },
    ),
)
