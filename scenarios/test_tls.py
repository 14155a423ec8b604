"""Servers that must not be believed: refused in mbedTLS's words before anything is asked of them."""

from __future__ import annotations

import pytest

from bench.ota import Draft, Ota
from bench.ota.words import DOWNLOADED
from bench.server import (
    Expired,
    Fault,
    Intermediate,
    MissingIntermediate,
    Namesake,
    NotYetValid,
    SelfSigned,
    SilentHandshake,
    TlsOnly,
    WrongAddress,
    WrongCertificate,
    WrongName,
)
from bench.timeline import ABORT, CONNECTED, FINISH, START, UPDATE_BOOT_PARTITION, forbid, happened, said

UNTRUSTED = "The certificate is not correctly signed by the trusted CA"
OTHER_NAME = "The certificate Common Name (CN) does not match with the expected CN"

UNSOUND = {
    "another_ca": (WrongCertificate(), UNTRUSTED),
    "namesake": (Namesake(), UNTRUSTED),
    "self_signed": (SelfSigned(), UNTRUSTED),
    "no_intermediate": (MissingIntermediate(), UNTRUSTED),
    "another_name": (WrongName(), OTHER_NAME),
    "another_address": (WrongAddress(), OTHER_NAME),
}


@pytest.mark.firmware(log_level="debug")
@pytest.mark.parametrize(("fault", "flag"), UNSOUND.values(), ids=UNSOUND.keys())
def test_an_unsound_certificate_is_refused(ota: Ota, release: Draft, fault: Fault, flag: str) -> None:
    """MBEDTLS_ERR_X509_CERT_VERIFY_FAILED with the flag that tells why; the server gets no request."""
    ota.start(release.version("2").served(fault))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("ESP HTTPS OTA Begin failed")
    ota.expect_given_up_within(10)
    ota.expect_seen(
        said(text="mbedtls_ssl_handshake returned -0x2700"),
        said(text="Failed to verify peer certificate!"),
        said(text=flag),
        happened("server", "tls", ok=False),
    )
    ota.expect_fault(fault.name)
    ota.expect_absent(happened("server", "request"))
    ota.expect_later_update(release)


@pytest.mark.firmware(cert_bundle=True)
def test_a_server_whose_root_is_in_the_bundle_is_believed(ota: Ota, release: Draft) -> None:
    """Firmware that verifies by ESP-IDF's certificate bundle finds the bench's root in it, and is updated."""
    ota.start(release.version("2"))

    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION(slot=ota.other_slot), FINISH, forbid(ABORT))
    ota.expect_seen(said(tag="esp-x509-crt-bundle", text="Certificate validated"))
    ota.expect_updated(version="2")


@pytest.mark.firmware(cert_bundle=True)
@pytest.mark.parametrize("fault", [WrongCertificate(), SelfSigned(), MissingIntermediate()], ids=str)
def test_a_server_whose_root_is_not_in_the_bundle_is_refused(ota: Ota, release: Draft, fault: Fault) -> None:
    """The bundle's callback makes MBEDTLS_ERR_X509_FATAL_ERROR of it, and the server gets no request."""
    ota.start(release.version("2").served(fault))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("ESP HTTPS OTA Begin failed")
    ota.expect_seen(
        said(tag="esp-x509-crt-bundle", text="Failed to verify certificate"),
        said(text="mbedtls_ssl_handshake returned -0x3000"),
    )
    ota.expect_absent(happened("server", "request"), said(text="Certificate validated"))
    ota.expect_later_update(release)


MATCHED = {
    "v5.3.1": "PK verify failed with error FFFFB200",  # MBEDTLS_ERR_ECP_VERIFY_FAILED, -0x4E00
    "v5.5": "Certificate matched but signature verification failed",
    "v6.0": "PSA signature verification failed with error 0xffffff6b (decimal: -149)",
}


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, id=release, marks=pytest.mark.firmware(cert_bundle=True, idf_ver=release))
        for release, line in MATCHED.items()
    ],
)
def test_a_root_with_another_s_name_is_found_out_by_its_key(ota: Ota, release: Draft, line: str) -> None:
    """The bundle is searched by name alone; a server's authority that only has the name is refused by its signature."""
    ota.start(release.version("2").served(Namesake()))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("ESP HTTPS OTA Begin failed")
    ota.expect_seen(
        said(tag="esp-x509-crt-bundle", text=line),
        said(tag="esp-x509-crt-bundle", text="Failed to verify certificate"),
        said(text="mbedtls_ssl_handshake returned -0x3000"),
    )
    ota.expect_absent(happened("server", "request"), said(text="No matching trusted root certificate found"))
    ota.expect_later_update(release)


@pytest.mark.firmware(cert_bundle=True)
def test_a_chain_to_a_root_in_the_bundle_is_believed(ota: Ota, release: Draft) -> None:
    """An intermediate authority between the server and the root in the bundle does no harm."""
    ota.start(release.version("2").served(Intermediate()))

    ota.expect_boot_after_update(version="2")
    ota.expect_seen(said(tag="esp-x509-crt-bundle", text="Certificate validated"))


DATES = {"expired": (Expired(), "has expired"), "not_yet_valid": (NotYetValid(), "starts in the future")}


@pytest.mark.parametrize("fault", [fault for fault, _ in DATES.values()], ids=DATES.keys())
def test_dates_are_not_looked_at_by_default(ota: Ota, release: Draft, fault: Fault) -> None:
    """Finding: CONFIG_MBEDTLS_HAVE_TIME_DATE is off by default, so an expired certificate is as good as any."""
    ota.start(release.version("2").served(fault))

    ota.expect_boot_after_update(version="2")
    ota.expect_fault(fault.name)
    ota.note_finding(f"a certificate with the fault {fault.name!r} is accepted: MBEDTLS_HAVE_TIME_DATE is off")


@pytest.mark.firmware(log_level="debug", config=("MBEDTLS_HAVE_TIME_DATE",))
@pytest.mark.parametrize(("fault", "flag"), DATES.values(), ids=DATES.keys())
def test_dates_are_looked_at_where_the_firmware_knows_them(ota: Ota, release: Draft, fault: Fault, flag: str) -> None:
    """With CONFIG_MBEDTLS_HAVE_TIME_DATE a certificate out of its time is refused, and the flag tells why."""
    ota.start(release.version("2").served(fault))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("ESP HTTPS OTA Begin failed")
    ota.expect_seen(said(text="mbedtls_ssl_handshake returned -0x2700"), said(text=f"The certificate validity {flag}"))
    ota.expect_absent(happened("server", "request"))
    ota.expect_later_update(release)


VERSIONS = {
    "1.1": "-0x6E80",  # MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION: the server's hello is too old
    "1.3": "-0x7780",  # MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE: the server refuses the board's hello
}


@pytest.mark.parametrize(("version", "code"), VERSIONS.items())
def test_a_server_of_another_version_of_tls_is_refused(ota: Ota, release: Draft, version: str, code: str) -> None:
    """Firmware speaks TLS 1.2 by default: a server that speaks only an older or a newer one is left."""
    ota.start(release.version("2").served(TlsOnly(version)))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("ESP HTTPS OTA Begin failed")
    ota.expect_given_up_within(10)
    ota.expect_seen(said(text=f"mbedtls_ssl_handshake returned {code}"), happened("server", "tls", ok=False))
    ota.expect_absent(said(text="Failed to verify peer certificate!"), happened("server", "request"))
    ota.expect_later_update(release)


def test_a_handshake_that_is_never_finished_is_given_up(ota: Ota, release: Draft) -> None:
    """The server accepts the connection and never says a word: the board gives up within its timeout."""
    ota.start(release.version("2").served(SilentHandshake()))

    ota.expect(START, forbid(CONNECTED))
    ota.expect_refused("ESP HTTPS OTA Begin failed")
    ota.expect_given_up_within(15)
    ota.expect_seen(said(text="Failed to open new connection in specified timeout"))
    ota.expect_fault("silent-handshake")
    ota.expect_later_update(release)
