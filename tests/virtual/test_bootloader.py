"""What the bootloader boots and writes, for every combination of otadata, image health and options."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

import pytest

from bench.flash import OtaData, OtaImgState, PartitionTable, SelectEntry
from bench.flash.emul_efuse import emulated_efuses
from bench.images import Image, with_flipped_byte
from bench.images.segment import Segment
from bench.virtual import boot
from bench.virtual.chips import CHIPS
from bench.virtual.door import CutPlan, Phase
from bench.virtual.machine import PowerLost, ResetReason
from bench.virtual.running import Running
from tests.virtual.booting import AR_CSV, TWO_OTA_CSV, Bench, app_image, bootloader_image

ROLLBACK = "CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y"
ANTI_ROLLBACK = "Enabled a check secure version of app for anti rollback"
EMULATED = "CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH=y"
FACTORY_CSV = TWO_OTA_CSV + "factory, app, factory, 0x60000, 0x20000\n"

NEW, PENDING, VALID, INVALID, ABORTED, UNDEFINED = (
    OtaImgState.NEW,
    OtaImgState.PENDING_VERIFY,
    OtaImgState.VALID,
    OtaImgState.INVALID,
    OtaImgState.ABORTED,
    OtaImgState.UNDEFINED,
)


# -- an independent model: which slots are tried, and what otadata becomes


@dataclass(frozen=True)
class Case:
    entries: tuple[SelectEntry, SelectEntry]
    rollback: bool
    anti_rollback: bool
    factory: bool
    healthy: tuple[bool, bool]
    secure_versions: tuple[int, int]
    burnt: int


def _counts(entry: SelectEntry) -> bool:
    right = entry.crc == SelectEntry.for_seq(entry.ota_seq).crc
    return right and entry.ota_seq != 0xFFFFFFFF and entry.state not in (INVALID, ABORTED)


def _model(case: Case) -> tuple[str | None, list[SelectEntry], int]:
    """The label that boots (None: nothing), the entries afterwards, and the secure version burnt afterwards."""
    entries, burnt = list(case.entries), case.burnt
    if case.rollback:
        entries = [replace(one, state=ABORTED) if one.state == PENDING else one for one in entries]
    allowed = [not case.anti_rollback or version >= burnt for version in case.secure_versions]
    unwritten = all(one.ota_seq == 0xFFFFFFFF or one.crc != SelectEntry.for_seq(one.ota_seq).crc for one in entries)
    first, initial = "factory", False
    if case.anti_rollback:
        initial = unwritten
        candidates = [] if initial else [n for n in (0, 1) if _counts(entries[n]) and allowed[_slot(entries[n])]]
    elif all(one.ota_seq == 0xFFFFFFFF or one.state in (INVALID, ABORTED) for one in entries):
        candidates = []
        if not case.factory:
            first, initial = "ota_0", unwritten
    else:
        candidates = [n for n in (0, 1) if _counts(entries[n])]
    if candidates:
        active = max(candidates, key=lambda n: (entries[n].ota_seq, -n))
        slot = _slot(entries[active])
        first = f"ota_{slot}"
        if case.rollback and entries[active].state == NEW:
            entries[active] = replace(entries[active], state=PENDING)
        elif case.anti_rollback and entries[active].state == VALID:
            burnt = max(burnt, case.secure_versions[slot])
            allowed = [version >= burnt for version in case.secure_versions]
    order = {"factory": ["factory", "ota_0", "ota_1"], "ota_0": ["ota_0", "factory", "ota_1"],
             "ota_1": ["ota_1", "ota_0", "factory"]}[first]  # fmt: skip
    for label in order:
        if label == "factory":
            if case.factory:
                return label, entries, burnt
            continue
        slot = int(label[-1])
        if case.healthy[slot] and allowed[slot]:
            if initial:
                entries[0] = SelectEntry.for_seq(slot + 1, VALID)
                if case.anti_rollback:
                    burnt = max(burnt, case.secure_versions[slot])
            return label, entries, burnt
    return None, entries, burnt


def _slot(entry: SelectEntry) -> int:
    return (entry.ota_seq - 1) % 2


# -- the cases


def _entries() -> list[SelectEntry]:
    good = [SelectEntry.for_seq(seq, state) for seq in (1, 2, 3) for state in (NEW, PENDING, VALID, ABORTED)]
    good += [SelectEntry.for_seq(2, INVALID), SelectEntry.for_seq(4, UNDEFINED)]
    bad_crc = replace(SelectEntry.for_seq(5, VALID), crc=0x12345678)
    return [SelectEntry.erased(), *good, bad_crc]


def _cases(options: str) -> Iterator[Case]:
    healths = [(True, True), (True, False), (False, True), (False, False)]
    rollback, anti_rollback = options != "none", options == "anti-rollback"
    factories = [False] if anti_rollback else [False, True]
    versions = [(0, 1, 0), (1, 0, 1), (2, 1, 1)] if anti_rollback else [(0, 0, 0)]
    for number, (first, second) in enumerate(itertools.product(_entries(), repeat=2)):
        for factory, (one, two, burnt) in itertools.product(factories, versions):
            health = healths[number % 4] if number % 3 else (True, True)
            yield Case((first, second), rollback, anti_rollback, factory, health, (one, two), burnt)


@pytest.mark.parametrize("options", ["none", "rollback", "anti-rollback"])
def test_selection_agrees_with_an_independent_model(options: str) -> None:
    """Each state of the two entries against each other, with and without factory, with healthy and broken slots."""
    marker = {"none": [], "rollback": [ROLLBACK], "anti-rollback": [ANTI_ROLLBACK]}[options]
    bootloader = bootloader_image(options=marker)
    benches = {}
    for factory in (False, True):
        bench = Bench(table=PartitionTable.from_csv(FACTORY_CSV if factory else TWO_OTA_CSV))
        bench.put_bootloader(bootloader)
        if factory:
            bench.put_slot("factory", app_image())
        benches[factory] = bench
    images = {version: app_image(secure_version=version).to_bytes() for version in (0, 1, 2)}
    broken = {version: with_flipped_byte(data, len(data) - 1) for version, data in images.items()}
    outcomes: dict[str | None, int] = {}
    for case in _cases(options):
        bench = benches[case.factory]
        bench.machine.efuse.renew()
        bench.machine.efuse.advance_secure_version(case.burnt)
        bench.machine.rtc.clear()
        for slot in (0, 1):
            source = images if case.healthy[slot] else broken
            bench.put_slot(f"ota_{slot}", source[case.secure_versions[slot]])
        bench.otadata = OtaData(case.entries)
        ended = bench.boot()
        label = ended.partition.label if isinstance(ended, Running) else None
        found = (label, list(bench.otadata.entries), bench.machine.efuse.secure_version)
        assert found == _model(case), f"{case}\n{bench.console}"
        outcomes[label] = outcomes.get(label, 0) + 1
        bench.read_console()
    assert min(outcomes.get(label, 0) for label in (None, "ota_0", "ota_1")) > 20, outcomes


# -- states, told one by one


@pytest.mark.parametrize("chip", CHIPS)
def test_a_new_image_boots_once_and_is_rolled_back_unless_confirmed(chip: str) -> None:
    bench = Bench(chip)
    bench.put_bootloader(bootloader_image(chip, options=[ROLLBACK]))
    for slot in (0, 1):
        bench.put_slot(f"ota_{slot}", app_image(chip))
    bench.otadata = OtaData((SelectEntry.for_seq(1, VALID), SelectEntry.for_seq(2, NEW)))
    assert bench.booted() == "ota_1"
    assert bench.otadata.entries[1].state is PENDING
    assert bench.booted(ResetReason.SW_CPU) == "ota_0"
    assert bench.otadata.entries[1].state is ABORTED
    assert bench.otadata.entries[0] == SelectEntry.for_seq(1, VALID)
    assert bench.booted() == "ota_0"


def test_without_rollback_states_are_left_alone() -> None:
    bench = Bench()
    bench.put_bootloader(bootloader_image())
    bench.put_slot("ota_1", app_image())
    bench.otadata = OtaData((SelectEntry.for_seq(1, VALID), SelectEntry.for_seq(2, NEW)))
    before = bench.otadata
    assert bench.booted() == "ota_1"
    assert bench.booted() == "ota_1"
    assert bench.otadata == before
    assert bench.machine.flash.door.by_purpose == {}


def test_writes_of_the_bootloader_pass_the_door_sector_by_sector() -> None:
    """One erase and one program for an entry, labelled, so that a power cut can be planned for each."""
    bench = Bench()
    bench.put_bootloader(bootloader_image(options=[ROLLBACK]))
    bench.put_slot("ota_1", app_image())
    bench.otadata = OtaData((SelectEntry.erased(), SelectEntry.for_seq(2, NEW)))
    bench.machine.flash.door.plan(CutPlan("otadata:bootloader", Phase.AFTER, nth=1))
    with pytest.raises(PowerLost):
        boot.run_to_app_main(bench.machine)
    assert bench.otadata.entries[1].is_erased
    assert bench.machine.flash.door.by_purpose == {"otadata:bootloader": 1}


def test_erased_otadata_without_factory_is_given_its_first_entry() -> None:
    bench = Bench()
    bench.put_bootloader(bootloader_image())
    bench.put_slot("ota_0", app_image())
    assert bench.booted() == "ota_0"
    assert bench.otadata.entries == (SelectEntry.for_seq(1, VALID), SelectEntry.erased())
    console = bench.read_console()
    assert "boot: No factory image, trying OTA 0" in console
    assert "boot: Set actual ota_seq=1 in otadata[0]" in console


def test_the_test_application_is_the_last_resort() -> None:
    bench = Bench(table=PartitionTable.from_csv(TWO_OTA_CSV + "test, app, test, 0x60000, 0x20000\n"))
    bench.put_bootloader(bootloader_image())
    bench.put_slot("test", app_image())
    assert bench.booted() == "test"
    assert "boot: Falling back to test app as only bootable partition" in bench.console


# -- anti-rollback


@pytest.mark.parametrize("chip", CHIPS)
def test_the_secure_version_rises_with_a_valid_boot_in_the_chip_s_own_efuses(chip: str) -> None:
    bench = Bench(chip)
    bench.put_bootloader(bootloader_image(chip, options=[ANTI_ROLLBACK]))
    bench.put_slot("ota_0", app_image(chip, secure_version=3))
    bench.otadata = OtaData((SelectEntry.for_seq(1, VALID), SelectEntry.erased()))
    assert bench.booted() == "ota_0"
    assert bench.machine.efuse.secure_version == 3
    assert bench.machine.efuse.burns == ["efuse:bootloader"]
    assert "efuse: Anti-rollback is set. eFuse field is updated(3)." in bench.read_console()
    assert bench.booted() == "ota_0"
    assert "Anti-rollback is set" not in bench.console


def test_the_secure_version_does_not_rise_before_the_image_is_valid() -> None:
    bench = Bench()
    bench.put_bootloader(bootloader_image(options=[ANTI_ROLLBACK]))
    bench.put_slot("ota_0", app_image(secure_version=3))
    bench.otadata = OtaData((SelectEntry.for_seq(1, NEW), SelectEntry.erased()))
    assert bench.booted() == "ota_0"
    assert bench.machine.efuse.secure_version == 0


@pytest.mark.parametrize("chip", CHIPS)
def test_emulated_efuses_begin_as_a_copy_and_leave_the_chip_alone(chip: str) -> None:
    bench = Bench(chip, table=PartitionTable.from_csv(AR_CSV))
    bench.put_bootloader(bootloader_image(chip, options=[ANTI_ROLLBACK, EMULATED]))
    bench.put_slot("ota_0", app_image(chip, secure_version=2))
    assert bench.booted() == "ota_0"
    partition = bench.slot("emul_efuse")
    kept = emulated_efuses(chip, bench.machine.flash.peek(partition.offset, partition.size))
    assert kept is not None
    assert kept.secure_version == 2
    assert kept.mac == bench.machine.chip.mac
    assert bench.machine.efuse.secure_version == 0
    assert bench.machine.efuse.burns == []
    console = bench.read_console()
    assert "efuse: [Virtual] no efuses found in flash" in console
    assert "efuse: Virtual efuses enabled: Not really burning eFuses" in console
    bench.put_slot("ota_0", app_image(chip, secure_version=1))
    assert bench.boot() is ResetReason.SW_SYS
    assert "Secure version (from eFuse) = 2" in bench.console


# -- images that are refused, and why


def _refused(image: bytes, chip: str = "esp32c3", idf_ver: str = "v5.1.4") -> str:
    """What is said of an image in ota_1 before ota_0 is booted instead."""
    bench = Bench(chip)
    bench.put_bootloader(bootloader_image(chip, idf_ver=idf_ver))
    bench.put_slot("ota_0", app_image(chip))
    bench.put_slot("ota_1", image)
    bench.otadata = OtaData((SelectEntry.erased(), SelectEntry.for_seq(2, UNDEFINED)))
    assert bench.booted() == "ota_0"
    said = bench.console.partition("End of partition table")[2].partition("paddr=00020020")[0]
    assert "boot: OTA app partition slot 1 is not bootable" in said
    return said


def test_an_erased_slot_is_refused() -> None:
    said = _refused(b"\xff" * 64)
    assert "esp_image: image at 0x40000 has invalid magic byte (nothing flashed here?)" in said


@pytest.mark.parametrize(("chip", "other"), [("esp32", 9), ("esp32c3", 0), ("esp32s3", 5)])
def test_an_image_for_another_chip_is_refused(chip: str, other: int) -> None:
    said = _refused(app_image(chip).with_chip_id(other).to_bytes(), chip)
    assert f"boot_comm: mismatch chip ID, expected {CHIPS[chip].chip_id}, found {other}" in said


def test_chip_revisions_outside_the_range_are_refused() -> None:
    low, high = app_image(min_chip_rev_full=101), app_image(max_chip_rev_full=2)
    assert "boot_comm: Image requires chip rev >= v1.1, but chip is v0.3" in _refused(low.to_bytes())
    assert "boot_comm: Image requires chip rev <= v0.2, but chip is v0.3" in _refused(high.to_bytes())
    newer = _refused(low.to_bytes(), idf_ver="v5.5")
    assert "boot_comm: chip revision check failed. Required >= v1.1, found v0.3." in newer


def test_a_wrong_checksum_is_refused() -> None:
    image = app_image()
    broken = replace(image, checksum=image.checksum ^ 1)
    said = _refused(broken.to_bytes())
    assert f"esp_image: Checksum failed. Calculated 0x{image.checksum:x} read 0x{broken.checksum:x}" in said


def test_a_wrong_hash_is_refused() -> None:
    image = app_image()
    assert "esp_image: Image hash failed - image is corrupt" in _refused(
        with_flipped_byte(image.to_bytes(), image.length - 1)
    )


def test_a_truncated_image_is_refused() -> None:
    image = app_image(rodata=bytes(70_000))
    said = _refused(image.to_bytes()[:64_000])
    assert "esp_image: invalid segment length 0xffffffff" in said


def test_an_image_longer_than_its_slot_is_refused() -> None:
    image = app_image(rodata=bytes(0x20000))
    said = _refused(image.to_bytes())
    assert f"esp_image: Image length {image.length} doesn't fit in partition length 131072" in said


def test_too_many_segments_are_refused() -> None:
    data = bytearray(app_image().to_bytes())
    data[1] = 17
    assert "esp_image: image at 0x40000 segment count 17 exceeds max 16" in _refused(bytes(data))


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (0x3FCD5820, "overlaps bootloader data"),
        (0x3FCDC800, "overlaps bootloader stack"),
        (0x403CE710, "overlaps loader IRAM"),
        (0x60000000, "bad load address range"),
    ],
)
def test_segments_must_not_lie_on_the_bootloader(address: int, reason: str) -> None:
    segments = [(one.load_addr, one.data) for one in app_image().segments]
    image = Image.build(chip_id=5, entry_addr=0x40380004, segments=[*segments, (address, bytes(64))])
    assert f"esp_image: Segment 3 0x{address:08x}-0x{address + 64:08x} invalid: {reason}" in _refused(image.to_bytes())


def test_mapped_segments_must_be_aligned_as_in_flash() -> None:
    first, *rest = app_image().segments
    image = replace(app_image(), segments=(Segment(first.load_addr + 16, first.data), *rest)).seal()
    assert "esp_image: Segment 0 load address 0x3c000030, doesn't match data 0x00040020" in _refused(image.to_bytes())


# -- tables


def _table_error(data: bytes) -> str:
    bench = Bench()
    bench.put_bootloader(bootloader_image())
    bench.put_slot("ota_0", app_image())
    bench.put(0x8000, data)
    assert bench.boot() is ResetReason.SW_SYS
    assert "boot: Failed to verify partition table" in bench.console
    assert "boot: load partition table error!" in bench.console
    return bench.console


def test_broken_partition_tables_are_refused() -> None:
    table = PartitionTable.from_csv(TWO_OTA_CSV).to_bytes()
    assert "flash_parts: Incorrect MD5 checksum" in _table_error(with_flipped_byte(table, 0xC))
    assert "flash_parts: partition 0 invalid magic number 0x5055" in _table_error(b"\x55" + table[1:])
    assert "flash_parts: partition table has no terminating entry, not valid" in _table_error(table[:32] * 96)
    large = PartitionTable.from_csv("ota_0, app, ota_0, 0x10000, 0x3f1000").to_bytes()
    message = "partition 0 invalid - offset 0x10000 size 0x3f1000 exceeds flash chip size 0x400000"
    assert f"flash_parts: {message}" in _table_error(large)
    twice = table.replace(b"\xff" * 32, table[160:192], 1)
    assert "flash_parts: Only one MD5 checksum is allowed" in _table_error(twice)


def test_an_otadata_partition_that_is_too_small_stops_the_boot() -> None:
    rows = PartitionTable.from_csv(TWO_OTA_CSV).partitions
    small = [replace(row, size=0x1000) if row.label == "otadata" else row for row in rows]
    bench = Bench(table=PartitionTable(tuple(small)))
    bench.put_bootloader(bootloader_image())
    bench.put_slot("ota_0", app_image())
    assert bench.boot() is ResetReason.SW_SYS
    assert "boot: ota_info partition size 4096 is too small (minimum 8192 bytes)" in bench.console


# -- nothing to boot


@pytest.mark.parametrize("chip", CHIPS)
def test_without_a_bootloader_the_rom_says_so_and_the_watchdog_bites(chip: str) -> None:
    bench = Bench(chip)
    reason = ResetReason.RTCWDT_RTC if chip == "esp32" else ResetReason.TG0WDT_SYS
    assert bench.boot() is reason
    assert bench.read_console().count("invalid header: 0xffffffff\r\n") == 8


def test_a_bootloader_that_was_damaged_is_not_run() -> None:
    image = bootloader_image()
    bench = Bench()
    bench.put_bootloader(replace(image, checksum=image.checksum ^ 1))
    assert bench.boot() is ResetReason.TG0WDT_SYS
    assert "entry 0x" not in bench.console


def test_a_wrong_hash_of_the_bootloader_is_only_mentioned() -> None:
    """esptool rewrites the header of a bootloader, so that its hash is wrong: these ROMs boot it all the same."""
    image = bootloader_image()
    bench = Bench()
    bench.put_bootloader(replace(image, header=replace(image.header, spi_speed=0)))
    bench.put_slot("ota_0", app_image())
    assert bench.booted() == "ota_0"
    assert "Attempting to boot anyway...\r\nentry 0x" in bench.console


def test_resets_that_lead_nowhere_end_in_idling_until_power_returns() -> None:
    """Three resets, then rest: in virtual time an endless loop would only burn the host's processor."""
    bench = Bench()
    bench.put_bootloader(bootloader_image())
    for _ in range(3):
        assert bench.boot() is ResetReason.SW_SYS
    assert bench.console.count("boot: No bootable app partitions in the partition table") == 3
    ended: list[type[BaseException]] = []

    def live() -> None:
        try:
            bench.boot(ResetReason.SW_SYS)
        except PowerLost as loss:
            ended.append(type(loss))

    thread = threading.Thread(target=live)
    thread.start()
    while not bench.machine.supply.idle:
        thread.join(0.001)
    bench.machine.supply.set_power(False)
    thread.join(5)
    assert ended == [PowerLost]


def test_an_application_ends_the_count_of_resets_that_led_nowhere() -> None:
    bench = Bench()
    bench.put_bootloader(bootloader_image())
    for _ in range(2):
        bench.boot()
    bench.put_slot("ota_0", app_image())
    assert bench.booted() == "ota_0"
    bench.put_slot("ota_0", b"\xff" * 64)
    for _ in range(3):
        assert bench.boot() is ResetReason.SW_SYS


# -- anything at all


@pytest.mark.parametrize("seed", range(8))
def test_no_content_of_flash_upsets_the_model(seed: int) -> None:
    """Bytes flipped in bootloader, table, otadata, eFuse partition and images: it boots or resets, as a chip does."""
    random = Random(seed)
    chip = random.choice(list(CHIPS))
    options = random.choice([[], [ROLLBACK], [ANTI_ROLLBACK, EMULATED]])
    bench = Bench(chip, table=PartitionTable.from_csv(AR_CSV))
    bench.put_bootloader(bootloader_image(chip, options=options, idf_ver=random.choice(["v5.1.4", "v5.5"])))
    bench.put(0x8000, PartitionTable(bench.table.partitions, md5=False).to_bytes())
    for slot in (0, 1):
        bench.put_slot(f"ota_{slot}", app_image(chip))
    sound = bench.machine.flash.peek(0, 0x60000)
    places = [(0x8000, 192), (0xD000, 32), (0xE000, 32), (0xF000, 352), (0x20000, 640), (0x40000, 640)]
    if random.random() < 0.3:
        places = [(bench.machine.chip.bootloader_offset, 300), *places]
    ends: set[str] = set()
    for _ in range(60):
        bench.put(0, sound)
        for _ in range(random.choice([1, 2, 5])):
            at, length = random.choice(places)
            bench.put(at + random.randrange(length), bytes([random.choice([0, 0xFF, random.randrange(256)])]))
        bench.machine.rtc.clear()
        end = bench.boot(random.choice(list(ResetReason)))
        ends.add("application" if isinstance(end, Running) else end.name)
    assert "application" in ends
