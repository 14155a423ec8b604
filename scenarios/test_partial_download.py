"""Partial download: the image comes in ranges, and every range is the one that should have been asked for."""

from __future__ import annotations

import pytest

from bench.ota import Draft, Ota
from bench.server import Chunked, Cut, HeadRefused, NoLength, OffByOne, RangesIgnored, Replaced, WrongContentRange
from bench.timeline import ABORT, CONNECTED, FINISH, START, UPDATE_BOOT_PARTITION, forbid, said

pytestmark = pytest.mark.needs("partial_download")

KIB = 1024
partial = pytest.mark.firmware(partial_http_download=True)
partial_v6 = pytest.mark.firmware(partial_http_download=True, idf_ver="v6.0")


def ranges(length: int, size: int, *, start: int = 0) -> list[str]:
    """The requests that download `length` bytes in ranges of `size`; the last one is open at its end."""
    asked = [f"GET bytes={at}-{at + size - 1}" for at in range(start, length - size, size)]
    return [*asked, f"GET bytes={start + len(asked) * size}-"]


@pytest.mark.covers("advanced_https_ota: partial_request")
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(size * KIB, marks=pytest.mark.firmware(partial_http_download=True, http_request_size=size * KIB))
        for size in (4, 16, 64)
    ],
    ids=("4KiB", "16KiB", "64KiB"),
)
def test_every_range_is_asked_for_once_and_in_order(ota: Ota, release: Draft, size: int) -> None:
    """A HEAD for the length, and then one request after the other, none of them twice and none overlapping."""
    new = release.version("2")
    ota.update(new, version="2")

    assert ota.requests() == ["HEAD", *ranges(len(new.data), size)]
    assert ota.answers() == [200] + [206] * (len(ota.requests()) - 1)
    assert ota.connections() == len(ota.requests())
    assert ota.slots[ota.other_slot].version == "2"


@pytest.mark.firmware(partial_http_download=True, http_request_size=512 * KIB)
def test_an_image_within_one_request_is_asked_for_whole(ota: Ota, release: Draft) -> None:
    """No Range header where the image is not longer than one request."""
    ota.update(release.version("2"), version="2")

    assert ota.requests() == ["HEAD", "GET"]


@partial
@pytest.mark.parametrize("rest", [0, 1, 16 * KIB - 1], ids=("full", "one_byte", "one_byte_less"))
def test_the_last_range_may_be_of_any_size(ota: Ota, release: Draft, rest: int) -> None:
    """Images that end with a range, a byte behind one, or a byte before its end arrive whole."""
    new = release.version("2").padded_to(240 * KIB).with_trailing(rest)
    ota.update(new, version="2")

    assert ota.requests() == ["HEAD", *ranges(len(new.data), 16 * KIB)]


@partial
def test_a_server_that_ignores_ranges_serves_the_image_in_one_answer(ota: Ota, release: Draft) -> None:
    """A 200 with the whole file to the first range is taken whole, and nothing is asked for after it."""
    ota.update(release.version("2").served(RangesIgnored()), version="2")

    ota.expect_fault("ranges-ignored")
    assert ota.requests() == ["HEAD", "GET bytes=0-16383"]


@partial
def test_without_a_length_nothing_is_installed_and_nothing_is_said_to_be(ota: Ota, release: Draft) -> None:
    """A HEAD without Content-Length: the image comes whole, yet it is not counted as complete and not switched to."""
    ota.start(release.version("2").served(NoLength()))

    ota.expect(START, CONNECTED)
    ota.expect_refused("Complete data was not received.")
    ota.expect_absent(FINISH)
    assert ota.requests() == ["HEAD", "GET"]
    ota.note_finding("without a Content-Length a partial download takes the whole image and then gives it up")


@partial
def test_chunks_to_a_partial_download_install_nothing(ota: Ota, release: Draft) -> None:
    """A proxy that sends chunks tells no length, so there is no update, and no success that is none."""
    ota.start(release.version("2").served(Chunked()))

    ota.expect_refused("Complete data was not received.")
    ota.expect_absent(FINISH, said(text="upgrade successful"))


@partial_v6
def test_v6_says_that_the_length_is_missing(ota: Ota, release: Draft) -> None:
    """Since v6.0 a HEAD without Content-Length ends the attempt before anything is downloaded."""
    ota.start(release.version("2").served(NoLength()))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("Failed to get image length from http response")
    assert ota.requests() == ["HEAD"]


@partial
def test_a_refused_head_is_refused(ota: Ota, release: Draft) -> None:
    """A URL that is signed for GET alone refuses HEAD: until v5.5 there is no update from it."""
    ota.start(release.version("2").served(HeadRefused()))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("Received incorrect http status 403")
    assert ota.requests() == ["HEAD"]


@partial_v6
def test_v6_asks_for_every_range_on_one_connection(ota: Ota, release: Draft) -> None:
    """Since v6.0 a server that keeps its connections open is asked on one of them; the HEAD has its own."""
    new = release.version("2")
    ota.update(new, version="2")

    assert ota.requests() == ["HEAD", *ranges(len(new.data), 16 * KIB)]
    assert ota.connections() == 2


@partial_v6
def test_v6_asks_for_one_byte_where_head_is_refused(ota: Ota, release: Draft) -> None:
    """Since v6.0 the length is taken from the answer to a range of one byte."""
    new = release.version("2")
    ota.update(new.served(HeadRefused()), version="2")

    assert ota.requests() == ["HEAD", "GET bytes=0-0", *ranges(len(new.data), 16 * KIB)]


@partial
def test_parts_that_begin_a_byte_too_late_are_not_booted(ota: Ota, release: Draft) -> None:
    """The parts do not fit together: the image fails its validation."""
    ota.start(release.version("2").served(OffByOne()))

    ota.expect_refused("Image validation failed, image is corrupted")
    ota.expect_fault("off-by-one")


@partial
def test_a_file_replaced_between_two_ranges_is_not_booted(ota: Ota, release: Draft) -> None:
    """Half of one file and half of another are no image."""
    ota.start(release.version("2").served(Replaced(after=5)))

    ota.expect_refused("Image validation failed, image is corrupted")
    ota.expect_fault("replaced")


@partial
def test_a_wrong_content_range_goes_unnoticed(ota: Ota, release: Draft) -> None:
    """A finding: what the server says it sent is not compared with what was asked for; the bytes alone decide."""
    ota.update(release.version("2").served(WrongContentRange()), version="2")

    ota.expect_fault("wrong-content-range")
    ota.note_finding("Content-Range of a part is not compared with the range that was asked for")


@partial
def test_a_part_cut_short_ends_the_attempt(ota: Ota, release: Draft) -> None:
    """The connection ends in the middle of a part: nothing is asked for again, and nothing half is booted."""
    ota.start(release.version("2").served(Cut(after=5_000)))

    ota.expect_refused("Complete data was not received.")
    ota.expect_fault("cut")
    ota.expect_absent(FINISH, UPDATE_BOOT_PARTITION)
    assert ota.requests() == ["HEAD", "GET bytes=0-16383"]


@partial
@pytest.mark.parametrize(
    ("length", "because"),
    [(64_000, "Image validation failed, image is corrupted"), (180, "Complete headers were not received")],
    ids=("body", "header"),
)
def test_a_truncated_image_is_refused(ota: Ota, release: Draft, length: int, because: str) -> None:
    """Parts of an image that was published cut short add up to what was published, and that is no image."""
    ota.start(release.version("2").truncated(length))

    ota.expect_refused(because)
    assert ota.requests() == ["HEAD", *(ranges(length, 16 * KIB) if length > 16 * KIB else ["GET"])]


@partial
def test_the_own_version_is_refused_after_the_first_range(ota: Ota, release: Draft) -> None:
    """The description is in the first range, so no other is asked for."""
    ota.start(release)

    ota.expect_refused("Current running version is the same as a new. We will not continue the update.")
    ota.expect_seen(START, CONNECTED, ABORT)
    assert ota.requests() == ["HEAD", "GET bytes=0-16383"]
