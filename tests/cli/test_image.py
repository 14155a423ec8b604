"""`bench image inspect`: what it says of every kind of file, and how it refuses."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.cli import main
from bench.images import Image, with_flipped_byte
from bench.images.encrypted import encrypt
from tests.images.samples import REAL_IMAGES, small_app, small_bootloader
from tests.reference import reference


def inspect(path: Path, data: bytes, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    """The JSON object and the table for a file of these bytes."""
    path.write_bytes(data)
    assert main(["image", "inspect", str(path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert main(["image", "inspect", str(path)]) == 0
    return facts, capsys.readouterr().out


def test_an_application(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = small_app()
    facts, table = inspect(tmp_path / "app.bin", image.to_bytes() + b"\xff" * 100, capsys)
    assert image.digest is not None
    expected = {
        "kind": "application",
        "project_name": "advanced_https_ota",
        "version": "1",
        "secure_version": 3,
        "idf_ver": "v5.3.1",
        "compile_time": "Jan  2 2024 12:34:56",
        "chip": "ESP32-S3",
        "chip_id": 9,
        "min_revision": 1,
        "max_revision": 399,
        "flash_size": "4MB",
        "flash_mode": "dio",
        "flash_freq": "80m",
        "entry": "0x4037400c",
        "checksum": f"0x{image.checksum:02x}",
        "checksum_valid": True,
        "sha256": image.digest.hex(),
        "sha256_valid": True,
        "elf_sha256": bytes(range(32)).hex(),
        "trailing_bytes": 100,
        "behaviour": "",
        "problems": [],
    }
    assert {name: facts[name] for name in expected} == expected
    assert [segment["use"] for segment in facts["segments"]] == ["map", "load"]
    for text in ("advanced_https_ota", "v5.3.1", "ESP32-S3 (id 9)", "v0.1 to v3.99", "4MB, dio, 80m", "(valid)"):
        assert text in table
    assert "INVALID" not in table


def test_a_broken_image_is_described_and_its_breaks_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = small_app()
    broken = with_flipped_byte(image.to_bytes(), image.segments[1].data_offset)
    facts, table = inspect(tmp_path / "app.bin", broken, capsys)
    assert facts["checksum_valid"] is False
    assert facts["sha256_valid"] is False
    assert len(facts["problems"]) == 2
    assert table.count("INVALID") == 2
    assert "! checksum at offset 0x" in table


def test_an_image_without_a_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts, table = inspect(tmp_path / "app.bin", small_app(hash_appended=False).to_bytes(), capsys)
    assert facts["sha256"] is None
    assert facts["sha256_valid"] is None
    assert "not appended" in table


def test_a_bootloader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts, table = inspect(tmp_path / "bootloader.bin", small_bootloader().to_bytes(), capsys)
    assert facts["kind"] == "bootloader"
    assert facts["bootloader_version"] == 1
    assert facts["idf_ver"] == "v5.3.1"
    assert facts["project_name"] is None
    assert "bootloader image" in table
    assert "Project" not in table


def test_an_image_of_an_unknown_chip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts, table = inspect(tmp_path / "app.bin", small_app().with_chip_id(4711).to_bytes(), capsys)
    assert facts["chip"] is None
    assert facts["chip_id"] == 4711
    assert "unknown (id 4711)" in table


def test_a_pre_encrypted_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072).public_key()
    data = encrypt(small_app().to_bytes(), key, rng=random.Random(1))
    facts, table = inspect(tmp_path / "enc.bin", data, capsys)
    assert facts["kind"] == "encrypted"
    assert facts["scheme"] == "RSA-3072"
    assert facts["content_size"] == len(data) - 512
    assert facts["content_complete"] is True
    assert "pre-encrypted image" in table
    facts, table = inspect(tmp_path / "cut.bin", data[:-1], capsys)
    assert facts["content_complete"] is False
    assert "NOT" in table


def test_what_an_image_says_of_itself_does_not_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts, table = inspect(tmp_path / "app.bin", small_app().with_version("\x1b[2J\r\nx").to_bytes(), capsys)
    assert facts["version"] == "\x1b[2J\r\nx"
    assert "\x1b" not in table
    assert r"\x1b[2J\r\nx" in table


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 4096, b"hello", small_app().to_bytes()[:100]], ids=["empty", "erased", "text", "cut"]
)
def test_what_is_no_image_gets_one_line_and_exit_code_2(
    data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "thing.bin"
    path.write_bytes(data)
    for more in ([], ["--json"]):
        assert main(["image", "inspect", str(path), *more]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith(f"bench: {path}: at offset 0x")


def test_a_file_that_cannot_be_read_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path / "absent.bin", tmp_path):
        assert main(["image", "inspect", str(path)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert str(path) in err


@pytest.mark.parametrize("name", REAL_IMAGES)
def test_real_images(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = reference(name)
    assert main(["image", "inspect", str(path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    image = Image.parse(path.read_bytes())
    assert facts["checksum_valid"] is True
    assert facts["sha256_valid"] is True
    assert facts["size"] == facts["image_length"] == path.stat().st_size
    assert (facts["kind"] == "application") == (image.app_desc is not None) == ("bootloader" not in name)
