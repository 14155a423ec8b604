"""Images and builds of a run: each once, and no secret of a configuration."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.builds import Build, VirtualBuild, write_build
from bench.builds.sdkconfig import from_text, is_secret
from bench.errors import BenchError
from bench.report.firmware_store import FirmwareStore, KeptImage, redacted_sdkconfig
from bench.server import Authority, redact


def test_an_image_is_kept_once_under_its_digest(tmp_path: Path) -> None:
    stores, digest = [FirmwareStore(tmp_path) for _ in range(4)], hashlib.sha256(b"image").hexdigest()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: stores[number % 4].keep_image(b"image", digest), range(40)))
    (kept,) = (tmp_path / "images").iterdir()
    assert (kept.name, kept.read_bytes()) == (f"{digest}.bin", b"image")


def test_a_build_is_kept_once_with_its_files_and_configuration(tmp_path: Path) -> None:
    ca_pem = Authority.throwaway().ca_pem
    write_build(VirtualBuild("esp32c3", "advanced_https_ota", "1", ca_pem), tmp_path / "build")
    build, run = Build.load(tmp_path / "build"), tmp_path / "run"
    run.mkdir()
    store = FirmwareStore(run)
    kept = store.keep_build(build)
    assert store.keep_build(build) == kept
    assert kept == tuple(KeptImage.of(file.path.name, file.path.read_bytes()) for file in build.flash_files)
    (line,) = (run / "builds.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (told["path"], told["target"], told["version"]) == (str(build.path), build.target, build.version)
    assert len(told["files"]) == len(build.flash_files)
    for file, flashed in zip(told["files"], build.flash_files, strict=True):
        assert (run / "images" / f"{file['sha256']}.bin").read_bytes() == flashed.path.read_bytes()
    config = (run / "sdkconfig" / f"{told['sdkconfig']}.txt").read_bytes()
    assert hashlib.sha256(config).hexdigest() == told["sdkconfig"]
    assert "CONFIG_IDF_TARGET=" in config.decode()


def test_no_secret_of_a_configuration_is_kept() -> None:
    secret = """\
CONFIG_EXAMPLE_WIFI_SSID="the attic"
CONFIG_EXAMPLE_WIFI_PASSWORD="hush hush"
CONFIG_MY_API_TOKEN="abc"
CONFIG_HTTP_AUTH="abc"
CONFIG_SECURE_BOOT_SIGNING_KEY="/home/me/key.pem"
CONFIG_DEVICE="-----BEGIN PRIVATE KEY-----abc"
CONFIG_EXAMPLE_FIRMWARE_UPGRADE_URL="https://me:abc@host/x?token=abc&v=1"
CONFIG_WIFI_PASSPHRASE="abc"
CONFIG_WIFI_PSK="abc"
CONFIG_BROKEN_URL="https://[abc/x"
"""
    open_ones = """\
CONFIG_IDF_TARGET="esp32"
CONFIG_MBEDTLS_KEY_EXCHANGE_RSA=y
# CONFIG_EXAMPLE_CONNECT_WIFI is not set
CONFIG_KEY_COUNT=3
CONFIG_EXAMPLE_WIFI_PASSWORD_EMPTY=""
"""
    config = redacted_sdkconfig(from_text(secret + open_ones))
    shown = repr(config)
    assert not [word for word in ("attic", "hush", "abc", "/home/me", "PRIVATE") if word in shown]
    assert config["EXAMPLE_FIRMWARE_UPGRADE_URL"] == "https://***@host/x?token=***&v=1"
    kept = from_text(open_ones)
    assert {name: config[name] for name in kept} == dict(kept)


def test_what_is_a_secret_in_a_request_is_one_in_a_configuration() -> None:
    names = (
        "token",
        "X-Amz-Signature",
        "sig",
        "client_secret",
        "passwd",
        "pwd",
        "auth",
        "credential",
        "AWSAccessKeyId",
    )
    for name in (*names, "session", "jwt", "cookie", "Policy"):
        assert redact.is_secret(name)
        assert is_secret(name, "abc")


def test_what_cannot_be_kept_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"cannot keep .*no.*No such file"):
        FirmwareStore(tmp_path / "no").keep_image(b"image", "0" * 64)
