"""Answers that are no image: refused with the line that says so, in a bounded time, and nothing is left behind."""

from __future__ import annotations

import pytest

from bench.ota import Draft, Ota
from bench.ota.words import DOWNLOADED
from bench.server import Closing, Detour, NoLocation, Redirect, RedirectLoop, Status, Token, Unauthorized
from bench.timeline import ABORT, CONNECTED, FINISH, GET_IMG_DESC, START, forbid, happened, said

until_v5_3 = pytest.mark.firmware(idf_ver="v5.3.1")
digest_is_an_option = pytest.mark.firmware(idf_ver="v5.3.1", since="v5.1")
"""In v4.4 CONFIG_ESP_HTTP_CLIENT_ENABLE_DIGEST_AUTH is on where nobody says otherwise."""
since_v5_5 = pytest.mark.firmware(idf_ver="v5.5")

REFUSED = {
    400: "Client error (400)",
    403: "File not found(403)",
    404: "File not found(404)",
    416: "416)",  # a client's error, and since v5.5 a range that is incorrect
    429: "Client error (429)",
    500: "Server error (500)",
    503: "Server error (503)",
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_refusing_server_is_named_and_left(ota: Ota, release: Draft, code: int) -> None:
    """One request, one line that tells the status, and the old version stays; later the board can be updated."""
    ota.start(release.version("2").served(Status(code)))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused(REFUSED[code])
    ota.expect_given_up_within(5)
    ota.expect_fault("status")
    assert ota.answers() == [code]
    ota.expect_later_update(release)


@until_v5_3
def test_not_modified_is_no_image(ota: Ota, release: Draft) -> None:
    """304 without having asked for it: there is no body, so there are no headers of an image."""
    ota.start(release.version("2").served(Status(304)))

    ota.expect(START, CONNECTED, GET_IMG_DESC)
    ota.expect_refused("Complete headers were not received")
    ota.expect_given_up_within(5)
    ota.expect_fault("status")
    ota.expect_later_update(release)


@since_v5_5
def test_v5_5_says_that_an_image_is_not_modified(ota: Ota, release: Draft) -> None:
    """Since v5.5 a 304 ends the attempt with a line of its own."""
    ota.start(release.version("2").served(Status(304)))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("OTA image not modified since last request (status code: 304)")
    ota.expect_later_update(release)


@since_v5_5
@pytest.mark.parametrize("scheme", ["Basic", "Digest", ""], ids=["Basic", "Digest", "none"])
def test_v5_5_asks_only_once_for_what_it_cannot_be_authorized_for(ota: Ota, release: Draft, scheme: str) -> None:
    """Since v5.5 a demand that the firmware cannot meet ends the attempt at the first answer."""
    ota.start(release.version("2").served(Unauthorized(scheme)))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("Authorization Failed")
    assert ota.answers() == [401]
    ota.expect_later_update(release)


@pytest.mark.parametrize(
    "scheme", [pytest.param("Basic", marks=until_v5_3), pytest.param("Digest", marks=digest_is_an_option)]
)
def test_a_demand_for_credentials_is_given_up_after_ten_retries(ota: Ota, release: Draft, scheme: str) -> None:
    """Firmware without HTTP authentication asks eleven times, then gives up."""
    ota.start(release.version("2").served(Unauthorized(scheme)))

    ota.expect_said(f"This authentication method is not supported: {scheme}")
    ota.expect_refused("Reached max_authorization_retries (401)")
    ota.expect_given_up_within(10)
    assert ota.answers() == [401] * 11
    ota.expect_later_update(release)


@until_v5_3
def test_a_401_without_a_challenge_is_given_up_too(ota: Ota, release: Draft) -> None:
    """Nothing says how to authorize: the board says that, and gives up after ten retries."""
    ota.start(release.version("2").served(Unauthorized("")))

    ota.expect_said("This request requires authentication, but does not provide header information for that")
    ota.expect_refused("Reached max_authorization_retries (401)")
    assert ota.answers() == [401] * 11
    ota.expect_later_update(release)


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
@pytest.mark.firmware(config=("ESP_HTTP_CLIENT_ENABLE_BASIC_AUTH", "ESP_HTTP_CLIENT_ENABLE_DIGEST_AUTH"))
def test_credentials_that_are_refused_are_not_given_for_ever(ota: Ota, release: Draft, scheme: str) -> None:
    """Firmware with HTTP authentication whose credentials nobody takes gives up, too."""
    ota.start(release.version("2").served(Unauthorized(scheme)))

    ota.expect_refused("Reached max_authorization_retries (401)")
    assert ota.answers() == [401] * 11
    ota.expect_absent(said(text="This authentication method is not supported"))
    ota.expect_later_update(release)


@pytest.mark.covers("aws: OTAE2EPresignedUrlExpired")
def test_a_token_that_has_expired_is_refused(ota: Ota, release: Draft) -> None:
    """The URL was good once: the second attempt with it is refused with 403, and the running version stays."""
    put_up = ota.start(release.version("2").served(Token(requests=1)))
    ota.expect_boot_after_update(version="2")
    ota.wait_until_ready()

    ota.start_again(put_up)
    ota.expect_refused("File not found(403)")
    ota.expect_fault("token")
    ota.expect_later_update(release)


@pytest.mark.needs("partial_download")
@pytest.mark.firmware(partial_http_download=True)
def test_a_token_that_expires_in_mid_download_ends_the_attempt(ota: Ota, release: Draft) -> None:
    """A partial download asks many times with the same URL: when it expires, nothing half is booted."""
    ota.start(release.version("2").served(Token(requests=4)))

    ota.expect(*DOWNLOADED, ABORT, forbid(FINISH))
    ota.expect_refused("File not found(403)")
    ota.expect_given_up_within(10)
    ota.expect_fault("token")
    assert ota.answers() == [200, 206, 206, 206, 403]
    ota.expect_later_update(release)


def test_a_redirect_without_a_location_is_refused(ota: Ota, release: Draft) -> None:
    """A redirection that does not say where to is told as such."""
    ota.start(release.version("2").served(NoLocation()))

    ota.expect_refused("URL redirection Failed")
    ota.expect_given_up_within(5)
    assert ota.answers() == [302]
    ota.expect_later_update(release)


def test_a_redirect_to_a_bare_name_is_refused(ota: Ota, release: Draft) -> None:
    """A relative reference without a slash is no URL to http_parser, though RFC 9110 allows it."""
    ota.start(release.version("2").served(Detour(form="name")))

    ota.expect_said("Error parse url release-1.bin?hop=1")
    ota.expect_refused("URL redirection Failed")
    ota.expect_later_update(release)


def test_a_redirect_that_fills_the_request_buffer_is_refused(ota: Ota, release: Draft) -> None:
    """A Location of 600 bytes fits into no request line: the buffer has 512."""
    ota.start(release.version("2").served(Detour(padding=600)))

    ota.expect_said("Out of buffer", tag="HTTP_CLIENT")
    ota.expect_refused("Failed to open HTTP connection: ESP_FAIL")
    ota.expect_given_up_within(5)
    ota.expect_later_update(release)


def test_a_redirect_that_leaves_no_room_for_a_header_times_out(ota: Ota, release: Draft) -> None:
    """A path of 480 bytes fits, the first header behind it does not: nothing is sent, and the board waits in vain."""
    ota.start(release.version("2").served(Detour(form="path", padding=480)))

    ota.expect_said("Buffer length is small to fit all the headers", tag="HTTP_HEADER")
    ota.expect_refused("Connection timed out before data was ready!")
    ota.expect_given_up_within(15)
    assert ota.answers() == [302]
    ota.note_finding("a request line of 479 to 511 bytes is never sent, and is reported as a server's timeout")
    ota.expect_later_update(release)


def test_a_redirect_whose_headers_need_two_buffers_is_followed(ota: Ota, release: Draft) -> None:
    """A path of 445 bytes leaves room for some headers: the rest goes out behind them, and the update succeeds."""
    ota.start(release.version("2").served(Detour(form="path", padding=445)))

    ota.expect_said("Buffer length is small to fit all the headers", tag="HTTP_HEADER")
    ota.expect_boot_after_update(version="2")
    assert ota.answers() == [302, 200]


def test_a_redirect_in_a_circle_is_followed_until_a_reset(ota: Ota, release: Draft) -> None:
    """Finding: esp_https_ota counts no redirections. The board follows a circle until it is reset, unharmed."""
    ota.start(release.version("2").served(RedirectLoop()))

    ota.expect_happened(*(happened("server", "response", status=302) for _ in range(15)))
    ota.expect_absent(said(text="ESP HTTPS OTA Begin failed"), CONNECTED)
    ota.note_finding("a redirection in a circle is followed without end: no time to failure")
    ota.expect_unharmed()
    ota.expect_later_update(release)


def test_a_redirect_to_nobody_is_refused(ota: Ota, release: Draft) -> None:
    """The redirection leads to a port where nobody listens."""
    ota.start(release.version("2").served(Redirect("https://127.0.0.1:1/release.bin")))

    ota.expect_refused("Failed to open HTTP connection: ESP_ERR_HTTP_CONNECT")
    ota.expect_given_up_within(10)
    ota.expect_later_update(release)


@pytest.mark.firmware(until="v6.0")  # v6.0 and v6.0.1 open a new connection whenever they ask again
def test_a_redirect_by_a_closing_server_is_lost(ota: Ota, release: Draft) -> None:
    """Finding: the board asks again on the connection that the server has just closed, and gives up."""
    ota.start(release.version("2").served(Detour(form="path"), Closing()))

    ota.expect_refused("Failed to establish HTTP connection")
    ota.expect_given_up_within(15)
    assert ota.answers() == [302]
    ota.note_finding("a redirection to the same host with `Connection: close` fails: the connection is used again")
    ota.expect_later_update(release)
