"""Whether a given build is what a scenario is about: each wish by itself, met and not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.builds import Build, VirtualBuild, write_build
from bench.builds.signing import Signing
from bench.ota import Firmware
from bench.ota.given import why_unfit
from bench.server import Authority
from tests.builds.making import private_key_pem


@pytest.fixture(scope="module")
def ca_pem() -> bytes:
    return Authority.throwaway().ca_pem


def firmware(folder: Path, ca_pem: bytes, **options: Any) -> Firmware:
    write_build(VirtualBuild("esp32c3", options.pop("app", "advanced_https_ota"), "1", ca_pem, **options), folder)
    return Firmware(Build.load(folder))


WISHES = [
    ({}, {}, {"app": "native_ota"}, "the application advanced_https_ota"),
    ({"app": "simple_ota"}, {"app": "simple_ota"}, {}, "the application simple_ota"),
    ({"layout": "factory_two_ota"}, {"layout": "factory_two_ota"}, {"layout": "two_ota"}, "with a factory application"),
    ({"layout": "two_ota"}, {"layout": "two_ota"}, {"layout": "factory_two_ota"}, "without a factory application"),
    (
        {"layout": "anti_rollback", "secure_version": 1},
        {"layout": "anti_rollback", "secure_version": 1},
        {"layout": "anti_rollback"},
        "secure version 1, and",
    ),
    ({"layout": "anti_rollback"}, {"layout": "anti_rollback"}, {"layout": "anti_rollback", "secure_version": 1}, "n 0"),
    ({"idf_ver": "v5.5"}, {"idf_ver": "v6.0"}, {"idf_ver": "v5.3.1"}, "ESP-IDF since v5.5"),
    ({"idf_ver": "v5.3.1"}, {"idf_ver": "v5.1.4"}, {"idf_ver": "v5.5"}, "ESP-IDF as of v5.3.1"),
    ({"idf_ver": "v5.5", "exactly": True}, {"idf_ver": "v5.5"}, {"idf_ver": "v6.0"}, "a build by ESP-IDF v5.5"),
    ({"since": "v5.3"}, {"idf_ver": "v5.3.1"}, {"idf_ver": "v5.1.4"}, "ESP-IDF since v5.3"),
    ({"until": "v5.3"}, {"idf_ver": "v5.1.4"}, {"idf_ver": "v5.3.1"}, "ESP-IDF before v5.3"),
    ({"cert_bundle": True}, {"cert_bundle": True}, {"cert_bundle": False}, "CONFIG_EXAMPLE_USE_CERT_BUNDLE=y"),
    ({"cert_bundle": False}, {"cert_bundle": False}, {"cert_bundle": True}, "CONFIG_EXAMPLE_USE_CERT_BUNDLE off"),
    ({"partial_http_download": True}, {"partial_http_download": True}, {}, "PARTIAL_HTTP_DOWNLOAD=y"),
    ({"log_level": "debug"}, {"log_level": "debug"}, {}, "CONFIG_LOG_DEFAULT_LEVEL_DEBUG=y"),
    ({"rollback": True}, {"rollback": True}, {"rollback": False}, "CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y"),
    ({"version_check": False}, {"version_check": False}, {}, "CONFIG_EXAMPLE_SKIP_VERSION_CHECK=y"),
    (
        {"config": ("MBEDTLS_HAVE_TIME_DATE",)},
        {"config": ("MBEDTLS_HAVE_TIME_DATE",)},
        {},
        "CONFIG_MBEDTLS_HAVE_TIME_DATE=y",
    ),
    (
        {"app": "simple_ota", "bind_interface": True},
        {"app": "simple_ota", "bind_interface": True},
        {"app": "simple_ota"},
        "CONFIG_EXAMPLE_FIRMWARE_UPGRADE_BIND_IF=y",
    ),
    (
        {"partial_http_download": True, "http_request_size": 4096},
        {"partial_http_download": True, "http_request_size": 4096},
        {"partial_http_download": True},
        "CONFIG_EXAMPLE_HTTP_REQUEST_SIZE=4096",
    ),
]


@pytest.mark.parametrize(("wanted", "fit", "unfit", "reason"), WISHES)
def test_a_build_is_fit_or_it_is_said_why_not(
    wanted: dict[str, Any], fit: dict[str, Any], unfit: dict[str, Any], reason: str, tmp_path: Path, ca_pem: bytes
) -> None:
    assert why_unfit(firmware(tmp_path / "fit", ca_pem, **fit), wanted) is None
    told = why_unfit(firmware(tmp_path / "unfit", ca_pem, **unfit), wanted)
    assert told is not None
    assert told.startswith("needs ")
    assert reason in told


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"flash_encryption": True}, "flash encryption"),
        ({"bootloader": "v5.1"}, "a bootloader from another build"),
        ({"secure_version_check": False}, "does not check the secure version"),
        ({"encryption": "ecies"}, "the ECIES scheme"),
    ],
)
def test_what_only_virtual_builds_have_no_given_one_has(
    wanted: dict[str, Any], reason: str, tmp_path: Path, ca_pem: bytes
) -> None:
    told = why_unfit(firmware(tmp_path, ca_pem), wanted)
    assert told is not None
    assert reason in told


def test_updates_are_signed_only_for_a_build_that_takes_the_bench_s_key(tmp_path: Path, ca_pem: bytes) -> None:
    wanted = {"signing": "rsa"}
    signed = firmware(tmp_path / "signed", ca_pem, signing=Signing("rsa", private_key_pem()))
    assert why_unfit(signed, wanted) is None
    unsigned = why_unfit(firmware(tmp_path / "unsigned", ca_pem), wanted)
    assert unsigned is not None
    assert "updates that the bench can sign (rsa)" in unsigned
