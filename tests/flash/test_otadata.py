"""otadata against what a real bootloader and application left in flash (ESP-IDF v5.1.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import FormatError
from bench.flash import OtaData, OtaImgState, SelectEntry
from tests.reference import reference

NEW, PENDING, VALID = OtaImgState.NEW, OtaImgState.PENDING_VERIFY, OtaImgState.VALID
ABORTED, INVALID, UNDEFINED = OtaImgState.ABORTED, OtaImgState.INVALID, OtaImgState.UNDEFINED
BLANK = None

# file: (state of ota_0, state of ota_1, slot that the bootloader would take)
REAL: dict[str, tuple[OtaImgState | None, OtaImgState | None, int | None]] = {
    "adv-00-factory-fresh": (BLANK, BLANK, None),
    "adv-01-ota_0-no-rollback-support": (UNDEFINED, BLANK, 0),
    "ar-00-factory-fresh": (BLANK, BLANK, None),
    "ar-01-after-first-boot": (VALID, BLANK, 0),
    "ar-02-switched-not-yet-booted": (VALID, NEW, 1),
    "ar-03-new-slot-booting-pending-verify": (VALID, PENDING, 1),
    "ar-04-rolled-back-aborted": (VALID, ABORTED, 0),
    "ar-05-confirmed-secure-version-1": (VALID, VALID, 1),
}


@pytest.mark.parametrize("name", REAL)
def test_real_sectors_are_in_the_states_their_names_say(name: str) -> None:
    data = reference_otadata(name)
    otadata = OtaData.parse(data)
    states = tuple(None if (entry := otadata.entry_of_slot(n, 2)) is None else entry.state for n in (0, 1))
    slot = None if otadata.active is None else otadata.active.slot(2)
    assert (*states, slot) == REAL[name]
    assert otadata.to_bytes() == data


def reference_otadata(name: str) -> bytes:
    return reference(f"flash/{name}.otadata.bin").read_bytes()


def test_the_real_story_is_retold_byte_for_byte() -> None:
    first = OtaData.erased()
    assert first.to_bytes() == reference_otadata("ar-00-factory-fresh")
    booted = first.with_entry(0, SelectEntry.for_seq(1, VALID))
    assert booted.to_bytes() == reference_otadata("ar-01-after-first-boot")
    switched = booted.switched_to(1, 2, NEW)
    assert switched.to_bytes() == reference_otadata("ar-02-switched-not-yet-booted")
    pending = switched.with_entry(1, switched.entries[1].with_state(PENDING))
    assert pending.to_bytes() == reference_otadata("ar-03-new-slot-booting-pending-verify")
    aborted = pending.with_entry(1, pending.entries[1].with_state(ABORTED))
    assert aborted.to_bytes() == reference_otadata("ar-04-rolled-back-aborted")
    confirmed = pending.with_entry(1, pending.entries[1].with_state(VALID))
    assert confirmed.to_bytes() == reference_otadata("ar-05-confirmed-secure-version-1")
    assert first.switched_to(0, 2).to_bytes() == reference_otadata("adv-01-ota_0-no-rollback-support")


def entry(seq: int, state: OtaImgState = VALID) -> SelectEntry:
    return SelectEntry.for_seq(seq, state)


BAD_CRC = SelectEntry(7, b"\xff" * 20, VALID, 0x1234)


@pytest.mark.parametrize(
    ("first", "second", "active"),
    [
        (SelectEntry.erased(), SelectEntry.erased(), None),
        (entry(1), SelectEntry.erased(), 0),
        (SelectEntry.erased(), entry(1), 1),
        (entry(1), entry(2), 1),
        (entry(3), entry(2), 0),
        (entry(2), entry(2), 0),  # MAX(a, b) == a: the first of two equal ones
        (entry(1), entry(2, ABORTED), 0),
        (entry(1), entry(2, INVALID), 0),
        (entry(1, ABORTED), entry(2, INVALID), None),
        (entry(1), entry(2, PENDING), 1),
        (entry(1, NEW), entry(2, UNDEFINED), 1),
        (BAD_CRC, entry(2), 1),
        (BAD_CRC, SelectEntry.erased(), None),
        (entry(0xFFFF_FFFF), entry(2), 1),
        (entry(0xFFFF_FFFE), entry(2), 0),
    ],
)
def test_which_entry_counts(first: SelectEntry, second: SelectEntry, active: int | None) -> None:
    assert OtaData((first, second)).active_index == active


@pytest.mark.parametrize(
    ("current", "slot", "slots", "seq"),
    [(1, 1, 2, 2), (2, 0, 2, 3), (3, 1, 2, 4), (3, 0, 2, 3), (4, 6, 8, 7), (5, 6, 8, 7), (8, 0, 8, 9), (9, 7, 8, 16)],
)
def test_sequence_numbers_follow_esp_rewrite_ota_data(current: int, slot: int, slots: int, seq: int) -> None:
    switched = OtaData((entry(current), SelectEntry.erased())).switched_to(slot, slots, NEW)
    assert switched.entries[0] == entry(current), "the entry of the running slot is left alone"
    assert switched.entries[1] == entry(seq, NEW)
    assert switched.entries[1].slot(slots) == slot


@given(st.integers(1, 10_000), st.integers(0, 15), st.integers(1, 16))
def test_the_chosen_slot_is_selected_by_the_smallest_number_that_wins(current: int, slot: int, slots: int) -> None:
    slot %= slots
    switched = OtaData((entry(current), SelectEntry.erased())).switched_to(slot, slots)
    seq = switched.entries[1].ota_seq
    assert switched.entries[1].slot(slots) == slot
    assert seq >= current
    assert seq - current < slots


def test_unknown_states_are_kept_as_numbers() -> None:
    raw = SelectEntry(1, b"label" * 4, 0x77, entry(1).crc)
    parsed = SelectEntry.parse(raw.to_bytes())
    assert parsed == raw
    assert parsed.is_valid, "the bootloader refuses INVALID and ABORTED, nothing else"
    assert SelectEntry.parse(entry(1).to_bytes()).state is VALID


def test_bytes_after_the_entries_are_kept() -> None:
    data = bytes(range(256)) * 32
    assert OtaData.parse(data).to_bytes() == data


@pytest.mark.parametrize("length", [0, 31, 32, 0x1000, 0x1FFF, 0x2001])
def test_other_sizes_are_refused(length: int) -> None:
    with pytest.raises(FormatError, match=f"{length} bytes"):
        OtaData.parse(bytes(length))


@given(st.binary(min_size=64, max_size=64))
def test_every_content_reads_and_writes_back(entries: bytes) -> None:
    blank = b"\xff" * (0x1000 - 32)
    data = entries[:32] + blank + entries[32:] + blank
    otadata = OtaData.parse(data)
    assert otadata.to_bytes() == data
    assert otadata.active_index in (None, 0, 1)
