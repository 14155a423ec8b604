"""Servers and networks: what is no image is not taken for one, and every wait has an end."""

from __future__ import annotations

from bench.images import Defect
from tests.scenarios.gallery.exhibit import application, mixed, shows

__all__ = ["EXHIBITS"]

EXHIBITS = (
    shows(
        Defect.ANY_STATUS,
        "Only an answer that holds an image is read as one.",
        {
            "expected said(text='File not found(404)')": (
                "test_http_status::test_a_refusing_server_is_named_and_left[404]",
                "test_server_refused::test_a_missing_file_is_refused",
                "test_plain_http::test_a_missing_file_is_refused_without_tls_too",
                "test_stock_applications::test_a_missing_file_is_refused[simple_ota]",
            ),
            "expected said(text='Server error (503)')": (
                "test_http_status::test_a_refusing_server_is_named_and_left[503]",
                "test_served_otherwise::test_an_update_succeeds_after_the_server_was_unavailable",
            ),
            "expected said(text='File not found(403)')": (
                "test_http_status::test_a_token_that_has_expired_is_refused",
            ),
            "ABORT   <- here": ("test_http_status::test_a_token_that_expires_in_mid_download_ends_the_attempt",),
        },
    ),
    shows(
        Defect.SHORT_BODY,
        "A body that ended before its length is not taken for whole.",
        {
            "ABORT   <- here": (
                "test_refused_images::test_a_connection_cut_in_the_middle_is_refused",
                "test_broken_transfers::test_a_download_that_breaks_off_is_refused[fin]",
                "test_broken_transfers::test_a_download_that_breaks_off_is_refused[close_notify]",
                "test_broken_transfers::test_a_download_that_breaks_off_is_refused[fin_in_a_chunk]",
                "test_broken_transfers::test_a_download_that_breaks_off_is_refused[length_too_long]",
                "test_plain_http::test_a_plain_download_that_breaks_off_is_refused[fin]",
            ),
            "expected said(text='Error: SSL data read error')": (
                "test_stock_applications::test_a_connection_cut_in_the_middle_is_refused[native_ota]",
            ),
        },
    ),
    shows(
        Defect.GOODBYE_REQUIRED,
        "A body that came whole is taken, however its connection ends.",
        {
            "VERIFY_CHIP_ID   <- here": (
                "test_served_otherwise::test_a_good_image_is_installed_although_tls_does_not_say_goodbye",
            ),
        },
    ),
    shows(
        Defect.HTTP_REFUSED,
        "An http:// URL is taken where a certificate is configured.",
        {
            "CONNECTED   <- here": ("test_plain_http::test_a_plain_url_is_taken_although_http_is_not_allowed",),
        },
    ),
    shows(
        Defect.CHUNKS_AS_CONTENT,
        "A body in chunks is put together.",
        {
            "VERIFY_CHIP_ID   <- here": (
                "test_served_otherwise::test_an_update_served_in_another_way_is_installed[chunked]",
            ),
            "said(text='Prepare to restart system!')   <- here": (
                "test_served_otherwise::test_native_ota_installs_an_image_that_comes_in_chunks",
                "test_stock_applications::test_native_ota_takes_an_image_in_chunks",
            ),
        },
    ),
    shows(
        Defect.LENGTH_REQUIRED,
        "A body without a length is taken to its end.",
        {
            "CONNECTED   <- here": ("test_served_otherwise::test_an_image_without_a_length_is_installed",),
        },
    ),
    shows(
        Defect.SMALL_HEADERS,
        "An answer may have more headers than fit into one buffer.",
        {
            "CONNECTED   <- here": (
                "test_served_otherwise::test_an_update_served_in_another_way_is_installed[many_headers]",
            ),
        },
    ),
    shows(
        Defect.REDIRECT_IGNORED,
        "A redirection leads to the image.",
        {
            "CONNECTED   <- here": ("test_served_otherwise::test_a_redirect_is_followed",),
            "UPDATE_BOOT_PARTITION(slot=ota_1)   <- here": (
                "test_plain_http::test_a_redirect_from_https_to_http_is_followed",
                "test_plain_http::test_a_redirect_from_http_to_https_is_followed",
            ),
            "expected said(tag='HTTP_HEADER', text='Buffer length is small to fit all the headers')": (
                "test_http_status::test_a_redirect_whose_headers_need_two_buffers_is_followed",
            ),
        },
    ),
    shows(
        Defect.LATER_REDIRECTS_UNKNOWN,
        "Every kind of redirection leads to the image.",
        {
            "CONNECTED   <- here": (
                "test_served_otherwise::test_a_redirect_is_followed[307]",
                "test_served_otherwise::test_a_redirect_is_followed[308]",
            ),
        },
    ),
    shows(
        Defect.ONE_REDIRECT,
        "Redirections are followed as often as they come.",
        {
            "CONNECTED   <- here": ("test_served_otherwise::test_two_redirects_are_followed",),
            "expected server response(status=302)": (
                "test_http_status::test_a_redirect_in_a_circle_is_followed_until_a_reset",
            ),
        },
    ),
    shows(
        Defect.REDIRECT_RECONNECTS,
        "A redirection to the same server is followed on the connection that is open.",
        {
            "connections": ("test_served_otherwise::test_a_redirect_is_followed",),
            "UPDATE_BOOT_PARTITION must not come": ("test_http_status::test_a_redirect_by_a_closing_server_is_lost",),
        },
    ),
    shows(
        Defect.REDIRECT_TO_ITSELF,
        "A redirection that leads nowhere is refused.",
        {
            "expected said(text='URL redirection Failed')": (
                "test_http_status::test_a_redirect_without_a_location_is_refused",
            ),
        },
    ),
    shows(
        Defect.BARE_NAME_TAKEN,
        "A redirection is only followed to what is a URL or a path.",
        {
            "expected said(text='Error parse url release-1.bin?hop=1')": (
                "test_http_status::test_a_redirect_to_a_bare_name_is_refused",
            ),
        },
    ),
    shows(
        Defect.LONG_REQUEST,
        "A request whose first line does not fit into the buffer is not sent.",
        {
            "expected said(tag='HTTP_CLIENT', text='Out of buffer')": (
                "test_http_status::test_a_redirect_that_fills_the_request_buffer_is_refused",
            ),
        },
    ),
    shows(
        Defect.CONNECT_FOR_EVER,
        "Where nobody listens the attempt ends.",
        {
            "expected said(text='Failed to open HTTP connection: ESP_ERR_HTTP_CONNECT')": (
                "test_http_status::test_a_redirect_to_nobody_is_refused",
            ),
        },
    ),
    shows(
        Defect.QUERY_DROPPED,
        "The query of a URL is sent.",
        {
            "CONNECTED   <- here": ("test_served_otherwise::test_a_token_in_the_url_is_sent_as_it_stands",),
        },
    ),
    shows(
        Defect.CREDENTIALS_WITHHELD,
        "Credentials in the URL answer a challenge.",
        {
            "CONNECTED   <- here": ("test_served_otherwise::test_credentials_in_the_url_open_the_door",),
        },
    ),
    shows(
        Defect.CREDENTIALS_TOLD,
        "No password is printed to the console.",
        {
            "the console tells a secret": ("test_served_otherwise::test_credentials_in_the_url_open_the_door",),
        },
    ),
    shows(
        Defect.AUTHORIZE_FOR_EVER,
        "A demand for credentials is given up after ten retries.",
        {
            "expected said(text='Reached max_authorization_retries (401)')": (
                "test_http_status::test_a_demand_for_credentials_is_given_up_after_ten_retries",
                "test_http_status::test_a_401_without_a_challenge_is_given_up_too",
                "test_http_status::test_credentials_that_are_refused_are_not_given_for_ever",
            ),
        },
    ),
    mixed(
        "a demand that cannot be met is tried again",
        "the application asks again where it cannot authorize itself",
        "Since v5.5 a demand that cannot be met ends the attempt at once.",
        application(idf_ver="v5.3.1"),
        {
            "expected said(text='Authorization Failed')": (
                "test_http_status::test_v5_5_asks_only_once_for_what_it_cannot_be_authorized_for",
            ),
            "expected said(text='OTA image not modified since last request (status code: 304)')": (
                "test_http_status::test_v5_5_says_that_an_image_is_not_modified",
            ),
        },
    ),
    shows(
        Defect.RETRY_FOR_EVER,
        "An answer that does not come is given up after the receive timeout.",
        {
            "expected said(text='Failed to establish HTTP connection')": (
                "test_broken_transfers::test_a_server_that_never_answers_is_given_up",
            ),
            "expected said(text='Connection timed out before data was ready!')": (
                "test_http_status::test_a_redirect_that_leaves_no_room_for_a_header_times_out",
            ),
        },
    ),
    shows(
        Defect.HANDSHAKE_FOR_EVER,
        "A handshake that does not end is given up.",
        {
            "expected said(text='ESP HTTPS OTA Begin failed')": (
                "test_tls::test_a_handshake_that_is_never_finished_is_given_up",
            ),
        },
    ),
    shows(
        Defect.SILENCE_IS_FATAL,
        "A download goes on when the server does.",
        {
            "UPDATE_BOOT_PARTITION(slot=ota_1)   <- here": (
                "test_broken_transfers::test_a_stall_that_ends_does_no_harm",
            ),
            "expected said(tag='esp_https_ota', text='Call timed out before data was ready')": (
                "test_broken_transfers::test_a_stall_is_waited_out_without_end[in_the_body]",
            ),
        },
    ),
    shows(
        Defect.READ_FOR_EVER,
        "native_ota gives a stalled download up.",
        {
            "expected said(text='Error: SSL data read error')": (
                "test_broken_transfers::test_native_ota_gives_a_stalled_download_up",
            ),
        },
    ),
    shows(
        Defect.NO_KEEP_ALIVE,
        "A network that is gone is noticed.",
        {
            "expected said(text='Complete data was not received.')": (
                "test_broken_transfers::test_a_network_that_goes_away_in_mid_download_is_given_up",
            ),
        },
    ),
)
