"""eFuses: as delivered, bits only from 0 to 1, and what a cut or a file keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError, FormatError
from bench.virtual.chips import CHIPS
from bench.virtual.door import CutPlan, Phase
from bench.virtual.efuse import delivered
from bench.virtual.machine import Machine, PowerLost


@pytest.mark.parametrize("chip", CHIPS)
def test_as_delivered(chip: str) -> None:
    table = CHIPS[chip]
    blocks = delivered(table)
    assert blocks.mac == table.mac
    assert blocks.chip_revision == table.revision
    assert blocks.block_version == table.block_revision
    assert blocks.secure_version == 0


@pytest.mark.parametrize("chip", CHIPS)
def test_blocks_have_the_chips_sizes(chip: str) -> None:
    machine = Machine.assemble(chip)
    words = machine.chip.efuses.block_words
    assert [len(machine.efuse.read_block(block)) for block in range(len(words))] == [4 * count for count in words]
    with pytest.raises(FormatError):
        machine.efuse.read_block(len(words))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=32), max_size=6))
def test_burning_never_clears(burns: list[bytes]) -> None:
    machine = Machine.assemble("esp32c3")
    want = 0
    for bits in burns:
        machine.efuse.burn(3, bits, "test")
        want |= int.from_bytes(bits, "little")
        assert int.from_bytes(machine.efuse.read_block(3), "little") == want
    assert machine.efuse.burns == ["efuse:test"] * len(burns)
    assert machine.flash.door.by_purpose["efuse:test"] == len(burns)


@pytest.mark.parametrize("chip", CHIPS)
def test_the_secure_version_advances_bit_by_bit(chip: str) -> None:
    efuse = Machine.assemble(chip).efuse
    for version in (1, 2, 5):
        efuse.advance_secure_version(version)
        assert efuse.secure_version == version
        assert efuse.field("SECURE_VERSION") == (1 << version) - 1
    with pytest.raises(FormatError):
        efuse.advance_secure_version(4)
    with pytest.raises(FormatError):
        efuse.advance_secure_version(efuse.secure_version_bits + 1)
    assert efuse.secure_version == 5


@pytest.mark.parametrize(("phase", "left"), [(Phase.BEFORE, 0), (Phase.MIDDLE, 2), (Phase.AFTER, 4)])
def test_a_cut_while_burning(phase: Phase, left: int) -> None:
    machine = Machine.assemble("esp32s3")
    machine.flash.door.plan(CutPlan("efuse:*", phase))
    with pytest.raises(PowerLost):
        machine.efuse.advance_secure_version(4)
    assert machine.efuse.blocks.secure_version == left


def test_a_bit_outside_the_block_is_refused_before_it_counts() -> None:
    machine = Machine.assemble("esp32c3")
    with pytest.raises(FormatError):
        machine.efuse.burn_bit(0, 24 * 8, "test")
    with pytest.raises(FormatError):
        machine.efuse.burn(11, b"\x01", "test")
    assert machine.flash.door.operations == 0


def test_a_file_keeps_the_bits(tmp_path: Path) -> None:
    path = tmp_path / "efuse.bin"
    machine = Machine.assemble("esp32", efuse=path)
    machine.efuse.burn_field("SECURE_VERSION", 1, "test")
    machine.close()
    again = Machine.assemble("esp32", efuse=path)
    assert again.efuse.secure_version == 1
    assert again.efuse.mac == CHIPS["esp32"].mac
    again.close()
    with pytest.raises(BenchError, match="eFuse file of an esp32c3"):
        Machine.assemble("esp32c3", efuse=path)
