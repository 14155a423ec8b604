"""Resumption: what came before a cut or a reset is not downloaded again, and never mixed with another file."""

from __future__ import annotations

import pytest

from bench.ota import Draft, Ota
from bench.server import Cut, RangesIgnored
from bench.timeline import START, UPDATE_BOOT_PARTITION, said

pytestmark = pytest.mark.needs("ota_resumption")

KIB = 1024
resuming = pytest.mark.firmware(ota_resumption=True, idf_ver="v5.5")
resuming_v5_5 = pytest.mark.firmware(ota_resumption=True, idf_ver="v5.5", exactly=True)
resuming_v6 = pytest.mark.firmware(ota_resumption=True, idf_ver="v6.0")
resuming_in_parts = pytest.mark.firmware(ota_resumption=True, partial_http_download=True, idf_ver="v5.5")

CUT = 100_000
KEPT = CUT // KIB * KIB
"""What is known to be written when the connection ends after `CUT` bytes: whole KiB."""


def broken_off(ota: Ota, draft: Draft) -> str:
    """An update that ends in the middle, and the board waiting again after a reset; gives the path."""
    release = ota.start(draft.served(Cut(after=CUT)))
    ota.expect_gives_up("Complete data was not received.")
    ota.expect_fault("cut")
    ota.reset()
    ota.wait_for_prompt()
    assert ota.running_version == "1"
    return release.path


@pytest.mark.covers("aws: OTAE2EDisconnectResume")
@resuming
def test_an_update_goes_on_where_it_was_cut(ota: Ota, release: Draft) -> None:
    """After a cut and a reset only the rest of the image is asked for, from the last whole KiB on."""
    new = release.version("2")
    path = broken_off(ota, new)

    ota.start_again(ota.publish_again(path, new))
    ota.expect_boot_after_update(version="2")
    ota.wait_until_ready()
    assert ota.requests() == [f"GET bytes={KEPT}-"]
    assert ota.answers() == [206]
    ota.expect_verdict("updated")
    assert ota.slots[ota.other_slot].version == "2"


@pytest.mark.covers("advanced_https_ota: ota_resumption")
@resuming
@pytest.mark.needs("power_cut")
def test_an_update_goes_on_where_power_was_lost(ota: Ota, release: Draft) -> None:
    """Power lost in the middle of a write: the rest is asked for, and the image that results is the published one."""
    new = release.version("2")
    ota.supply.plan_power_cut("ota:write", nth=100)
    first = ota.start(new)
    ota.expect_power_lost()
    ota.power_cycle()
    ota.wait_for_prompt()

    ota.start_again(first)
    ota.expect_boot_after_update(version="2")
    ota.wait_until_ready()
    assert ota.requests() == [f"GET bytes={99 * KIB}-"]
    ota.expect_verdict("updated")


@pytest.mark.covers("advanced_https_ota: ota_resumption_flash_enc")
@pytest.mark.firmware(ota_resumption=True, idf_ver="v5.5", flash_encryption=True)
def test_an_update_goes_on_where_it_was_cut_on_an_encrypted_board(ota: Ota, release: Draft) -> None:
    """Resumption counts plain bytes: what stands encrypted in the slot is gone on from, and the whole image boots."""
    new = release.version("2")
    path = broken_off(ota, new)

    ota.start_again(ota.publish_again(path, new))
    ota.expect_boot_after_update(version="2")
    ota.wait_until_ready()
    assert ota.requests() == [f"GET bytes={KEPT}-"]
    ota.expect_verdict("updated")
    assert ota.slots[ota.other_slot].version == "2"


@resuming
@pytest.mark.needs("any_url")
def test_another_url_starts_afresh(ota: Ota, release: Draft) -> None:
    """What was kept of one URL is not gone on with from another."""
    broken_off(ota, release.version("2"))

    ota.update(release.version("3"), version="3")
    assert ota.requests() in (["GET"], ["GET bytes=0-"])  # since v6.0 it asks for a range even then


@pytest.mark.firmware(ota_resumption=True, version_check=False, idf_ver="v5.5")  # it is given one version twice
def test_a_finished_update_is_forgotten(ota: Ota, release: Draft) -> None:
    """After a whole download the same URL is asked for from its start again."""
    new = release.version("2")
    first = ota.start(new)
    ota.expect_boot_after_update(version="2")
    ota.wait_until_ready()

    ota.start_again(first)
    ota.expect_boot_after_update(version="2")
    ota.wait_until_ready()
    assert ota.requests() in (["GET"], ["GET bytes=0-"])


@resuming
def test_a_file_that_changed_meanwhile_is_not_booted(ota: Ota, release: Draft) -> None:
    """The end of another file behind the beginning of the first is no image."""
    path = broken_off(ota, release.version("2"))
    other = bytes(byte ^ 0x5A for byte in release.version("2").data)

    ota.start_again(ota.server.publish(path, other))
    ota.expect_refused("Image validation failed, image is corrupted")
    assert ota.requests() == [f"GET bytes={KEPT}-"]


@resuming_v5_5
def test_a_server_that_ignores_the_range_spoils_the_image(ota: Ota, release: Draft) -> None:
    """A finding in v5.5: the whole file is written behind what is there; its validation keeps it from being booted."""
    new = release.version("2")
    path = broken_off(ota, new)

    ota.start_again(ota.publish_again(path, new.served(RangesIgnored())))
    ota.expect_refused("ESP_HTTPS_OTA upgrade failed")
    ota.expect_absent(UPDATE_BOOT_PARTITION)
    ota.expect_fault("ranges-ignored")
    ota.note_finding("v5.5 takes the whole file that answers a resumed range for the rest of it")


@resuming_v5_5
def test_v5_5_stumbles_over_the_answer_that_a_range_lies_behind_the_file(ota: Ota, release: Draft) -> None:
    """A finding: after 416 it asks for the whole file, and takes what is left of the refusal for the answer."""
    path = broken_off(ota, release.version("2"))

    ota.start_again(ota.server.publish(path, release.version("2").data[:64_000]))
    ota.expect_happened(said(text="OTA resumption failed"), said(text="Restarting download from beginning"))
    ota.expect_refused("Failed to establish HTTP connection")
    ota.expect_given_up_within(10)
    assert ota.requests() == [f"GET bytes={KEPT}-", "GET"]
    assert ota.answers() == [416, 200]
    ota.note_finding("v5.5 does not recover from 416 to a resumed range: its body is left on the connection")
    ota.expect_later_update(release)


@pytest.mark.covers("advanced_https_ota: ota_resumption_range_request_support_detection")
@resuming_v6
def test_v6_notices_a_server_that_ignores_the_range(ota: Ota, release: Draft) -> None:
    """Since v6.0 the answer is looked at, and the image is downloaded from its beginning instead."""
    new = release.version("2")
    path = broken_off(ota, new)

    ota.start_again(ota.publish_again(path, new.served(RangesIgnored())))
    ota.expect_happened(
        said(text="Server ignored the requested Range header"),
        said(text="Falling back to OTA without resumption and restarting download from beginning"),
    )
    ota.expect_boot_after_update(version="2")
    ota.wait_until_ready()
    assert ota.requests() == [f"GET bytes={KEPT}-", "GET"]
    ota.expect_verdict("updated")


@resuming_v6
def test_v6_always_asks_for_a_range(ota: Ota, release: Draft) -> None:
    """Since v6.0 the first request is for a range as well, to learn whether the server has any."""
    ota.update(release.version("2"), version="2")
    assert ota.requests() == ["GET bytes=0-"]
    assert ota.answers() == [206]


@resuming_v6
def test_v6_starts_afresh_where_the_file_is_too_short_for_the_range(ota: Ota, release: Draft) -> None:
    """416 to the resumed range: a shorter file is there now, and it is downloaded from its beginning."""
    path = broken_off(ota, release.version("2"))

    ota.start_again(ota.server.publish(path, release.version("2").data[:64_000]))
    ota.expect_happened(said(text="Requested range is incorrect (status code: 416)"))
    ota.expect_refused("Image validation failed, image is corrupted")
    assert ota.requests() == [f"GET bytes={KEPT}-", "GET"]
    assert ota.answers() == [416, 200]


@pytest.mark.covers("advanced_https_ota: ota_resumption_partial_download_request")
@resuming_in_parts
@pytest.mark.needs("power_cut")
def test_a_partial_download_goes_on_in_parts(ota: Ota, release: Draft) -> None:
    """Resumed, a download in ranges goes on with the range that begins where it stopped."""
    new, size = release.version("2"), 16 * KIB
    ota.supply.plan_power_cut("ota:write", nth=100)
    first = ota.start(new)
    ota.expect(START)
    ota.expect_power_lost()
    ota.power_cycle()
    ota.wait_for_prompt()

    ota.start_again(first)
    ota.expect_boot_after_update(version="2")
    ota.wait_until_ready()
    start, length = 99 * KIB, len(new.data)
    parts = [f"GET bytes={at}-{at + size - 1}" for at in range(start, length - size, size)]
    assert ota.requests() == ["HEAD", *parts, f"GET bytes={start + len(parts) * size}-"]
    ota.expect_verdict("updated")
