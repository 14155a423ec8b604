"""NOR flash: what erasing and programming do, what is refused, what a power cut leaves, what a file keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.virtual.door import CutPlan, Door, Phase
from bench.virtual.machine import Machine, PowerLost
from bench.virtual.nor import SECTOR, NorFlash

SIZE = 8 * SECTOR


def nor(path: Path | None = None) -> NorFlash:
    return NorFlash(SIZE, door=Door(lambda _: None), check=lambda: None, path=path)


def test_a_new_flash_is_erased() -> None:
    assert nor().read(0, SIZE) == b"\xff" * SIZE


operations = st.lists(
    st.one_of(
        st.tuples(st.just("erase"), st.integers(0, 7), st.integers(1, 3)),
        st.tuples(st.just("program"), st.integers(0, SIZE - 1), st.binary(min_size=1, max_size=3 * SECTOR)),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(operations)
def test_erasing_sets_and_programming_only_clears(steps: list[tuple[str, int, object]]) -> None:
    """Against a model that goes bit by bit."""
    flash, model = nor(), bytearray(b"\xff" * SIZE)
    for kind, where, what in steps:
        if kind == "erase":
            assert isinstance(what, int)
            count = min(what, 8 - where)
            flash.erase(where * SECTOR, count * SECTOR, "test")
            model[where * SECTOR : (where + count) * SECTOR] = b"\xff" * (count * SECTOR)
        else:
            assert isinstance(what, bytes)
            data = what[: SIZE - where]
            flash.program(where, data, "test")
            for at, byte in enumerate(data):
                model[where + at] &= byte
    assert flash.read(0, SIZE) == bytes(model)


def test_bits_that_cannot_be_set_are_counted() -> None:
    flash = nor()
    flash.program(0, b"\x0f", "test")
    assert flash.lost_bits == 0
    flash.program(0, b"\xf0", "test")
    assert flash.read(0, 1) == b"\x00"
    assert flash.lost_bits == 1
    flash.program(0, b"\x00", "test")
    assert flash.lost_bits == 1


@pytest.mark.parametrize(("offset", "length"), [(1, SECTOR), (0, SECTOR - 1), (SECTOR // 2, SECTOR), (0, 1)])
def test_erasing_is_aligned_to_sectors(offset: int, length: int) -> None:
    with pytest.raises(ValueError, match="not aligned"):
        nor().erase(offset, length, "test")


@pytest.mark.parametrize(
    ("offset", "length"), [(SIZE, SECTOR), (0, SIZE + SECTOR), (-SECTOR, SECTOR), (SECTOR, -SECTOR)]
)
def test_nothing_reaches_outside(offset: int, length: int) -> None:
    flash = nor()
    with pytest.raises(ValueError, match="outside"):
        flash.erase(offset, length, "test")
    with pytest.raises(ValueError, match="outside"):
        flash.read(offset, length)
    with pytest.raises(ValueError, match="outside"):
        flash.program(SIZE - 3, b"1234", "test")
    assert flash.door.operations == 0


def test_operations_are_counted_by_purpose() -> None:
    flash = nor()
    flash.erase(0, 3 * SECTOR, "ota:erase")
    flash.program(0, b"1234", "ota:write")
    flash.poke(0, b"past the door")
    assert flash.door.operations == 4
    assert flash.door.by_purpose == {"ota:erase": 3, "ota:write": 1}


LEFT_BY_ERASE = {Phase.BEFORE: 0, Phase.MIDDLE: SECTOR // 2, Phase.AFTER: SECTOR}
LEFT_BY_PROGRAM = {Phase.BEFORE: b"\xff" * 8, Phase.MIDDLE: b"abcd\xff\xff\xff\xff", Phase.AFTER: b"abcdefgh"}


@pytest.mark.parametrize("phase", list(Phase))
def test_a_cut_while_erasing(phase: Phase) -> None:
    """The second sector of three is what it falls in; the third is never reached."""
    machine = Machine.assemble("esp32c3")
    flash = machine.flash
    flash.poke(0, bytes(3 * SECTOR))
    flash.door.plan(CutPlan("otadata*", phase, nth=2))
    with pytest.raises(PowerLost):
        flash.erase(0, 3 * SECTOR, "otadata:confirm")
    assert not machine.supply.powered
    left = LEFT_BY_ERASE[phase]
    assert flash.peek(0, 3 * SECTOR) == b"\xff" * (SECTOR + left) + bytes(2 * SECTOR - left)
    with pytest.raises(PowerLost):
        flash.read(0, 1)


@pytest.mark.parametrize("phase", list(Phase))
def test_a_cut_while_programming(phase: Phase) -> None:
    machine = Machine.assemble("esp32c3")
    machine.flash.door.plan(CutPlan("otadata", phase))
    machine.flash.program(64, b"other", "ota:write")
    with pytest.raises(PowerLost):
        machine.flash.program(0, b"abcdefgh", "otadata")
    assert machine.flash.peek(0, 8) == LEFT_BY_PROGRAM[phase]
    assert [plan.phase for plan in machine.flash.door.fired] == [phase]
    assert machine.flash.door.planned == ()


def test_a_cut_falls_once_and_each_plan_counts_for_itself() -> None:
    machine = Machine.assemble("esp32c3")
    flash = machine.flash
    flash.door.plan(CutPlan("a", Phase.BEFORE, nth=1))
    flash.door.plan(CutPlan("*", Phase.BEFORE, nth=3))
    with pytest.raises(PowerLost):
        flash.program(0, b"\x00", "a")
    machine.supply.set_power(True)
    machine.supply.wait_for_start()
    flash.program(0, b"\x00", "a")
    with pytest.raises(PowerLost):
        flash.program(1, b"\x00", "b")
    assert flash.peek(0, 2) == b"\x00\xff"


@pytest.mark.parametrize(
    ("plans", "falls_at"),
    [
        ((CutPlan("otadata*", Phase.BEFORE), CutPlan("otadata*", Phase.BEFORE)), [2, 3]),
        ((CutPlan("*", Phase.AFTER, nth=3), CutPlan("otadata*", Phase.AFTER, nth=2)), [3, 4]),
    ],
)
def test_of_two_cuts_at_the_same_operation_the_second_falls_at_the_next(
    plans: tuple[CutPlan, CutPlan], falls_at: list[int]
) -> None:
    machine = Machine.assemble("esp32c3")
    door, fell = machine.flash.door, []
    for plan in plans:
        door.plan(plan)
    for number, purpose in enumerate(["ota:write", *["otadata:confirm"] * 9], start=1):
        try:
            machine.flash.program(number, b"\x00", purpose)
        except PowerLost:
            fell.append(number)
            machine.supply.set_power(True)
            machine.supply.wait_for_start()
    assert fell == falls_at
    assert door.fired == list(plans)
    assert door.planned == ()


def test_a_file_keeps_the_flash(tmp_path: Path) -> None:
    path = tmp_path / "flash.bin"
    flash = nor(path)
    flash.program(5, b"kept", "test")
    flash.close()
    assert path.read_bytes() == b"\xff" * 5 + b"kept" + b"\xff" * (SIZE - 9)
    again = nor(path)
    assert again.read(5, 4) == b"kept"
    again.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["flash.bin"]


def test_a_file_of_another_size_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "flash.bin"
    path.write_bytes(b"precious")
    with pytest.raises(BenchError, match=r"has 8 bytes, it must have 32768"):
        nor(path)
    assert path.read_bytes() == b"precious"


def test_a_file_serves_one_board(tmp_path: Path) -> None:
    path = tmp_path / "flash.bin"
    flash = nor(path)
    with pytest.raises(BenchError, match="in use"):
        nor(path)
    flash.close()
    nor(path).close()


def test_a_file_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot open"):
        nor(tmp_path / "missing" / "flash.bin")
