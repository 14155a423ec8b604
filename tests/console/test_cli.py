"""`bench console parse`: the contract of its JSON, its story, its exit codes."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.cli import console as command
from bench.errors import BenchError
from tests.console.consoles import Device

SW = "0xc (RTC_SW_CPU_RST)"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Lines that the command prints."""
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers())
    args = parser.parse_args(["console", "parse", *arguments])
    assert args.run(args) == 0
    return capsys.readouterr().out.splitlines()


@pytest.fixture
def console(tmp_path: Path) -> Path:
    device = Device().boot("factory", "1").download("ota_0").log("D", device_tag(), "Writing to flash: 1024 written")
    device.log("D", device_tag(), "Writing to flash: 2048 written").switch("ota_0")
    device.rom(SW).bootloader("ota_0").description("2", secure=3).panic().raw("\x1b]0;title\x07junk\n")
    device.boot("factory", "1", SW).download("ota_0").log(
        "E", "esp_https_ota", "Error: esp_ota_write failed! err=0x104"
    )
    path = tmp_path / "console.log"
    path.write_bytes(device.say("ESP_HTTPS_OTA upgrade failed", level="E").console)
    return path


def device_tag() -> str:
    """The tag of the stock example."""
    return Device().tag


def test_json(console: Path, capsys: pytest.CaptureFixture[str]) -> None:
    objects: list[dict[str, Any]] = [json.loads(line) for line in run(capsys, str(console), "--json")]
    kinds = {obj["kind"] for obj in objects}
    assert kinds == {"record", "event", "boot", "panic", "noise", "summary"}
    first = {kind: next(obj for obj in objects if obj["kind"] == kind) for kind in kinds}
    assert first["record"] == {
        "kind": "record", "level": "I", "ms": 10, "tag": "boot", "message": "ESP-IDF v5.1.4 2nd stage bootloader",
    }  # fmt: skip
    assert first["event"] == {"kind": "event", "name": "ESP_HTTPS_OTA_START", "payload": None}
    assert [(o["name"][14:], o["payload"]) for o in objects if o["kind"] == "event" and o["payload"]] == [
        ("VERIFY_CHIP_ID", 5), ("WRITE_FLASH", 1024), ("WRITE_FLASH", 2048), ("UPDATE_BOOT_PARTITION", 16),
        ("VERIFY_CHIP_ID", 5),
    ]  # fmt: skip
    assert [o for o in objects if o["kind"] == "boot"][1] == {
        "kind": "boot",
        "reset_reason": "RTC_SW_CPU_RST",
        "partition_offset": "0x110000",
        "slot": "ota_0",
        "app_version": "2",
        "secure_version": 3,
        "idf_version": "v5.3.1",
        "project_name": "advanced_https_ota",
        "bootloader_version": "v5.1.4",
    }
    assert first["panic"]["reason"] == "abort() was called at PC 0x420080f5 on core 0"
    assert (first["panic"]["core"], first["panic"]["pc"]) == (0, "0x420080f5")
    assert first["noise"] == {"kind": "noise", "text": "ESP-ROM:esp32c3-api1-20210207"}
    summary = objects[-1]
    assert summary["kind"] == "summary"
    assert (summary["boots"], summary["verdict"]) == (3, "refused")
    assert summary["reason"] == "esp_https_ota: Error: esp_ota_write failed! err=0x104"
    assert summary["events"] == [obj["name"] for obj in objects if obj["kind"] == "event"]
    assert [attempt["verdict"] for attempt in summary["attempts"]] == ["rolled_back", "refused"]
    assert summary["attempts"][1]["cause"] == "0x104 is ESP_ERR_INVALID_SIZE"


def test_the_story(console: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(capsys, str(console))
    text = "\n".join(lines)
    assert lines[0] == "      1  boot   POWERON, factory, 0x10000, advanced_https_ota, version 1, ESP-IDF v5.3.1"
    assert "ESP_HTTPS_OTA_WRITE_FLASH 2048  (the last of 2)" in text
    assert "panic  abort() was called at PC 0x420080f5 on core 0, pc 0x420080f5" in text
    assert "0x104 is ESP_ERR_INVALID_SIZE" in text
    assert lines[-1] == "verdict: refused: esp_https_ota: Error: esp_ota_write failed! err=0x104"
    assert "\x1b" not in text
    assert len(lines) < 30


def test_standard_input(console: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(console.read_bytes())))
    assert run(capsys, "-", "--json") == run(capsys, str(console), "--json")


def test_nothing_to_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty.log"
    empty.touch()
    assert run(capsys, str(empty)) == ["verdict: none"]
    [summary] = map(json.loads, run(capsys, str(empty), "--json"))
    assert summary == {
        "kind": "summary", "boots": 0, "events": [], "verdict": "none", "reason": None, "attempts": [],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["absent.log", "."])
def test_what_cannot_be_read_is_named(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BenchError, match=str(tmp_path)):
        run(capsys, str(tmp_path / name))
