"""The other stock examples: native_ota, which does everything by hand, and simple_ota, which has one call do it."""

from __future__ import annotations

import pytest

from bench.flash import OtaImgState
from bench.ota import Draft, Ota
from bench.ota.words import CHIP_ID
from bench.server import Chunked, Cut, NotFound, WrongCertificate
from bench.timeline import happened, said

native = pytest.mark.firmware(app="native_ota")
simple = pytest.mark.firmware(app="simple_ota")
covering = pytest.mark.parametrize(
    "example",
    [
        pytest.param("native_ota", marks=[native, pytest.mark.covers("native_ota: base")]),
        pytest.param("simple_ota", marks=[simple, pytest.mark.covers("simple_ota: base")]),
    ],
)
both = pytest.mark.parametrize(
    "example", [pytest.param("native_ota", marks=native), pytest.param("simple_ota", marks=simple)]
)


@both
def test_a_newer_version_is_installed(ota: Ota, release: Draft, example: str) -> None:
    """The update is written to the other slot and boots from there, with nothing said that is an error."""
    ota.start(release.version("2"))

    ota.expect_updated(version="2")
    ota.expect_absent(said(level="E"))
    assert ota.slots[ota.other_slot].version == "2"
    assert ota.slots[ota.first_slot].version == "1"
    assert ota.slots[ota.other_slot].project_name == example


@covering
def test_three_updates_in_a_row_alternate_the_slots(ota: Ota, release: Draft, example: str) -> None:
    """Each update goes to the slot that does not run, and each boots its own version."""
    slots = []
    for version in ("2", "3", "4"):
        ota.start(release.version(version))
        ota.expect_updated(version=version)
        slots.append(ota.running_slot)
    assert slots == [ota.other_slot, ota.first_slot, ota.other_slot], example


@both
def test_an_older_version_is_installed(ota: Ota, release: Draft, example: str) -> None:
    """A finding: neither example compares versions for order, so a downgrade goes through."""
    ota.start(release.version("0"))

    ota.expect_updated(version="0")
    assert ota.slots[ota.other_slot].version == "0", example


@pytest.mark.covers("native_ota: chunked")
@native
def test_native_ota_takes_an_image_in_chunks(ota: Ota, release: Draft) -> None:
    """Without a length announced, the end of the last chunk is the end of the image."""
    ota.start(release.version("2").served(Chunked()))

    ota.expect_updated(version="2")
    ota.expect_fault("chunked")


@native
@pytest.mark.needs("rollback")
def test_native_ota_confirms_itself_after_its_diagnostics(ota: Ota, release: Draft) -> None:
    """The new image looks at its diagnostic pin for five seconds, and only then is it there to stay."""
    ota.start(release.version("2"))

    ota.expect_said("Prepare to restart system!")
    ota.expect_boot(slot=ota.other_slot, version="2")
    ota.expect_said("Diagnostics (5 sec)...")
    ota.expect_confirmed()
    ota.wait_until_ready()
    ota.expect_state(ota.other_slot, OtaImgState.VALID)
    ota.reset()
    ota.expect_boot(slot=ota.other_slot, version="2")


@native
@pytest.mark.needs("rollback", "behaviour")
def test_native_ota_does_not_install_again_what_was_rolled_back(ota: Ota, release: Draft) -> None:
    """A version that died before it confirmed itself is remembered, and refused when it is offered once more."""
    bad = release.version("2").aborting_before_confirm()
    ota.start(bad)
    ota.expect_said("Prepare to restart system!")
    ota.expect_boot(slot=ota.other_slot, version="2")
    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.wait_until_ready()
    ota.expect_state(ota.other_slot, OtaImgState.ABORTED)

    ota.start(bad)
    ota.expect_refused("New version is the same as invalid version.")
    ota.expect_absent(said(text="esp_ota_begin succeeded"))


@native
@pytest.mark.needs("version_check")
def test_native_ota_refuses_its_own_version(ota: Ota, release: Draft) -> None:
    """The version that runs already is not written at all; the application waits for another."""
    ota.start(release)

    ota.expect_refused("Current running version is the same as a new. We will not continue the update.")
    ota.expect_absent(said(text="esp_ota_begin succeeded"))


@simple
def test_simple_ota_installs_its_own_version_again(ota: Ota, release: Draft) -> None:
    """A finding: simple_ota looks at no version, so what runs already is written to the other slot and booted."""
    ota.start(release)

    ota.expect_updated(version="1")
    assert ota.slots[ota.other_slot].version == "1"


@pytest.mark.covers("native_ota: truncated_bin")
@native
def test_native_ota_refuses_a_truncated_image(ota: Ota, release: Draft) -> None:
    """Only the first 64,000 bytes were published: the image fails its validation."""
    ota.start(release.version("2").truncated(64_000))

    ota.expect_refused("Image validation failed, image is corrupted")


@simple
def test_simple_ota_refuses_a_truncated_image(ota: Ota, release: Draft) -> None:
    """Only the first 64,000 bytes were published: the application does not say why, but nothing is switched."""
    ota.start(release.version("2").truncated(64_000))

    ota.expect_refused("Firmware upgrade failed")


@pytest.mark.covers("native_ota: truncated_header")
@native
def test_native_ota_refuses_a_truncated_header(ota: Ota, release: Draft) -> None:
    """Only the first 180 bytes were published: there is no whole description to read."""
    ota.start(release.version("2").truncated(180))

    ota.expect_refused("received package is not fit len")
    ota.expect_absent(said(text="esp_ota_begin succeeded"))


@simple
def test_simple_ota_refuses_a_truncated_header(ota: Ota, release: Draft) -> None:
    """Only the first 180 bytes were published: there is no whole header to read."""
    ota.start(release.version("2").truncated(180))

    ota.expect_refused("Complete headers were not received")


@pytest.mark.covers("native_ota: random")
@native
def test_native_ota_refuses_random_bytes(ota: Ota, release: Draft) -> None:
    """A finding: the slot is erased and whatever came is printed as a version before the first byte is looked at."""
    ota.start(release.random(32_000))

    ota.expect_refused("OTA image has invalid magic byte (expected 0xE9, saw 0x00)")


@simple
def test_simple_ota_refuses_random_bytes(ota: Ota, release: Draft) -> None:
    """Something that is no image names no chip that could be this one."""
    ota.start(release.random(32_000))

    ota.expect_refused("Mismatch chip id, expected")


@both
def test_a_connection_cut_in_the_middle_is_refused(ota: Ota, release: Draft, example: str) -> None:
    """The server announced the whole image and closed after 100,000 bytes: nothing half is booted."""
    ota.start(release.version("2").served(Cut(after=100_000)))

    ota.expect_refused("Error: SSL data read error" if example == "native_ota" else "Firmware upgrade failed")
    ota.expect_fault("cut")


@both
def test_an_image_for_another_chip_is_refused(ota: Ota, release: Draft, example: str) -> None:
    """native_ota writes it whole and finds out at the end; simple_ota refuses it by its header."""
    ota.start(release.version("2").chip_id(CHIP_ID["esp32h2"]))

    ota.expect_refused("mismatch chip ID" if example == "native_ota" else "Mismatch chip id, expected")


@both
def test_a_missing_file_is_refused(ota: Ota, release: Draft, example: str) -> None:
    """A finding: native_ota does not look at the status, and takes the page that says 404 for an image."""
    ota.start(release.version("2").served(NotFound()))

    ota.expect_refused("received package is not fit len" if example == "native_ota" else "File not found(404)")


@both
def test_a_certificate_of_another_ca_is_refused(ota: Ota, release: Draft, example: str) -> None:
    """A server whose authority is neither embedded (native_ota) nor in the bundle (simple_ota) gets no request."""
    ota.start(release.version("2").served(WrongCertificate()))

    ota.expect_refused("mbedtls_ssl_handshake returned -0x")
    ota.expect_absent(happened("server", "request"))
    if example == "simple_ota":
        assert any(
            said(tag="esp-x509-crt-bundle", text="Failed to verify certificate").matches(one)
            for one in ota.timeline.entries
        )


@pytest.mark.firmware(app="simple_ota", cert_bundle=False)
def test_simple_ota_with_an_embedded_certificate_trusts_that_alone(ota: Ota, release: Draft) -> None:
    """Without the bundle it verifies by the certificate that was built in, and says nothing of a bundle."""
    ota.start(release.version("2").served(WrongCertificate()))
    ota.expect_refused("mbedtls_ssl_handshake returned -0x2700")
    ota.expect_absent(happened("server", "request"), said(tag="esp-x509-crt-bundle", text=""))

    ota.start(release.version("2"))

    ota.expect_updated(version="2")
    ota.expect_absent(said(tag="esp-x509-crt-bundle", text=""))


@pytest.mark.firmware(app="simple_ota", bind_interface=True)
def test_simple_ota_says_which_interface_it_is_bound_to(ota: Ota, release: Draft) -> None:
    """Bound to one network interface, it updates as ever and names the interface."""
    ota.wait_for_prompt()
    ota.expect_said("Bind interface name is en1", tag="simple_ota_example")
    ota.start(release.version("2"))

    ota.expect_updated(version="2")
