"""pytest-embedded's own services, with nothing of the bench's plugin, flash a virtual board and talk to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.builds import write_build
from bench.virtual import boot
from tests.builds.making import spec
from tests.virtual.benchtop import benchtop

CONFTEST = """
import serial
serial.protocol_handler_packages.append("bench.boards.serialurl")
"""

TESTS = """
def test_it_boots_what_was_flashed(dut, app):
    dut.expect(r"App version:\\s+7", timeout=60)
    dut.expect_exact("Calling app_main()", timeout=60)
    assert app.target == dut.target


def test_it_resets_and_reads_what_is_typed(dut):
    dut.serial.hard_reset()
    dut.expect(r"rst:0x1 \\(POWERON", timeout=60)
    dut.expect_exact("Starting Advanced OTA example", timeout=60)
    dut.write("http://127.0.0.1:1/nothing.bin")
    dut.expect_exact("ESP HTTPS OTA Begin failed", timeout=60)
"""


@pytest.mark.parametrize("chip", ["esp32", "esp32c3", "esp32s3"])
def test_its_services_esp_and_idf(chip: str, tmp_path: Path) -> None:
    write_build(spec(chip, version="7"), tmp_path / "build")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    with benchtop(chip, firmware=boot.run) as bench:
        words = ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tmp_path]
        words += ["--embedded-services", "esp,idf", "--target", chip, "--port", bench.virtual, "--app-path", tmp_path]
        words += ["--root-logdir", tmp_path / "logs", tmp_path / "test_it.py"]
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *map(str, words)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr
    assert re.search(r"\b2 passed", ran.stdout), ran.stdout
