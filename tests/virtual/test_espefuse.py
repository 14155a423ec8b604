"""Unmodified espefuse reads, and burns, the virtual board's eFuses."""

from __future__ import annotations

import re

import pytest

from bench.virtual.chips import CHIPS
from tests.virtual.benchtop import Benchtop, benchtop
from tests.virtual.esp_tools import run


def espefuse(bench: Benchtop, *arguments: str) -> list[str]:
    return ["espefuse", "--port", bench.virtual, *arguments]


@pytest.mark.parametrize("chip", CHIPS)
def test_summary(chip: str) -> None:
    major, minor = divmod(CHIPS[chip].revision, 100)
    with benchtop(chip) as bench:
        bench.board.machine.efuse.advance_secure_version(3)
        said = run(espefuse(bench, "summary"))
    assert CHIPS[chip].mac.hex(":") in said
    assert re.search(rf"WAFER_VERSION_MAJOR \(BLOCK\d\).*= {major} R/W", said)
    assert re.search(rf"WAFER_VERSION_MINOR \(BLOCK\d\).*= {minor} R/W", said)
    if chip == "esp32":
        assert "(CRC 0x" in said
        assert " OK)" in said
    else:
        assert re.search(r"SECURE_VERSION \(BLOCK0\).*= 7 R/W", said)
    assert "Error" not in said


@pytest.mark.parametrize("chip", CHIPS)
def test_burning(chip: str) -> None:
    """A bit of the user's block: reported as burnt, there afterwards, and counted as an attempt."""
    with benchtop(chip) as bench:
        said = run(espefuse(bench, "--do-not-confirm", "burn-bit", "BLOCK3", "77"), espefuse(bench, "check-error"))
        assert "BURN BLOCK3  - OK" in said
        assert "No errors detected" in said
        efuse = bench.board.machine.efuse
        assert int.from_bytes(efuse.peek(3), "little") == 1 << 77
        assert efuse.burns == ["efuse:rom:block3"]


def test_a_read_protected_key_reads_as_zeros() -> None:
    with benchtop("esp32c3") as bench:
        bench.board.machine.efuse.burn(4, bytes(range(1, 33)), "key")
        bench.board.machine.efuse.burn_field("RD_DIS", 1, "lock")
        said = run(espefuse(bench, "summary"))
        assert re.search(r"= \?\? \?\? .* -/W", said)
        assert "01 02 03 04" not in said
