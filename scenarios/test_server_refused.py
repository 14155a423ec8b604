"""Servers that must not be believed, and servers that have nothing."""

from __future__ import annotations

from bench.ota import Draft, Ota
from bench.server import NotFound, WrongCertificate
from bench.timeline import CONNECTED, START, forbid, happened


def test_a_certificate_of_another_ca_is_refused(ota: Ota, release: Draft) -> None:
    """A server whose certificate the embedded CA did not sign gets no request."""
    ota.start(release.version("2").served(WrongCertificate()))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("mbedtls_ssl_handshake returned -0x2700")
    ota.expect_absent(happened("server", "request"))


def test_a_missing_file_is_refused(ota: Ota, release: Draft) -> None:
    """A 404 page is not an image."""
    ota.start(release.version("2").served(NotFound()))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("File not found(404)")
