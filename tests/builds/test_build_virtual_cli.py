"""`bench build-virtual`, as it is typed."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from bench.builds import Build
from bench.cli import build_virtual
from bench.errors import BuildError
from bench.images import BootDefect, Defect, read_defect
from tests.builds.making import ca_pem, private_key_pem


def run(*words: object) -> int:
    """The command as `bench` runs it; errors are shown by `bench` itself."""
    parser = argparse.ArgumentParser()
    build_virtual.register(parser.add_subparsers())
    args = parser.parse_args(["build-virtual", *map(str, words)])
    code: int = args.run(args)
    return code


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(ca_pem())
    return path


def minimal(ca: Path, out: Path) -> list[object]:
    return ["--chip", "esp32s3", "--app", "advanced_https_ota", "--version", "2", "--ca", ca, "--out", out]


def test_the_command_of_the_contract(ca: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "build"
    assert run(*minimal(ca, out)) == 0
    build = Build.load(out)
    assert (build.target, build.project_name, build.version) == ("esp32s3", "advanced_https_ota", "2")
    assert build.enabled("EXAMPLE_FIRMWARE_UPGRADE_URL_FROM_STDIN")
    assert build.enabled("BOOTLOADER_APP_ROLLBACK_ENABLE")
    assert ca_pem() in build.image.segments[0].data
    assert str(out) in capsys.readouterr().out


def test_a_secure_version_means_an_anti_rollback_build(ca: Path, tmp_path: Path) -> None:
    assert run(*minimal(ca, tmp_path / "b"), "--secure-version", 1) == 0
    build = Build.load(tmp_path / "b")
    assert build.image.app_desc is not None
    assert build.image.app_desc.secure_version == 1
    assert build.enabled("BOOTLOADER_APP_ANTI_ROLLBACK")
    assert build.partition_table.emul_efuse is not None


def test_a_url_is_compiled_in(ca: Path, tmp_path: Path) -> None:
    assert run(*minimal(ca, tmp_path / "b"), "--url", "https://127.0.0.1:8070/a.bin") == 0
    build = Build.load(tmp_path / "b")
    assert b"\0https://127.0.0.1:8070/a.bin\0" in build.image.segments[0].data
    assert not build.enabled("EXAMPLE_FIRMWARE_UPGRADE_URL_FROM_STDIN")


def test_every_switch(ca: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(private_key_pem())
    out = tmp_path / "b"
    words = ["--chip", "esp32", "--app", "pre_encrypted_ota", "--version", "1", "--out", out, "--ca", ca]
    words += ["--private-key", key, "--idf", "v5.1.4", "--layout", "factory_two_ota", "--no-rollback"]
    words += ["--no-version-check", "--log-level", "debug", "--no-log-colors", "--partial-download"]
    words += ["--behaviour", "abort"]
    assert run(*words) == 0
    build = Build.load(out)
    assert build.idf_ver == "v5.1.4"
    assert build.enabled("EXAMPLE_SKIP_VERSION_CHECK")
    assert build.enabled("EXAMPLE_ENABLE_PARTIAL_HTTP_DOWNLOAD")
    assert build.enabled("LOG_DEFAULT_LEVEL_DEBUG")
    assert not build.enabled("LOG_COLORS")


@pytest.mark.parametrize(
    ("name", "application", "bootloader"),
    [("any_magic", Defect.ANY_MAGIC, None), ("bootloader any table", None, BootDefect.ANY_TABLE)],
)
def test_a_defect_is_named_as_in_the_gallery(
    ca: Path, tmp_path: Path, name: str, application: Defect | None, bootloader: BootDefect | None
) -> None:
    words = ["--chip", "esp32", "--app", "native_ota", "--version", "1", "--out", tmp_path / "b", "--ca", ca]
    assert run(*words, "--defect", name) == 0
    build = Build.load(tmp_path / "b")
    assert read_defect(build.image, Defect) is application
    assert read_defect(build.bootloader, BootDefect) is bootloader


def test_without_ca_the_bench_trusts_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTA_BENCH_HOME", str(tmp_path / "home"))
    words = ["--chip", "esp32", "--app", "advanced_https_ota", "--version", "1"]
    assert run(*words, "--out", tmp_path / "one") == 0
    assert run(*words, "--out", tmp_path / "two") == 0
    first, second = Build.load(tmp_path / "one").image, Build.load(tmp_path / "two").image
    assert b"-----BEGIN CERTIFICATE-----" in first.segments[0].data
    assert first == second, "the authority is kept"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ca", "/nowhere/ca.pem"], "--ca /nowhere/ca.pem: No such file"),
        (["--chip", "esp32s4"], "chip 'esp32s4'"),
        (["--version", "v" * 32], "1 to 31"),
        (["--out", "/proc/nothing/here"], "choose another --out"),
    ],
)
def test_errors_are_one_line(ca: Path, tmp_path: Path, words: list[str], message: str) -> None:
    with pytest.raises(BuildError) as caught:
        run(*minimal(ca, tmp_path / "b"), *words)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "b").exists()


def test_a_file_that_is_no_certificate(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("not a certificate")
    with pytest.raises(BuildError, match="expected PEM"):
        run(*minimal(bad, tmp_path / "b"))


def test_a_key_beside_the_certificate_goes_into_no_firmware(ca: Path, tmp_path: Path) -> None:
    """As the bench's own authority.pem has it."""
    both = tmp_path / "authority.pem"
    both.write_bytes(private_key_pem() + ca.read_bytes())
    with pytest.raises(BuildError, match="a private key is in the same file") as caught:
        run(*minimal(both, tmp_path / "b"))
    assert "BEGIN" not in str(caught.value)
    assert not (tmp_path / "b").exists()


def test_a_defect_that_is_not_known_is_refused(ca: Path, tmp_path: Path) -> None:
    words = ["--chip", "esp32", "--app", "native_ota", "--version", "1", "--out", tmp_path / "b", "--ca", ca]
    with pytest.raises(BuildError, match="'explode': expected one of spoil_otadata, "):
        run(*words, "--defect", "explode")
