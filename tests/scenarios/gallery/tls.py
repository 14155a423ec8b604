"""TLS: whom the firmware believes."""

from __future__ import annotations

import trustme

from bench.builds import VirtualBuild
from bench.images import Defect
from tests.scenarios.gallery.exhibit import Files, application, mixed, shows

__all__ = ["EXHIBITS"]


def another_authority(sound: VirtualBuild) -> Files:
    """The application with an authority of nobody's certificate in it."""
    return application(ca_pem=trustme.CA().cert_pem.bytes())(sound)


EXHIBITS = (
    shows(
        Defect.TRUST_ANY_SERVER,
        "A server that no trusted authority vouches for gets no request.",
        {
            "UPDATE_BOOT_PARTITION must not come": (
                "test_tls::test_an_unsound_certificate_is_refused[another_ca]",
                "test_tls::test_an_unsound_certificate_is_refused[namesake]",
                "test_tls::test_an_unsound_certificate_is_refused[self_signed]",
                "test_tls::test_a_root_with_another_s_name_is_found_out_by_its_key[v5.3.1]",
                "test_tls::test_a_root_with_another_s_name_is_found_out_by_its_key[v5.5]",
                "test_tls::test_a_root_with_another_s_name_is_found_out_by_its_key[v6.0]",
                "test_tls::test_a_server_whose_root_is_not_in_the_bundle_is_refused",
                "test_server_refused::test_a_certificate_of_another_ca_is_refused",
            ),
            "said(text='2nd stage bootloader') must not come": (
                "test_releases::test_the_stock_application_of_a_release_refuses_a_stranger",
            ),
            "said(text='Prepare to restart system!') must not come": (
                "test_stock_applications::test_a_certificate_of_another_ca_is_refused[native_ota]",
            ),
            "said(text='OTA Succeed, Rebooting...') must not come": (
                "test_stock_applications::test_a_certificate_of_another_ca_is_refused[simple_ota]",
                "test_stock_applications::test_simple_ota_with_an_embedded_certificate_trusts_that_alone",
            ),
        },
    ),
    shows(
        Defect.TRUST_ANY_NAME,
        "A certificate for another host is refused.",
        {
            "UPDATE_BOOT_PARTITION must not come": (
                "test_tls::test_an_unsound_certificate_is_refused[another_name]",
                "test_tls::test_an_unsound_certificate_is_refused[another_address]",
            ),
        },
    ),
    shows(
        Defect.TRUST_ANY_DATE,
        "Where the firmware knows the time, a certificate counts only in its time.",
        {
            "UPDATE_BOOT_PARTITION must not come": (
                "test_tls::test_dates_are_looked_at_where_the_firmware_knows_them[expired]",
                "test_tls::test_dates_are_looked_at_where_the_firmware_knows_them[not_yet_valid]",
            ),
        },
    ),
    shows(
        Defect.DATES_REQUIRED,
        "Where the firmware knows no time, dates are not looked at.",
        {
            "UPDATE_BOOT_PARTITION(slot=ota_1)   <- here": ("test_tls::test_dates_are_not_looked_at_by_default",),
        },
    ),
    shows(
        Defect.BUNDLE_EMPTY,
        "A server whose root is in the bundle is believed.",
        {
            "CONNECTED   <- here": ("test_tls::test_a_server_whose_root_is_in_the_bundle_is_believed",),
            "UPDATE_BOOT_PARTITION(slot=ota_1)   <- here": (
                "test_tls::test_a_chain_to_a_root_in_the_bundle_is_believed",
            ),
        },
    ),
    mixed(
        "tls 1.3 is spoken unasked",
        "the application speaks a version of TLS that its configuration leaves out",
        "A version of TLS that is not configured is not spoken.",
        application(config=("MBEDTLS_SSL_PROTO_TLS1_3",)),
        {
            "UPDATE_BOOT_PARTITION must not come": (
                "test_tls::test_a_server_of_another_version_of_tls_is_refused[1.3--0x7780]",
            ),
        },
    ),
    mixed(
        "tls 1.3 is left out",
        "the application was built without TLS 1.3",
        "Firmware that is configured for TLS 1.3 speaks it.",
        application(config=()),
        {
            "CONNECTED   <- here": (
                "test_served_otherwise::test_a_server_of_tls_1_3_alone_serves_firmware_that_speaks_it",
            ),
            "said(text='OTA Succeed, Rebooting...')   <- here": (
                "test_served_otherwise::test_simple_ota_speaks_both_versions_of_tls[1.3]",
            ),
        },
    ),
    mixed(
        "another authority is embedded",
        "the application was built with the certificate of another authority",
        "The authority that the firmware was built with vouches for its server.",
        another_authority,
        {
            "CONNECTED   <- here": (
                "test_update::test_update_to_a_newer_version",
                "test_served_otherwise::test_an_update_served_in_another_way_is_installed[intermediate]",
                "test_served_otherwise::test_an_update_served_in_another_way_is_installed[cross_signed]",
            ),
            "said(text='OTA Succeed, Rebooting...')   <- here": (
                "test_stock_applications::test_simple_ota_with_an_embedded_certificate_trusts_that_alone",
            ),
        },
    ),
)
