"""Plain HTTP: what the firmware did is stated as a finding, for the release policy to judge."""

from __future__ import annotations

import pytest

from bench.ota import Draft, Ota
from bench.ota.words import DOWNLOADED
from bench.server import Cut, Fault, NotFound, PlainHttp, Redirect, Reset
from bench.timeline import ABORT, CONNECTED, FINISH, START, UPDATE_BOOT_PARTITION, forbid, happened, said


def test_a_plain_url_is_taken_although_http_is_not_allowed(ota: Ota, release: Draft) -> None:
    """Finding: with a certificate configured, CONFIG_ESP_HTTPS_OTA_ALLOW_HTTP off does not keep HTTP out."""
    ota.start(release.version("2").served(PlainHttp()))

    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION(slot=ota.other_slot), FINISH, forbid(ABORT))
    ota.expect_fault("plain-http")
    ota.expect_absent(happened("server", "tls"))
    ota.note_finding("an http:// URL is taken: the image comes without TLS")
    ota.expect_updated(version="2")


def test_a_redirect_from_https_to_http_is_followed(ota: Ota, release: Draft) -> None:
    """Finding: esp_http_client lets itself be sent from TLS to plain HTTP."""
    there = ota.publish(release.version("2").served(PlainHttp()))
    ota.start(release.version("2").served(Redirect(there.url)))

    ota.expect_boot_after_update(version="2")
    ota.expect_fault("plain-http")
    assert ota.answers() == [302, 200]
    ota.note_finding("a redirection from https:// to http:// is followed: the image comes without TLS")


def test_a_redirect_from_http_to_https_is_followed(ota: Ota, release: Draft) -> None:
    """The usual redirection of a web server to its secure self leads to the image."""
    there = ota.publish(release.version("2"))
    ota.start(release.version("2").served(PlainHttp(), Redirect(there.url, code=301)))

    ota.expect_boot_after_update(version="2")
    ota.expect_seen(happened("server", "tls", ok=True))
    assert ota.answers() == [301, 200]


def test_a_missing_file_is_refused_without_tls_too(ota: Ota, release: Draft) -> None:
    """A 404 page is not an image, however it comes."""
    ota.start(release.version("2").served(PlainHttp(), NotFound()))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("File not found(404)")
    ota.expect_later_update(release)


BROKEN = {
    "fin": (Cut(after=100_000), "errno=Socket is not connected"),
    "rst": (Reset(after=100_000), "tcp_read error, errno=Connection reset by peer"),
}


@pytest.mark.parametrize(("fault", "line"), BROKEN.values(), ids=BROKEN.keys())
def test_a_plain_download_that_breaks_off_is_refused(ota: Ota, release: Draft, fault: Fault, line: str) -> None:
    """Without TLS the end of the connection is told in lwIP's words, and the old version stays."""
    ota.start(release.version("2").served(PlainHttp(), fault))

    ota.expect(*DOWNLOADED, ABORT, forbid(FINISH))
    ota.expect_refused("Complete data was not received.")
    ota.expect_seen(said(tag="transport_base", text=line))
    ota.expect_fault(fault.name)
    ota.expect_later_update(release)
