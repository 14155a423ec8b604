"""`bench image derive | sign | rekey | encrypt | decrypt`: what they write, and how they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bench.cli import main
from bench.images import Image
from bench.images.ecies import device_key
from bench.images.signature import V1_SIZE
from tests.images.samples import small_app
from tests.images.test_encrypted import key
from tests.images.test_rekey import CERTIFICATE, URL, app, same_size


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With an application, and a key of each kind."""
    (tmp_path / "app.bin").write_bytes(small_app().to_bytes())
    private, curve = key(), ec.generate_private_key(ec.SECP256R1())
    for name, one in (("rsa", private), ("curve", curve)):
        pem = one.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / f"{name}.pem").write_bytes(pem)
    public = device_key(b"h" * 32).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "device.pem").write_bytes(public)
    (tmp_path / "hmac.bin").write_bytes(b"h" * 32)
    return tmp_path


def make(folder: Path, action: str, *arguments: str, source: str = "app.bin") -> bytes:
    assert main(["image", action, str(folder / source), str(folder / "out.bin"), *arguments]) == 0
    return (folder / "out.bin").read_bytes()


def test_derive_changes_what_it_is_told(folder: Path) -> None:
    data = make(
        folder, "derive", "--version", "9", "--chip", "ESP32-H2", "--secure-version", "7", "--size", "0x2001",
        "--header", "min-chip-rev-full=301", "--app-desc", "time=00:00:01", "--app-desc", f"app_elf_sha256={'ab' * 32}",
    )  # fmt: skip
    image = Image.parse(data)
    described = image.app_desc
    assert described is not None
    assert len(data) == 0x2001
    assert (described.version, described.secure_version, described.time) == ("9", 7, "00:00:01")
    assert described.app_elf_sha256 == b"\xab" * 32
    assert (image.header.chip_id, image.header.min_chip_rev_full) == (16, 301)
    assert image.check() == ()


def test_derive_damages_what_it_is_told(folder: Path) -> None:
    assert Image.parse(make(folder, "derive", "--flip", "hash")).check()[0].name == "sha256"
    assert make(folder, "derive", "--truncate", "100") == small_app().to_bytes()[:100]
    assert make(folder, "derive", "--crashing") == small_app().crashing_at_boot().to_bytes()


def test_what_was_signed_is_inspected(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(folder, "sign", "--key", str(folder / "rsa.pem"), "--key", str(folder / "curve.pem"))
    capsys.readouterr()
    assert main(["image", "inspect", str(folder / "out.bin"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["signatures"]
    assert [(one["scheme"], one["valid"]) for one in told] == [("RSA-3072", True), ("ECDSA-P256", True)]
    assert main(["image", "inspect", str(folder / "out.bin")]) == 0
    assert f"RSA-3072, key {told[0]['key_digest']} (valid)" in capsys.readouterr().out
    make(folder, "derive", "--version", "2", source="out.bin")
    capsys.readouterr()
    assert main(["image", "inspect", str(folder / "out.bin"), "--json"]) == 0
    assert [one["valid"] for one in json.loads(capsys.readouterr().out)["signatures"]] == [False, False]


def test_version_1_signatures_are_behind_the_image(folder: Path) -> None:
    data = make(folder, "sign", "--v1", "--key", str(folder / "curve.pem"))
    assert len(data) == len(small_app().to_bytes()) + V1_SIZE


@pytest.mark.parametrize(
    ("public", "private"), [("rsa.pem", "--key=rsa.pem"), ("device.pem", "--hmac-key=hmac.bin")], ids=["rsa", "ecies"]
)
def test_what_is_encrypted_decrypts(folder: Path, public: str, private: str) -> None:
    sealed = make(folder, "encrypt", "--key", str(folder / public))
    assert len(sealed) == 512 + len(small_app().to_bytes())
    (folder / "sealed.bin").write_bytes(sealed)
    option, _, name = private.partition("=")
    assert make(folder, "decrypt", option, str(folder / name), source="sealed.bin") == small_app().to_bytes()


def test_rekey_replaces_certificate_and_url(folder: Path) -> None:
    (folder / "app.bin").write_bytes(app(CERTIFICATE, URL).to_bytes())
    other = same_size(CERTIFICATE)
    (folder / "ca.pem").write_bytes(other)
    data = make(folder, "rekey", "--ca", str(folder / "ca.pem"), "--url", "https://bench:1/x")
    assert other in data
    assert b"\0https://bench:1/x\0" in data
    assert Image.parse(data).check() == ()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["derive", "--flip", "colour"], "one of header"),
        (["derive", "--header", "colour=1"], "one of segment_count"),
        (["derive", "--header", "chip_id=x"], "a number"),
        (["derive", "--app-desc", "app_elf_sha256=x"], "hexadecimal"),
        (["derive", "--chip", "z80"], "one of esp32"),
        (["derive", "--header", "image=1"], "one of segment_count"),
        (["derive", "--app-desc", "image=1"], "one of version"),
        (["derive", "--app-desc", "date=\udcff"], "text in UTF-8"),
        (["derive", "--size", "1"], "at most 1"),
        (["derive", "--size", "0x7fffffff"], "at most 134217728, the largest flash"),
        (["sign", "--key", "missing.pem"], "missing.pem: No such file"),
        (["sign", "--v1", "--key", "rsa.pem", "--key", "rsa.pem"], "one key"),
        (["rekey"], "nothing to replace"),
        (["rekey", "--url", "https://x"], "no embedded URL"),
        (["decrypt", "--key", "rsa.pem"], "magic"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(
    folder: Path,
    arguments: list[str],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    assert main(["image", arguments[0], "app.bin", "out.bin", *arguments[1:]]) == 2
    told = capsys.readouterr().err
    assert told.startswith("bench: ")
    assert reason in told
    assert told.count("\n") == 1
    assert not (folder / "out.bin").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--size", "abc"], "argument --size: 'abc': expected a number, as 4096 or 0x1000"),
        (["--truncate", "-1"], "argument --truncate: '-1': expected a number that is not below 0"),
        (["--version", "\udcff"], "argument --version: '\\udcff': expected text in UTF-8"),
        (["--header", "chip_id"], "argument --header: 'chip_id': expected FIELD=VALUE"),
    ],
)
def test_wrong_usage_is_told_what_is_expected(
    folder: Path, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["image", "derive", str(folder / "app.bin"), str(folder / "out.bin"), *arguments])
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


def test_a_key_is_not_written_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "rsa.pem").read_bytes()
    for action in ("sign", "encrypt"):
        words = [str(folder / "app.bin"), str(folder / "rsa.pem"), "--key", str(folder / "rsa.pem")]
        assert main(["image", action, *words]) == 2
        assert "rsa.pem is read by this command, and would be written over" in capsys.readouterr().err
    assert (folder / "rsa.pem").read_bytes() == before
