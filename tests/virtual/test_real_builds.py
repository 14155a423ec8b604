"""Real ESP-IDF builds on the virtual board: flashed by real esptool, and every line is one that they can print.

There is no console of a real hello_world in the reference. What its bootloader and application can say stands in
them, though: each line must have come from a format string of the very build. The order of the lines is held against
a real bootloader of v5.3.1 for the same chip, where the two releases say the same.
"""

from __future__ import annotations

import json
import re
from itertools import groupby
from pathlib import Path

import pytest
import serial

from bench.boards.reset import pulse_enable
from bench.virtual import boot
from tests.log_formats import Spoken, format_of, formats_in
from tests.reference import reference
from tests.virtual.benchtop import PATIENCE, benchtop
from tests.virtual.consoles import real_boots
from tests.virtual.esp_tools import run

LOG_LINE = re.compile(r"(?:\x1b\[0;3\dm)?[EWID] \(\d+\) ")
LAST_OF_THE_BOOTLOADER = "boot: Disabling RNG early entropy source..."


@pytest.fixture(autouse=True)
def handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyserial knows ``virtual://`` for one test."""
    packages = [*serial.protocol_handler_packages, "bench.boards.serialurl"]
    monkeypatch.setattr(serial, "protocol_handler_packages", packages)


def flashed_and_booted(chip: str, build: Path, last: str) -> list[str]:
    """The lines of the first boot after esptool wrote what flasher_args.json lists, with the settings it gives."""
    flasher_args = json.loads((build / "flasher_args.json").read_text())
    files = [word for offset, name in flasher_args["flash_files"].items() for word in (offset, str(build / name))]
    write = [word.replace("_", "-") if word.startswith("--") else word for word in flasher_args["write_flash_args"]]
    with benchtop(chip, boot.run) as bench:
        port = ["--port", bench.virtual, "--chip", chip, "--baud", "921600"]
        said = run(
            ["esptool", *port, "write-flash", *write, *files],
            ["esptool", *port, "verify-flash", *write, *files],
        )
        assert said.count("Verification successful (digest matched).") == len(flasher_args["flash_files"])
        with serial.serial_for_url(bench.virtual, timeout=PATIENCE) as console:
            console.reset_input_buffer()
            pulse_enable(console, hold=0)
            text = console.read_until(last.encode()) + console.read_until(b"\r\n")
    # what the boot before still had in the line when EN fell stands before the ROM's banner
    lines: list[str] = text.decode("ascii").split("\r\n")[:-1]
    rom = next(at for at, line in enumerate(lines) if line.startswith(("ESP-ROM:", "ets ")))
    return lines[rom:]


def parts(lines: list[str]) -> tuple[list[str], list[str]]:
    """The bootloader's log lines, and the application's."""
    end = next(at for at, line in enumerate(lines) if LAST_OF_THE_BOOTLOADER in line) + 1
    return [line for line in lines[:end] if LOG_LINE.match(line)], [line for line in lines[end:] if line]


def read_formats(image: Path) -> Spoken:
    formats = formats_in(image.read_bytes())
    assert sum(map(len, formats.values())) > 50, "the image was not read"
    return formats


@pytest.mark.parametrize(
    ("name", "chip", "last"),
    [
        ("hello_world_esp32", "esp32", "Starting scheduler on APP CPU."),
        ("hello_world_esp32c3", "esp32c3", "main_task: Calling app_main()"),
        ("hello_world_esp32_flash_enc", "esp32", "main_task: Calling app_main()"),
    ],
)
def test_hello_world_says_only_what_is_in_it(name: str, chip: str, last: str) -> None:
    build = reference(f"builds/{name}/build")
    of_bootloader, of_application = parts(flashed_and_booted(chip, build, last))
    bootloader = read_formats(build / "bootloader/bootloader.bin")
    application = read_formats(build / "hello_world.bin")
    assert len(of_bootloader) > 15
    assert [line for line in of_bootloader if format_of(bootloader, line) is None] == []
    assert len(of_application) > 15
    assert [line for line in of_application if format_of(application, line) is None] == []


def test_the_bootloader_of_v6_0_says_what_that_of_v5_3_1_said_and_in_its_order() -> None:
    """The ESP32-C3's hello_world, whose table has no otadata, beside a real console whose otadata was erased.

    What v6.0 adds is `print_efuse_block_revision` (bootloader_support/src/esp32c3/bootloader_esp32c3.c, since v5.4),
    and what it has not is the choice of a slot, and the colours.
    """
    build = reference("builds/hello_world_esp32c3/build")
    formats = read_formats(build / "bootloader/bootloader.bin")
    ours = [format_of(formats, line) for line in parts(flashed_and_booted("esp32c3", build, "Calling app_main()"))[0]]
    real_lines = parts(list(real_boots(reference("serial/v5.3.1_adv_ok.log"))[0].lines))[0]
    real = [format_of(formats, re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in real_lines]
    assert [one for one, _ in groupby(ours) if one not in real] == [r"efuse\ block\ revision:\ v *-?\d+\. *-?\d+"]
    assert [one for one, _ in groupby(real) if one not in ours] == [r"Defaulting\ to\ factory\ image"]
    common = set(ours) & set(real)
    assert len(common) > 12
    assert [one for one, _ in groupby(ours) if one in common] == [one for one, _ in groupby(real) if one in common]
