"""The variants of ESP-IDF's own tests: what they are configured with, and that they can be built and loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.builds import Build
from bench.builds.variants import VARIANTS, variant
from bench.errors import BuildError
from tests.builds.making import ca_pem, private_key_pem
from tests.builds.test_build_virtual_cli import run

ON_UPDATE = [name for name in VARIANTS if name.startswith("on_update")]


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(ca_pem())
    return path


def words(ca: Path, out: Path, app: str, name: str, chip: str = "esp32", idf: str = "v5.5") -> list[object]:
    always = ["--chip", chip, "--version", "1", "--idf", idf, "--ca", ca, "--out", out]
    return [*always, "--app", app, "--variant", name]


@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in ON_UPDATE])
def test_every_variant_of_advanced_https_ota_is_built(name: str, ca: Path, tmp_path: Path) -> None:
    out = tmp_path / "build"
    assert run(*words(ca, out, "advanced_https_ota", name)) == 0
    build = Build.load(out)
    assert build.enabled("EXAMPLE_SKIP_VERSION_CHECK")
    assert build.enabled("EXAMPLE_SKIP_COMMON_NAME_CHECK")
    assert build.enabled("EXAMPLE_FIRMWARE_UPGRADE_URL_FROM_STDIN")
    assert build.sdkconfig["EXAMPLE_OTA_RECV_TIMEOUT"] == 3000
    assert build.enabled("EXAMPLE_ENABLE_PARTIAL_HTTP_DOWNLOAD") == ("partial_download" in name)
    assert build.enabled("EXAMPLE_ENABLE_OTA_RESUMPTION") == ("ota_resumption" in name)
    assert build.enabled("BOOTLOADER_APP_ANTI_ROLLBACK") == (name == "anti_rollback")
    if "partial_download" in name:
        assert build.sdkconfig["EXAMPLE_HTTP_REQUEST_SIZE"] == 16384
        assert build.enabled("LOG_DEFAULT_LEVEL_DEBUG")
    assert build.image.app_desc is not None
    assert build.image.app_desc.secure_version == (1 if name == "anti_rollback" else 0)


@pytest.mark.parametrize(
    ("app", "idf", "first", "second"),
    [
        ("simple_ota", "v5.5", 0x20000, 0x1D0000),
        ("simple_ota", "v5.1.4", 0x10000, 0x110000),
        ("native_ota", "v5.5", 0x10000, 0x110000),
    ],
)
def test_the_slots_are_where_the_release_s_tests_look_for_them(
    app: str, idf: str, first: int, second: int, ca: Path, tmp_path: Path
) -> None:
    out = tmp_path / "build"
    assert run(*words(ca, out, app, "default", idf=idf)) == 0
    build = Build.load(out)
    table = build.partition_table
    slots = [table.factory, *table.ota_slots] if table.factory else [*table.ota_slots]
    assert [slot.offset for slot in slots if slot][:2] == [first, second]
    assert [file.offset for file in build.flash_files if file.part == "app"] == [first]


@pytest.mark.parametrize("name", ON_UPDATE)
def test_signed_variants_take_a_key(name: str, ca: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    if name.endswith("rsa"):
        key.write_bytes(private_key_pem())
    else:
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(*form))
    out = tmp_path / "build"
    assert run(*words(ca, out, "simple_ota", name), "--signing-key", key) == 0
    build = Build.load(out)
    assert build.enabled("SECURE_SIGNED_ON_UPDATE_NO_SECURE_BOOT")
    assert build.sdkconfig["PARTITION_TABLE_OFFSET"] == 0xC000
    assert [file.offset for file in build.flash_files if file.part == "partition-table"] == [0xC000]
    assert run(*words(ca, out, "simple_ota", name, idf="v5.3.1"), "--signing-key", key) == 0
    table = Build.load(out).partition_table
    assert [slot.offset for slot in (table.factory, *table.ota_slots) if slot] == [0x20000, 0x120000, 0x220000]
    with pytest.raises(BuildError, match="--signing-key"):
        run(*words(ca, out, "simple_ota", name))


@pytest.mark.parametrize("name", ["spiram", "tls1_3", "tls1_3_only_dynamic"])
def test_simple_ota_is_built_in_its_variants(name: str, ca: Path, tmp_path: Path) -> None:
    out = tmp_path / "build"
    assert run(*words(ca, out, "simple_ota", name)) == 0
    assert Build.load(out).enabled("MBEDTLS_SSL_PROTO_TLS1_3") == name.startswith("tls1_3")


def test_options_beside_a_variant_count_more(ca: Path, tmp_path: Path) -> None:
    out = tmp_path / "build"
    more = ["--version-check", "--request-size", "4096", "--log-level", "info"]
    assert run(*words(ca, out, "advanced_https_ota", "partial_download"), *more) == 0
    build = Build.load(out)
    assert not build.enabled("EXAMPLE_SKIP_VERSION_CHECK")
    assert build.sdkconfig["EXAMPLE_HTTP_REQUEST_SIZE"] == 4096
    assert build.enabled("LOG_DEFAULT_LEVEL_INFO")


def test_what_is_no_variant_is_refused() -> None:
    with pytest.raises(BuildError, match="on_update_no_sb_rsa"):
        variant("bluetooth", "simple_ota", "v5.5")


@pytest.mark.parametrize(("app", "name"), [("native_ota", "partial_download"), ("simple_ota", "ota_resumption")])
def test_what_an_example_cannot_is_refused(app: str, name: str, ca: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=app):
        run(*words(ca, tmp_path / "build", app, name))
