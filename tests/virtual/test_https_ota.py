"""esp_https_ota on the virtual board: its events and their payloads, and what it asks the server for."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import trustme

from bench.flash.otadata import OtaData, OtaImgState, SelectEntry
from bench.images import Image, random_payload
from bench.virtual.idf.err import EspErr, EspError
from bench.virtual.idf.http_client import HttpConfig
from bench.virtual.idf.https_ota import HttpsOta, HttpsOtaConfig, OtaEvent
from bench.virtual.idf.ota_ops import OtaOps
from bench.virtual.idf.tls import Trust
from tests.reference import reference
from tests.virtual.lifelike import Console, Life, firmware, live
from tests.virtual.peer import Script, answering, response, serve
from tests.virtual.stories import ranges

_CA = b"-----BEGIN CERTIFICATE-----\nnot looked at, the server speaks plain HTTP\n"


class Update:
    """One update over plain HTTP, by hand."""

    def __init__(self, life: Life, url: str, image: Image, max_request: int | None = None) -> None:
        self.events: list[tuple[OtaEvent, int | None]] = []
        running = life.running(image)
        config = HttpsOtaConfig(HttpConfig(url, Trust(_CA.decode()), 200), self._event, max_request=max_request)
        self.ota = HttpsOta(running, OtaOps(running), config)

    def _event(self, event: OtaEvent, payload: int | None) -> None:
        self.events.append((event, payload))

    def perform(self) -> None:
        while self.ota.perform():
            pass


def updating(
    script: Script, then: Callable[[Life, Update], None], *, max_request: int | None = None, old: Image | None = None
) -> list[bytes]:
    """Begin an update, do `then`, and return what the server was asked."""
    with serve(script) as peer, live() as life:
        update = Update(life, peer.url(scheme="http"), old or firmware(), max_request)
        try:
            then(life, update)
        finally:
            update.ota.close()
        return peer.requests


def test_events_and_payloads_of_a_whole_update() -> None:
    new = firmware("2")

    def then(_life: Life, update: Update) -> None:
        assert update.ota.get_img_desc().version == "2"
        update.perform()
        assert update.ota.is_complete_data_received()
        update.ota.finish()
        written = [payload for event, payload in update.events if event is OtaEvent.WRITE_FLASH]
        length = len(new.to_bytes())
        assert written == [*range(1024, length, 1024), length]
        assert [one for one in update.events if one[0] is not OtaEvent.WRITE_FLASH] == [
            (OtaEvent.START, None),
            (OtaEvent.CONNECTED, None),
            (OtaEvent.GET_IMG_DESC, None),
            (OtaEvent.VERIFY_CHIP_ID, 5),
            (OtaEvent.UPDATE_BOOT_PARTITION, 16),
            (OtaEvent.FINISH, None),
        ]

    updating(answering(response(new.to_bytes())), then)


def test_a_debug_build_prints_what_is_written_as_a_real_one_does() -> None:
    real = Console(bytearray(reference("serial/v5.1.4_dbg_ok.log").read_bytes())).lines
    written = [int(line.split()[-2]) for line in real if re.search(r"Writing to flash: \d+ written", line)]
    assert written == [*range(1024, written[-1], 1024), written[-1]]
    authority = trustme.CA()
    embedded = (b"FROM_STDIN", authority.cert_pem.bytes())
    new = firmware("2", embedded=embedded)
    with serve(answering(response(new.to_bytes())), authority=authority) as peer, live() as life:
        life.run(firmware("1", embedded=embedded, level="debug"), peer.url())
        told = [line for line in life.console.lines if "Writing to flash" in line]
        length = len(new.to_bytes())
        said = [f"D advanced_https_ota_example: Writing to flash: {n} written" for n in range(1024, length, 1024)]
        assert told == [*said, f"D advanced_https_ota_example: Writing to flash: {length} written"]
        assert "D esp_https_ota: Written image length 1024" in life.console.lines


@pytest.mark.parametrize("size", [16384, 50_000])
def test_a_partial_download_asks_for_ranges_one_connection_each(size: int) -> None:
    new = firmware("2").to_bytes()

    def then(life: Life, update: Update) -> None:
        update.perform()
        assert update.ota.is_complete_data_received()
        update.ota.finish()
        assert life.content("ota_0").startswith(new)

    requests = updating(ranges(new), then, max_request=size)
    asked = [re.search(rb"Range: bytes=(\S+)", request) for request in requests]
    assert requests[0].startswith(b"HEAD ")
    assert asked[0] is None
    starts = range(0, len(new), size)
    assert [found[1].decode() for found in asked if found] == [
        f"{start}-{start + size - 1}" if start + size < len(new) else f"{start}-" for start in starts
    ]


def test_an_image_that_fits_one_request_is_asked_for_whole() -> None:
    new = firmware("2").to_bytes()
    requests = updating(ranges(new), lambda _life, update: update.perform(), max_request=len(new))
    assert [request.split(b" ")[0] for request in requests] == [b"HEAD", b"GET"]
    assert b"Range" not in requests[1]


@pytest.mark.parametrize("revision", [0, 4])
def test_chip_revisions_are_looked_at_since_v5_5(revision: int) -> None:
    new = firmware("2").with_min_chip_rev_full(revision).to_bytes()
    old = firmware(idf_ver="v5.5", embedded=(b"ESP_HTTPS_OTA_VERIFY_CHIP_REVISION",))

    def then(_life: Life, update: Update) -> None:
        if revision:
            with pytest.raises(EspError) as failed:
                update.perform()
            assert failed.value.code == EspErr.ESP_ERR_INVALID_VERSION
        else:
            update.perform()
        assert (OtaEvent.VERIFY_CHIP_REVISION, revision) in update.events

    updating(answering(response(new)), then, old=old)


@pytest.mark.parametrize(
    ("burnt", "least", "most", "refusal"),
    [
        ((), 7, 0, "Required >= v0.7, found v0.3."),
        (("WAFER_VERSION_MINOR",), 7, 0, None),
        ((), 0, 5, None),
        (("WAFER_VERSION_MINOR",), 0, 5, "Required <= v0.5, found v0.7."),
        (("WAFER_VERSION_MINOR", "DISABLE_WAFER_VERSION_MAJOR"), 0, 5, None),
        (("DISABLE_WAFER_VERSION_MAJOR",), 7, 0, "Required >= v0.7, found v0.3."),
    ],
)
def test_the_revision_is_that_of_the_efuses(burnt: tuple[str, ...], least: int, most: int, refusal: str | None) -> None:
    """A later chip than the one that the model's table describes, and one whose later revisions do no harm."""
    values = {"WAFER_VERSION_MINOR": 7, "DISABLE_WAFER_VERSION_MAJOR": 1}
    new = firmware("2").with_min_chip_rev_full(least).with_max_chip_rev_full(most).to_bytes()
    literals = (b"ESP_HTTPS_OTA_VERIFY_CHIP_REVISION", b"chip revision check failed. Required >= v%d.%d, found v%d.%d.")

    def then(life: Life, update: Update) -> None:
        efuse = life.machine.efuse
        for name in burnt:
            efuse.put(efuse.blocks.burnt(name, values[name]).to_bytes())
        if refusal is None:
            update.perform()
            return
        with pytest.raises(EspError) as failed:
            update.perform()
        assert failed.value.code == EspErr.ESP_ERR_INVALID_VERSION
        assert life.console.lines[-1] == f"E boot_comm: chip revision check failed. {refusal}"

    updating(answering(response(new)), then, old=firmware(idf_ver="v5.5", embedded=literals))


def test_an_unconfirmed_image_cannot_be_updated() -> None:
    """The refusal comes late: after connecting and reading the header, before anything is written."""
    pending = OtaData.erased().with_entry(0, SelectEntry.for_seq(1, OtaImgState.PENDING_VERIFY))
    authority = trustme.CA()
    # this build does not confirm itself: its confirmation is not compiled in
    image = firmware(
        options=("rollback",),
        embedded=(b"FROM_STDIN", authority.cert_pem.bytes()),
        without="App is valid, rollback cancelled successfully",
    )
    with serve(answering(response(firmware("2").to_bytes())), authority=authority) as peer, live() as life:
        life.machine.flash.poke(life.partition("otadata").offset, pending.to_bytes())
        life.run(image, peer.url(), slot="ota_0")
        assert life.console.lines[-5:] == [
            "E esp_ota_ops: Running app has not confirmed state (ESP_OTA_IMG_PENDING_VERIFY)",
            "E esp_https_ota: esp_ota_begin failed (ESP_ERR_OTA_ROLLBACK_INVALID_STATE)",
            "E advanced_https_ota_example: Complete data was not received.",
            "I advanced_https_ota_example: OTA abort",
            "E advanced_https_ota_example: ESP_HTTPS_OTA upgrade failed",
        ]
        assert life.machine.flash.door.operations == 0


def test_a_page_instead_of_an_image_is_no_image() -> None:
    page = b"<html>" + random_payload(2000, seed=1)

    def then(life: Life, update: Update) -> None:
        with pytest.raises(EspError):
            update.ota.get_img_desc()
        assert life.console.lines[-1] == "E esp_https_ota: Incorrect app descriptor magic"

    updating(answering(response(page)), then)


def test_nothing_to_verify_a_server_with_is_refused_before_it_connects() -> None:
    with live() as life:
        running = life.running(firmware())
        config = HttpsOtaConfig(HttpConfig("https://127.0.0.1:1/", Trust(None)), lambda _event, _payload: None)
        with pytest.raises(EspError) as failed:
            HttpsOta(running, OtaOps(running), config)
        assert failed.value.code == EspErr.ESP_ERR_INVALID_ARG
        said = "E esp_https_ota: No option for server verification is enabled in esp_http_client config."
        assert life.console.lines == [said]


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("403 Forbidden", "File not found(403)"),
        ("410 Gone", "Client error (410)"),
        ("500 Internal Server Error", "Server error (500)"),
        ("302 Found", "URL redirection Failed"),
    ],
)
def test_answers_without_an_image(status: str, line: str) -> None:
    with serve(answering(response(b"", status=status))) as peer, live() as life:
        with pytest.raises(EspError):
            Update(life, peer.url(scheme="http"), firmware())
        assert life.console.lines == [
            f"E esp_https_ota: {line}",
            "E esp_https_ota: Failed to establish HTTP connection",
        ]
