"""What lies in flash is told as it is, whatever bytes stand there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.builds import Build, VirtualBuild, write_build
from bench.errors import BenchError
from bench.flash import OtaData, OtaImgState, PartitionTable, SelectEntry
from bench.ota import Draft, FlashView
from bench.server import Authority
from bench.timeline import UPDATE_BOOT_PARTITION
from tests.ota.by_hand import by_hand

TABLE = PartitionTable.from_csv(
    "nvs,data,nvs,0x9000,0x4000\notadata,data,ota,0xd000,0x2000\nota_0,app,ota_0,0x10000,0x40000\n"
    "ota_1,app,ota_1,0x50000,0x40000\n"
)


def view(flash: bytearray) -> FlashView:
    return FlashView(TABLE, lambda offset, length: bytes(flash[offset : offset + length]), chip="esp32c3")


@pytest.fixture(scope="module")
def app() -> bytes:
    spec = VirtualBuild(chip="esp32c3", app="advanced_https_ota", version="7", ca_pem=Authority.throwaway().ca_pem)
    return spec.files()["advanced_https_ota.bin"]


def test_a_fresh_board_has_a_version_and_no_states(app: bytes) -> None:
    flash = bytearray(b"\xff" * 0x90000)
    flash[0x10000 : 0x10000 + len(app)] = app
    slots = view(flash).slots()
    assert list(slots) == ["ota_0", "ota_1"]
    assert (slots["ota_0"].version, slots["ota_0"].project_name) == ("7", "advanced_https_ota")
    assert slots["ota_0"].digest == hashlib.sha256(flash[0x10000:0x50000]).hexdigest()
    assert (slots["ota_1"].version, slots["ota_1"].blank) == (None, True)
    assert [slot.state for slot in slots.values()] == [None, None]
    assert [slot.otadata for slot in slots.values()] == [(), ()]


@pytest.mark.parametrize("state", list(OtaImgState))
def test_each_slot_has_the_state_of_its_own_entry(state: OtaImgState) -> None:
    flash = bytearray(b"\xff" * 0x90000)
    first, second = SelectEntry.for_seq(1, OtaImgState.VALID), SelectEntry.for_seq(2, state)
    flash[0xD000:0xF000] = OtaData((first, second)).to_bytes()
    slots = view(flash).slots()
    assert slots["ota_0"].state == OtaImgState.VALID
    assert slots["ota_1"].state == state
    assert slots["ota_1"].otadata == (second.to_bytes(),)


def test_an_entry_with_a_wrong_crc_speaks_of_no_slot() -> None:
    flash = bytearray(b"\xff" * 0x90000)
    flash[0xD000:0xD020] = SelectEntry.for_seq(1, OtaImgState.VALID).to_bytes()[:-4] + b"\x00\x00\x00\x00"
    assert view(flash).slots()["ota_0"].state is None


def test_every_byte_of_a_slot_counts(app: bytes) -> None:
    flash = bytearray(b"\xff" * 0x90000)
    flash[0x10000 : 0x10000 + len(app)] = app
    before = view(flash).slots()["ota_0"].digest
    flash[0x4FFFF] = 0
    assert view(flash).slots()["ota_0"].digest != before


@given(st.binary(max_size=400), st.binary(max_size=64))
def test_any_bytes_are_told_and_never_raise(head: bytes, entry: bytes) -> None:
    flash = bytearray(b"\xff" * 0x90000)
    flash[0x10000 : 0x10000 + len(head)] = head
    flash[0xD000 : 0xD000 + len(entry)] = entry
    slots = view(flash).slots()
    assert set(slots) == {"ota_0", "ota_1"}


def test_subtypes_by_label() -> None:
    assert view(bytearray()).subtype_of("ota_1") == 0x11
    with pytest.raises(BenchError, match="no 'ota_7'"):
        view(bytearray()).subtype_of("ota_7")


def test_content_is_read_in_blocks_and_given_to_the_byte() -> None:
    """What is encrypted can only be read in blocks of 16 bytes."""
    asked: list[tuple[int, int]] = []

    def read(offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return bytes(range(length))

    assert FlashView(TABLE, read, chip="esp32c3").content("ota_1", 17) == bytes(range(17))
    assert asked == [(0x50000, 32)]
    with pytest.raises(BenchError, match="no 'ota_7'"):
        view(bytearray()).content("ota_7", 1)


ARDUINO = PartitionTable.from_csv(
    "nvs,data,nvs,0x9000,0x5000\notadata,data,ota,0xe000,0x2000\napp0,app,ota_0,0x10000,0x140000\n"
    "app1,app,ota_1,0x150000,0x140000\n"
)
"""The default of the Arduino core: what the bootloader and the events call ota_0 has another label."""


def test_slots_are_called_by_their_subtypes_whatever_their_labels(app: bytes) -> None:
    flash = bytearray(b"\xff" * 0x290000)
    flash[0x10000 : 0x10000 + len(app)] = app
    flash[0xE000:0x10000] = OtaData((SelectEntry.for_seq(1, OtaImgState.VALID), SelectEntry.erased())).to_bytes()
    seen = FlashView(ARDUINO, lambda offset, length: bytes(flash[offset : offset + length]), chip="esp32c3")
    slots = seen.slots()
    assert list(slots) == list(seen.states()) == seen.ota_slots == ["ota_0", "ota_1"]
    assert (slots["ota_0"].label, slots["ota_0"].version, slots["ota_0"].state) == ("app0", "7", OtaImgState.VALID)
    assert (seen.subtype_of("ota_1"), seen.content("ota_0", 4)) == (0x11, app[:4])
    with pytest.raises(BenchError, match="no 'app0'"):
        seen.content("app0", 4)


def test_an_update_alternates_slots_whatever_their_labels(tmp_path: Path) -> None:
    """The console and the events say ota_0 and ota_1."""
    authority = Authority.throwaway()
    spec = VirtualBuild(chip="esp32c3", app="advanced_https_ota", version="1", ca_pem=authority.ca_pem, rollback=True)
    write_build(spec, tmp_path)
    build = Build.load(tmp_path)
    with by_hand(build, authority, table=ARDUINO) as (ota, board):
        for running, target, version in ((0, 1, "2"), (1, 0, "3")):
            if running == 0:
                board.boots("ota_0", "1")

            def updates(_: bytes, target: int = target, version: str = version) -> None:
                board.tells(UPDATE_BOOT_PARTITION(slot=f"ota_{target}"))
                board.selects(ARDUINO, target, OtaImgState.VALID)
                board.boots(f"ota_{target}", version)
                board.verdict = ("updated", None)

            board.when_told = updates
            ota.update(Draft(build.image).version(version), version=version)
        ota.expect_untouched("ota_0", "ota_1")
        ota.expect_state("ota_0", OtaImgState.VALID)
        assert (ota.first_slot, ota.other_slot, ota.running_slot) == ("ota_0", "ota_1", "ota_0")
