"""Every stock application of every release that the bench speaks: it works, and it refuses what it should."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

from bench.ota import Draft, Ota
from bench.server import Cut, WrongCertificate
from bench.timeline import happened

RELEASES = ("v4.4.8", "v5.1.4", "v5.3.1", "v5.5", "v6.0")
APPS = ("advanced_https_ota", "native_ota", "simple_ota")


def releases_of(app: str) -> list[ParameterSet]:
    """One application in every release."""
    return [
        pytest.param(app, idf, id=f"{app}-{idf}", marks=pytest.mark.firmware(app=app, idf_ver=idf, exactly=True))
        for idf in RELEASES
    ]


@pytest.mark.parametrize(("example", "idf"), [case for app in APPS for case in releases_of(app)])
def test_the_stock_application_of_a_release_updates_itself(ota: Ota, release: Draft, example: str, idf: str) -> None:
    """The new version boots from the other slot, and then takes an update itself."""
    for version in ("2", "3"):
        ota.start(release.version(version))
        target = ota.other_slot if version == "2" else ota.first_slot
        ota.expect_boot(slot=target, version=version)
        ota.wait_until_ready()
        ota.expect_verdict("updated")
    assert ota.firmware.app == example
    assert ota.firmware.idf_ver == idf
    assert ota.running_version == "3"


@pytest.mark.parametrize(("example", "idf"), releases_of("advanced_https_ota"))
def test_the_stock_application_of_a_release_refuses_half_an_image(
    ota: Ota, release: Draft, example: str, idf: str
) -> None:
    """The connection ends in the middle: in whatever words, the attempt is given up and nothing is changed."""
    ota.start(release.version("2").served(Cut(after=100_000)))

    ota.expect_refused("ESP_HTTPS_OTA upgrade failed")
    ota.expect_fault("cut")
    assert (ota.firmware.app, ota.firmware.idf_ver) == (example, idf)


@pytest.mark.parametrize(("example", "idf"), releases_of("simple_ota"))
def test_the_stock_application_of_a_release_refuses_a_stranger(
    ota: Ota, release: Draft, example: str, idf: str
) -> None:
    """A server whose authority is not in the certificate bundle, whose form changed in v5.4, gets no request."""
    ota.start(release.version("2").served(WrongCertificate()))

    ota.expect_refused("mbedtls_ssl_handshake returned -0x")
    ota.expect_absent(happened("server", "request"))
    assert (ota.firmware.app, ota.firmware.idf_ver) == (example, idf)
