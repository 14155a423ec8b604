"""Unmodified esptool does to the virtual board all that it does to a real one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bench.virtual.chips import CHIPS
from tests.virtual.benchtop import Benchtop, benchtop
from tests.virtual.esp_tools import run

SECTOR = 4096
TITLES = {"esp32": "ESP32-D0WD-V3 (revision v3.1)", "esp32c3": "ESP32-C3 (QFN32) (revision v0.3)"}
TITLES["esp32s3"] = "ESP32-S3 (QFN56) (revision v0.2)"


@pytest.fixture(params=CHIPS)
def chip(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def firmware_like(size: int, seed: int) -> bytes:
    """Bytes of which half compress away."""
    half = random.Random(seed).randbytes(size // 2)
    return b"".join(half[at : at + 64] + bytes(64) for at in range(0, len(half), 64))


def esptool(bench: Benchtop, *arguments: str) -> list[str]:
    return ["esptool", "--port", bench.virtual, *arguments]


@pytest.mark.parametrize("stub", [True, False], ids=["stub", "no-stub"])
def test_who_are_you(chip: str, stub: bool) -> None:
    options = [] if stub else ["--no-stub"]
    commands = ["chip-id", "read-mac", "flash-id"] + (["get-security-info"] if chip != "esp32" else [])
    with benchtop(chip) as bench:
        said = run(*(esptool(bench, *options, command) for command in commands))
    assert f"Connected to {CHIPS[chip].title}" in said
    assert TITLES[chip] in said
    assert CHIPS[chip].mac.hex(":") in said
    assert "Crystal frequency:  40MHz" in said
    assert "Manufacturer: ef" in said
    assert "Detected flash size: 8MB" in said
    assert ("Stub flasher running." in said) is stub
    if chip != "esp32":
        assert "Secure Boot: Disabled" in said
        assert f"Chip ID: {CHIPS[chip].chip_id}" in said


@pytest.mark.parametrize("stub", [True, False], ids=["stub", "no-stub"])
def test_write_verify_and_read(chip: str, stub: bool, tmp_path: Path) -> None:
    """Compressed and not, slow and fast; each leaves the bytes in flash, and starts the application."""
    options = [] if stub else ["--no-stub"]
    images = [tmp_path / f"image{number}.bin" for number in range(4)]
    for number, image in enumerate(images):
        image.write_bytes(firmware_like(60_000 + number, number))
    back = tmp_path / "back.bin"
    with benchtop(chip) as bench:
        run(
            esptool(bench, *options, "write-flash", "0x10000", str(images[0])),
            esptool(bench, *options, "--baud", "921600", "write-flash", "0x30000", str(images[1])),
            esptool(bench, *options, "write-flash", "--no-compress", "0x50000", str(images[2])),
            esptool(bench, *options, "--baud", "921600", "write-flash", "--no-compress", "0x70000", str(images[3])),
            esptool(bench, *options, "verify-flash", "0x10000", str(images[0]), "0x70000", str(images[3])),
            esptool(bench, *options, "--after", "hard-reset", "read-flash", "0x30000", "5000", str(back)),
        )
        flash = bench.board.machine.flash
        for offset, image in zip((0x10000, 0x30000, 0x50000, 0x70000), images, strict=True):
            assert flash.peek(offset, image.stat().st_size) == image.read_bytes()
        assert back.read_bytes() == images[1].read_bytes()[:5000]
        assert flash.peek(0, 0x10000) == b"\xff" * 0x10000
        assert flash.lost_bits == 0
        assert not bench.board.machine.download


def test_erasing(chip: str) -> None:
    with benchtop(chip) as bench:
        flash = bench.board.machine.flash
        flash.poke(0, bytes(4 * SECTOR))
        run(esptool(bench, "erase-region", "0x1000", "0x2000"))
        assert flash.peek(0, 4 * SECTOR) == bytes(SECTOR) + b"\xff" * 2 * SECTOR + bytes(SECTOR)
        run(esptool(bench, "erase-flash"))
        assert flash.peek(0, flash.size) == b"\xff" * flash.size


def test_writing_no_more_than_needed(chip: str, tmp_path: Path) -> None:
    """--skip-flashed writes nothing, --diff-with one sector; and a flash that is not as believed is rewritten whole."""
    old, new = tmp_path / "old.bin", tmp_path / "new.bin"
    content = firmware_like(16 * SECTOR, 1)
    old.write_bytes(content)
    new.write_bytes(content[: 5 * SECTOR] + b"changed" + content[5 * SECTOR + 7 :])
    with benchtop(chip) as bench:
        flash = bench.board.machine.flash
        flash.poke(0x10000, content)
        said = run(esptool(bench, "write-flash", "--skip-flashed", "0x10000", str(old)))
        assert "already in flash, skipping write" in said
        assert flash.door.operations == 0
        said = run(esptool(bench, "write-flash", "0x10000", str(new), "--diff-with", str(old)))
        assert "Reflashing 1 changed sector" in said
        assert flash.peek(0x10000, 16 * SECTOR) == new.read_bytes()
        assert flash.door.operations < 8
        flash.poke(0x10000 + 9 * SECTOR, b"bit rot")
        said = run(esptool(bench, "write-flash", "0x10000", str(new), "--diff-with", str(old)))
        assert "Reflashing the whole image" in said
        assert flash.peek(0x10000, 16 * SECTOR) == new.read_bytes()


def test_staying_in_the_loader_and_coming_back(chip: str) -> None:
    """--after no-reset leaves the ROM's loader, no-reset-stub the stub; --before no-reset finds them."""
    with benchtop(chip) as bench:
        said = run(
            esptool(bench, "--after", "no-reset", "read-mac"),
            esptool(bench, "--before", "no-reset", "--after", "no-reset-stub", "read-mac"),
            esptool(bench, "--before", "no-reset", "--after", "no-reset", "read-mac"),
        )
        assert "Stub flasher is already running" in said
        assert bench.board.resets == 2  # power-on, and once into download mode
        assert bench.board.machine.download


@pytest.mark.parametrize("name", ["esp32c3", "esp32s3"])
def test_a_watchdog_reset_starts_the_application(name: str) -> None:
    with benchtop(name) as bench:
        run(esptool(bench, "--after", "watchdog-reset", "read-mac"))
        assert not bench.board.machine.download
        assert bench.board.machine.reset_reason.name == "RTCWDT_RTC"


def test_the_wrong_chip_is_noticed() -> None:
    with benchtop("esp32s3") as bench, pytest.raises(AssertionError, match="This chip is ESP32-S3, not ESP32-C3"):
        run(esptool(bench, "--chip", "esp32c3", "read-mac"))


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "image.bin"
    image.write_bytes(bytes(SECTOR))
    with benchtop("esp32c3") as bench:
        with pytest.raises(AssertionError, match="will not fit in"):
            run(esptool(bench, "write-flash", "0x800000", str(image)))
        assert bench.board.machine.flash.door.operations == 0


def test_over_the_stock_rfc2217_client() -> None:
    """As from another process that knows nothing of the bench (slow by pyserial's own sleeps)."""
    with benchtop("esp32c3") as bench:
        said = run(["esptool", "--port", bench.rfc2217, "--chip", "esp32c3", "--no-stub", "read-mac"])
        assert CHIPS["esp32c3"].mac.hex(":") in said
        assert not bench.board.machine.download
