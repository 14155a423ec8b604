"""Downloads that break, stall, lie about their length or are something else: nothing half is ever booted."""

from __future__ import annotations

import pytest

from bench.ota import Draft, Ota
from bench.ota.words import DOWNLOADED
from bench.server import (
    Alert,
    Chunked,
    Close,
    Cut,
    Drip,
    Fault,
    Gzip,
    HtmlPage,
    Late,
    NoLength,
    Reset,
    Stall,
    WrongLength,
)
from bench.timeline import ABORT, CONNECTED, FINISH, GET_IMG_DESC, START, VERIFY_CHIP_ID, forbid, happened, said

ENDED = "data read -1, errno 128"  # lwIP tells a FIN as ENOTCONN
INCOMPLETE = "Complete data was not received."

BROKEN = {
    "fin": ((Cut(after=100_000),), ENDED),
    "close_notify": ((Close(after=100_000),), ENDED),
    "rst": ((Reset(after=100_000),), "read error :-0x0050"),
    "alert": ((Alert(after=100_000),), "read error :-0x7780"),
    "fin_in_a_chunk": ((Chunked(), Cut(after=100_000)), ENDED),
    "close_notify_in_a_chunk": ((Chunked(), Close(after=100_000)), ENDED),
    "fin_after_a_drip": ((Drip(piece=700), Cut(after=50_000)), ENDED),
    "length_too_long": ((WrongLength(by=1000),), ENDED),
}


@pytest.mark.parametrize(("faults", "line"), BROKEN.values(), ids=BROKEN.keys())
def test_a_download_that_breaks_off_is_refused(ota: Ota, release: Draft, faults: tuple[Fault, ...], line: str) -> None:
    """However the connection ends in mid-body, the board says how, aborts, and keeps its version."""
    ota.start(release.version("2").served(*faults))

    ota.expect(*DOWNLOADED, ABORT, forbid(FINISH))
    ota.expect_seen(said(text=line))
    ota.expect_refused(INCOMPLETE)
    ota.expect_fault(faults[-1].name)
    ota.expect_later_update(release)


@pytest.mark.parametrize("fault", [Cut(after=0), Cut(after=500), Alert(after=0), Close(after=500)], ids=str)
def test_a_download_that_breaks_off_in_the_image_header_is_refused(ota: Ota, release: Draft, fault: Fault) -> None:
    """The first kilobyte never comes whole: there is no description to read."""
    ota.start(release.version("2").served(fault))

    ota.expect(START, CONNECTED, GET_IMG_DESC, ABORT, forbid(VERIFY_CHIP_ID, FINISH))
    ota.expect_refused("Complete headers were not received")
    ota.expect_given_up_within(5)
    ota.expect_fault(fault.name)
    ota.expect_later_update(release)


def test_a_length_that_is_too_short_cuts_the_image(ota: Ota, release: Draft) -> None:
    """The board believes the announced length, and its validation finds that the image ends too early."""
    ota.start(release.version("2").served(WrongLength(by=-5000)))

    ota.expect(*DOWNLOADED, FINISH)
    ota.expect_refused("Image validation failed, image is corrupted")
    ota.expect_fault("wrong-length")
    ota.expect_later_update(release)


def test_an_image_cut_without_a_length_fails_its_validation(ota: Ota, release: Draft) -> None:
    """Without a length an early end looks like the end: only the image's own checksum tells."""
    ota.start(release.version("2").served(NoLength(), Cut(after=100_100)))

    ota.expect(*DOWNLOADED, FINISH)
    ota.expect_refused("Image validation failed, image is corrupted")
    ota.expect_fault("cut")
    ota.expect_later_update(release)


# -- silence

RECEIVE_TIMEOUT = 5.0
"""Seconds: CONFIG_EXAMPLE_OTA_RECV_TIMEOUT."""


def test_a_server_that_never_answers_is_given_up(ota: Ota, release: Draft) -> None:
    """No byte of an answer within the receive timeout of 5 s: the board gives up."""
    ota.start(release.version("2").served(Late()))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("Failed to establish HTTP connection")
    ota.expect_seen(said(text="Connection timed out before data was ready!"))
    ota.expect_given_up_within(15)
    ota.expect_fault("late")
    ota.expect_later_update(release)


@pytest.mark.firmware(log_level="debug")
@pytest.mark.parametrize("after", [500, 100_000], ids=["in_the_header", "in_the_body"])
def test_a_stall_is_waited_out_without_end(ota: Ota, release: Draft, after: int) -> None:
    """Finding: a stalled body is waited for as long as the connection lives. A reset ends it, unharmed."""
    ota.start(release.version("2").served(Stall(after=after)))

    ota.expect_happened(*(said(tag="esp_https_ota", text="Call timed out before data was ready") for _ in range(2)))
    ota.expect_fault("stall")
    ota.expect_absent(ABORT, FINISH)
    ota.note_finding("a server that stalls with its socket open is waited for without end: no time to failure")
    ota.expect_unharmed()
    ota.expect_later_update(release)


@pytest.mark.firmware(app="native_ota")
def test_native_ota_gives_a_stalled_download_up(ota: Ota, release: Draft) -> None:
    """native_ota takes the receive timeout for an error: it is bounded where esp_https_ota is not."""
    ota.start(release.version("2").served(Stall(after=100_000)))

    ota.expect_refused("Error: SSL data read error")
    ota.expect_fault("stall")


def test_a_stall_that_ends_does_no_harm(ota: Ota, release: Draft) -> None:
    """Silence longer than the receive timeout, then the rest: the update succeeds."""
    ota.start(release.version("2").served(Stall(after=100_000, seconds=ota.silence_beyond(RECEIVE_TIMEOUT))))

    ota.expect_fault_soon("stall")
    ota.expect_boot_after_update(version="2")
    ota.expect_silence(RECEIVE_TIMEOUT)


# -- something else


def test_a_compressed_image_is_refused(ota: Ota, release: Draft) -> None:
    """esp_http_client does not unpack: gzip is no image."""
    ota.start(release.version("2").served(Gzip()))

    ota.expect(START, CONNECTED, GET_IMG_DESC, ABORT, forbid(VERIFY_CHIP_ID, FINISH))
    ota.expect_refused("Incorrect app descriptor magic")
    ota.expect_fault("gzip")
    ota.expect_later_update(release)


PAGES = {"short": (300, "Complete headers were not received"), "long": (4096, "Incorrect app descriptor magic")}


@pytest.mark.parametrize(("size", "line"), PAGES.values(), ids=PAGES.keys())
def test_a_page_instead_of_an_image_is_refused(ota: Ota, release: Draft, size: int, line: str) -> None:
    """A login page with status 200 is no image, whether it is longer than an image's headers or not."""
    ota.start(release.version("2").served(HtmlPage(size=size)))

    ota.expect(START, CONNECTED, GET_IMG_DESC, ABORT, forbid(VERIFY_CHIP_ID, FINISH))
    ota.expect_refused(line)
    ota.expect_fault("html-page")
    ota.expect_later_update(release)


@pytest.mark.needs("network_control")
def test_a_network_that_goes_away_in_mid_download_is_given_up(ota: Ota, release: Draft) -> None:
    """The cable is pulled: keep-alive gives the connection up, the board aborts, and keeps its version."""
    ota.start(release.version("2").served(Stall(after=100_000)))

    ota.expect(*DOWNLOADED)
    ota.expect_fault_soon("stall")
    ota.supply.set_network(False)
    ota.expect_gives_up(INCOMPLETE)
    ota.expect_seen(said(text="errno=Software caused connection abort"))
    ota.expect_given_up_within(60)
    ota.expect_absent(happened("server", "response", complete=True))
    ota.supply.set_network(True)
    ota.expect_unharmed()
    ota.expect_later_update(release)
