"""app_update on the virtual board: which sector it erases, what it writes where, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.flash.otadata import OtaData, OtaImgState, SelectEntry
from bench.images import Image
from bench.virtual.door import CutPlan, Phase
from bench.virtual.idf.err import EspErr, EspError
from bench.virtual.idf.ota_ops import OTA_SIZE_UNKNOWN, OTA_WITH_SEQUENTIAL_WRITES, OtaOps
from bench.virtual.machine import PowerLost, Restart
from tests.reference import reference
from tests.virtual.lifelike import ANTI_ROLLBACK, TWO_OTA, Life, firmware, live

ROLLBACK = ("version_check", "url_from_stdin", "rollback")
EVERYTHING = (*ROLLBACK, "anti_rollback", "efuse_virtual")


@contextmanager
def ops_of(
    image: Image, slot: str = "factory", csv: str = TWO_OTA, otadata: OtaData | None = None
) -> Iterator[tuple[OtaOps, Life]]:
    with live(csv=csv) as life:
        if otadata is not None:
            life.machine.flash.poke(life.partition("otadata").offset, otadata.to_bytes())
        yield OtaOps(life.running(image, slot)), life


def put(life: Life, label: str, image: Image) -> None:
    life.machine.flash.poke(life.partition(label).offset, image.to_bytes())


def entries(life: Life) -> tuple[SelectEntry, SelectEntry]:
    return OtaData.parse(life.content("otadata")).entries


def states(first: int, second: int | None = None) -> OtaData:
    """ota_0 chosen first, and then ota_1."""
    data = OtaData.erased().with_entry(0, SelectEntry.for_seq(1, first))
    return data if second is None else data.with_entry(1, SelectEntry.for_seq(2, second))


# -- choosing


def test_choosing_a_slot_leaves_the_otadata_of_a_real_device() -> None:
    """Factory to ota_0 without rollback; ota_0 to ota_1 with it."""
    with ops_of(firmware()) as (ops, life):
        assert life.content("otadata") == reference("flash/adv-00-factory-fresh.otadata.bin").read_bytes()
        put(life, "ota_0", firmware("2"))
        ops.set_boot_partition(life.partition("ota_0"))
        real = reference("flash/adv-01-ota_0-no-rollback-support.otadata.bin").read_bytes()
        assert life.content("otadata") == real
    before = OtaData.parse(reference("flash/ar-01-after-first-boot.otadata.bin").read_bytes())
    with ops_of(firmware(options=EVERYTHING), "ota_0", ANTI_ROLLBACK, before) as (ops, life):
        put(life, "ota_1", firmware("2", secure_version=1, options=EVERYTHING))
        ops.set_boot_partition(life.partition("ota_1"))
        real = reference("flash/ar-02-switched-not-yet-booted.otadata.bin").read_bytes()
        assert life.content("otadata") == real


def test_sequence_numbers_go_on_and_the_entries_alternate() -> None:
    with ops_of(firmware()) as (ops, life):
        for label in ("ota_0", "ota_1"):
            put(life, label, firmware("2"))
        chosen = []
        for label in ("ota_0", "ota_1", "ota_0", "ota_0", "ota_1"):
            ops.set_boot_partition(life.partition(label))
            data = OtaData.parse(life.content("otadata"))
            assert data.active is not None
            assert data.active.slot(2) == int(label[-1])
            chosen.append((data.active_index, data.active.ota_seq))
        assert chosen == [(0, 1), (1, 2), (0, 3), (0, 3), (1, 4)]


def test_an_invalid_image_is_not_chosen() -> None:
    with ops_of(firmware()) as (ops, life):
        with pytest.raises(EspError) as failed:
            ops.set_boot_partition(life.partition("ota_1"))
        assert failed.value.code == EspErr.ESP_ERR_OTA_VALIDATE_FAILED
        assert life.content("otadata") == b"\xff" * 0x2000
        assert life.console.lines[-1].startswith("E esp_image: image at 0x210000 has invalid magic byte")


def test_next_slot_is_the_one_behind_the_running_one() -> None:
    for slot, following in (("factory", "ota_0"), ("ota_0", "ota_1"), ("ota_1", "ota_0")):
        with ops_of(firmware(), slot) as (ops, life):
            assert ops.next_update_partition() == life.partition(following)


# -- writing


def test_sequential_writes_erase_each_sector_when_it_is_reached() -> None:
    image = firmware("2").to_bytes()
    with ops_of(firmware()) as (ops, life):
        slot = life.partition("ota_0")
        life.machine.flash.poke(slot.offset, bytes(slot.size))
        handle = ops.begin(slot, OTA_WITH_SEQUENTIAL_WRITES)
        assert life.content("ota_0") == bytes(slot.size)
        done = life.machine.flash.door.by_purpose
        for at in range(0, len(image), 1024):
            ops.write(handle, image[at : at + 1024])
            reached = min(at + 1024, len(image))
            assert done["ota:erase"] == -(-reached // 4096)
        ops.end(handle)
        assert done["ota:write"] == -(-len(image) // 1024)
        end = -(-len(image) // 4096) * 4096
        assert life.content("ota_0") == image.ljust(end, b"\xff") + bytes(slot.size - end)


def test_a_known_or_unknown_size_is_erased_at_once() -> None:
    for size, erased in ((5000, 8192), (OTA_SIZE_UNKNOWN, 0x100000)):
        with ops_of(firmware()) as (ops, life):
            slot = life.partition("ota_0")
            life.machine.flash.poke(slot.offset, bytes(slot.size))
            ops.begin(slot, size)
            assert life.content("ota_0") == b"\xff" * erased + bytes(slot.size - erased)


def test_the_first_byte_must_be_the_magic() -> None:
    with ops_of(firmware()) as (ops, life):
        handle = ops.begin(life.partition("ota_0"), OTA_WITH_SEQUENTIAL_WRITES)
        with pytest.raises(EspError) as failed:
            ops.write(handle, b"<html>")
        assert failed.value.code == EspErr.ESP_ERR_OTA_VALIDATE_FAILED
        said = "E esp_ota_ops: OTA image has invalid magic byte (expected 0xE9, saw 0x3c)"
        assert life.console.lines[-1] == said


def test_an_image_larger_than_the_slot_fails_where_it_does_not_fit() -> None:
    with ops_of(firmware()) as (ops, life):
        handle = ops.begin(life.partition("ota_0"), OTA_WITH_SEQUENTIAL_WRITES)
        ops.write(handle, b"\xe9" + bytes(0xFFFFF))
        with pytest.raises(EspError) as failed:
            ops.write(handle, b"\0")
        assert failed.value.code == EspErr.ESP_ERR_INVALID_SIZE
        assert life.content("ota_1") == b"\xff" * 0x100000


@pytest.mark.parametrize(
    ("slot", "code"),
    [
        ("ota_0", EspErr.ESP_ERR_OTA_PARTITION_CONFLICT),
        ("factory", EspErr.ESP_ERR_INVALID_ARG),
        ("nvs", EspErr.ESP_ERR_INVALID_ARG),
    ],
)
def test_what_may_not_be_written_is_not_begun(slot: str, code: EspErr) -> None:
    with ops_of(firmware(), "ota_0") as (ops, life):
        with pytest.raises(EspError) as failed:
            ops.begin(life.partition(slot), OTA_SIZE_UNKNOWN)
        assert failed.value.code == code
        assert life.machine.flash.door.operations == 0


def test_an_unconfirmed_image_may_not_update() -> None:
    pending = states(OtaImgState.PENDING_VERIFY)
    with ops_of(firmware(options=ROLLBACK), "ota_0", otadata=pending) as (ops, life):
        with pytest.raises(EspError) as failed:
            ops.begin(life.partition("ota_1"), OTA_WITH_SEQUENTIAL_WRITES)
        assert failed.value.code == EspErr.ESP_ERR_OTA_ROLLBACK_INVALID_STATE
        said = "E esp_ota_ops: Running app has not confirmed state (ESP_OTA_IMG_PENDING_VERIFY)"
        assert life.console.lines == [said]
    with ops_of(firmware(), "ota_0", otadata=pending) as (ops, life):  # built without rollback
        ops.begin(life.partition("ota_1"), OTA_WITH_SEQUENTIAL_WRITES)


@pytest.mark.parametrize(("release", "kept"), [("v5.3.1", True), ("v5.5", False)])
def test_beginning_drops_the_target_slots_entry_since_v5_5(release: str, kept: bool) -> None:
    """Older releases leave a VALID entry for a slot that is being overwritten."""
    both = states(OtaImgState.VALID, OtaImgState.VALID)
    with ops_of(firmware(options=ROLLBACK, idf_ver=release), "ota_1", otadata=both) as (ops, life):
        ops.begin(life.partition("ota_0"), OTA_WITH_SEQUENTIAL_WRITES)
        assert entries(life)[0].is_erased is not kept
        assert entries(life)[1] == both.entries[1]


# -- confirming and giving up


def test_confirming_writes_valid_into_the_active_entry_once() -> None:
    pending = states(OtaImgState.VALID, OtaImgState.PENDING_VERIFY)
    with ops_of(firmware(options=ROLLBACK), "ota_1", otadata=pending) as (ops, life):
        ops.mark_app_valid_cancel_rollback()
        assert OtaData.parse(life.content("otadata")) == states(OtaImgState.VALID, OtaImgState.VALID)
        assert dict(life.machine.flash.door.by_purpose) == {"otadata:confirm": 2}
        ops.mark_app_valid_cancel_rollback()
        assert life.machine.flash.door.operations == 2


def test_the_factory_app_has_nothing_to_confirm() -> None:
    with ops_of(firmware(options=ROLLBACK)) as (ops, life), pytest.raises(EspError) as failed:
        ops.mark_app_valid_cancel_rollback()
    assert failed.value.code == EspErr.ESP_FAIL
    assert life.console.lines == ["E esp_ota_ops: Running firmware is factory"]


def test_confirming_burns_the_secure_version_into_the_chip_where_it_is_not_emulated() -> None:
    pending = states(OtaImgState.VALID, OtaImgState.PENDING_VERIFY)
    image = firmware(options=(*ROLLBACK, "anti_rollback"), secure_version=3)
    with ops_of(image, "ota_1", otadata=pending) as (ops, life):
        ops.mark_app_valid_cancel_rollback()
        assert life.machine.efuse.secure_version == 3
        assert life.machine.efuse.burns == ["efuse:secure_version"]
        assert life.console.lines[-1] == "I efuse: Anti-rollback is set. eFuse field is updated(3)."


def test_confirming_raises_emulated_efuses_as_on_a_real_device() -> None:
    before = OtaData.parse(reference("flash/ar-03-new-slot-booting-pending-verify.otadata.bin").read_bytes())
    image = firmware("2", options=EVERYTHING, secure_version=1)
    with ops_of(image, "ota_1", ANTI_ROLLBACK, before) as (ops, life):
        emulated = reference("flash/ar-03-new-slot-booting-pending-verify.emul_efuse.bin").read_bytes()
        life.machine.flash.poke(life.partition("emul_efuse").offset, emulated)
        ops.mark_app_valid_cancel_rollback()
        for label, what in (("otadata", "otadata"), ("emul_efuse", "emul_efuse")):
            real = reference(f"flash/ar-05-confirmed-secure-version-1.{what}.bin").read_bytes()
            assert life.content(label) == real
        assert life.machine.efuse.secure_version == 0
        assert life.console.lines == [
            "W efuse: Virtual efuses enabled: Not really burning eFuses",
            "I efuse: Anti-rollback is set. eFuse field is updated(1).",
        ]


def test_giving_up_marks_the_running_image_invalid_and_restarts() -> None:
    pending = states(OtaImgState.VALID, OtaImgState.PENDING_VERIFY)
    with ops_of(firmware(options=ROLLBACK), "ota_1", otadata=pending) as (ops, life):
        put(life, "ota_0", firmware("0"))
        with pytest.raises(Restart):
            ops.mark_app_invalid_rollback_and_reboot()
        assert [entry.state for entry in entries(life)] == [OtaImgState.VALID, OtaImgState.INVALID]
        said = "I esp_ota_ops: Rollback to previously worked partition. Restart."
        assert life.console.lines == [said]


def test_giving_up_needs_something_to_fall_back_to() -> None:
    pending = states(OtaImgState.VALID, OtaImgState.PENDING_VERIFY)
    with ops_of(firmware(options=ROLLBACK), "ota_1", otadata=pending) as (ops, life):
        with pytest.raises(EspError) as failed:
            ops.mark_app_invalid_rollback_and_reboot()
        assert failed.value.code == EspErr.ESP_ERR_OTA_ROLLBACK_FAILED
        assert OtaData.parse(life.content("otadata")) == pending
        said = "E esp_ota_ops: Rollback is not possible, do not have any suitable apps in slots"
        assert life.console.lines == [said]


# -- power


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("nth", [1, 2])
def test_a_power_cut_while_choosing_never_loses_the_running_slots_entry(phase: Phase, nth: int) -> None:
    both = states(OtaImgState.VALID, OtaImgState.VALID)
    with ops_of(firmware(options=ROLLBACK), "ota_1", otadata=both) as (ops, life):
        put(life, "ota_0", firmware("2"))
        life.machine.flash.door.plan(CutPlan("otadata", phase, nth))
        with pytest.raises(PowerLost):
            ops.set_boot_partition(life.partition("ota_0"))
        assert entries(life)[1] == both.entries[1]
        switched = entries(life)[0] == SelectEntry.for_seq(3, OtaImgState.NEW)
        assert switched is (nth == 2 and phase is Phase.AFTER)
