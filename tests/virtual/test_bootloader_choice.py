"""The bootloader's choice over the whole product: both sectors of otadata, the image in each slot, the options.

Every case is one boot in process; `choice_model` says what is to come out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import pytest

from bench.flash import OtaData, OtaImgState, PartitionTable, SelectEntry
from bench.images import BootDefect, Image, defect_field, with_flipped_byte
from bench.virtual.bootloader.start import run_bootloader
from bench.virtual.machine import Restart
from tests.virtual.booting import TWO_OTA_CSV, Bench, app_image, bootloader_image
from tests.virtual.choice_model import HEALTHS, Case, Entry, Outcome, cases, expected

OPTIONS = {
    "none": [],
    "rollback": ["CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y"],
    "anti-rollback": ["Enabled a check secure version of app for anti rollback"],
}
FACTORY_CSV = TWO_OTA_CSV + "factory, app, factory, 0x60000, 0x20000\n"
WRONG_CRC = 0x12345678
OTADATA = "otadata:bootloader"
SILENT = "2nd stage bootloader"
"""A start-up message without its format: the log of this bootloader is compiled out, which saves half of the time."""


def image_of(health: str) -> bytes:
    """4 KiB for a slot."""
    version = HEALTHS[health][1]
    data = b"" if version is None else app_image(secure_version=version).to_bytes()
    if health == "bad hash":
        data = with_flipped_byte(data, len(data) - 1)
    if health == "bad magic":
        data = with_flipped_byte(data, 0)
    if health == "wrong chip":
        data = app_image(secure_version=HEALTHS[health][1] or 0).with_chip_id(9).to_bytes()
    return data.ljust(4096, b"\xff")


def raw(entry: Entry) -> SelectEntry:
    if entry == Entry():
        return SelectEntry.erased()
    made = SelectEntry.for_seq(entry.seq, OtaImgState[entry.state])
    return made if entry.crc_right else replace(made, crc=WRONG_CRC)


@dataclass
class Boots:
    """Boots of every case of one configuration, up to the first that comes out otherwise than the model says."""

    options: str
    factory: str | None = None
    defect: BootDefect | None = None
    outcomes: Counter[str | None] = field(default_factory=Counter)
    written: set[str] = field(default_factory=set)
    differs: str = ""

    def run(self) -> None:
        texts = [*OPTIONS[self.options], SILENT]
        if self.defect is not None:
            texts.append(defect_field(self.defect).decode())
        bootloader = bootloader_image(options=texts)
        bench = Bench(table=PartitionTable.from_csv(TWO_OTA_CSV if self.factory is None else FACTORY_CSV))
        bench.put_bootloader(bootloader)
        if self.factory is not None:
            bench.put_slot("factory", image_of(self.factory))
        images, lying = {health: image_of(health) for health in HEALTHS}, ("", "")
        for case in cases(self.options, self.factory):
            if case.healths != lying:
                lying = case.healths
                for slot, health in enumerate(lying):
                    bench.put_slot(f"ota_{slot}", images[health])
            found, wanted = _boot(bench, bootloader, case), expected(case)
            if found != _as_found(wanted):
                self.differs = f"{case}\nfound {found}\nwanted {wanted}"
                return
            self.outcomes[wanted.label] += 1
        # burnt by `_boot`, before each boot
        self.written = set(bench.machine.flash.door.by_purpose) - {"efuse:secure_version"}


_Found = tuple[str | None, tuple[SelectEntry, ...], int, int]


def _boot(bench: Bench, bootloader: Image, case: Case) -> _Found:
    """Label, otadata, secure version burnt, operations on otadata."""
    machine = bench.machine
    if case.anti_rollback:
        machine.efuse.renew()
        machine.efuse.advance_secure_version(1)
    machine.rtc.clear()
    bench.otadata = OtaData((raw(case.entries[0]), raw(case.entries[1])))
    before = machine.flash.door.by_purpose.get(OTADATA, 0)
    try:
        label: str | None = run_bootloader(machine, bootloader).partition.label
    except Restart:
        label = None
    operations = machine.flash.door.by_purpose.get(OTADATA, 0) - before
    return label, bench.otadata.entries, machine.efuse.secure_version, operations


def _as_found(wanted: Outcome) -> _Found:
    # a sector is erased, then programmed
    return wanted.label, tuple(map(raw, wanted.entries)), wanted.burnt, 2 * wanted.writes


# Kconfig and the documentation allow no factory partition beside anti-rollback.
@pytest.mark.parametrize(
    ("options", "factory"),
    [
        *(("none", factory) for factory in (None, "good", "bad hash")),
        *(("rollback", factory) for factory in (None, "good", "bad hash")),
        ("anti-rollback", None),
    ],
)
def test_every_combination(options: str, factory: str | None) -> None:
    boots = Boots(options, factory)
    boots.run()
    assert boots.differs == ""
    assert boots.outcomes.total() >= 10_000
    assert set(boots.outcomes) == {"ota_0", "ota_1"} | ({"factory"} if factory == "good" else {None})
    assert min(boots.outcomes.values()) > 100, boots.outcomes
    assert boots.written <= {OTADATA, "efuse:bootloader"}


@pytest.mark.parametrize(
    ("options", "factory", "defect"),
    [
        ("rollback", None, BootDefect.PENDING_BOOTED_AGAIN),
        ("rollback", None, BootDefect.PENDING_CONFIRMED),
        ("rollback", None, BootDefect.ABORTED_BOOTED),
        ("rollback", None, BootDefect.VALID_ABORTED),
        ("none", None, BootDefect.LOWEST_SEQUENCE),
        ("none", None, BootDefect.ANY_CRC),
        ("none", None, BootDefect.NO_FALL_BACK),
        ("none", None, BootDefect.FALL_BACK_FORGETS),
        ("none", None, BootDefect.FIRST_ENTRY_FORGOTTEN),
        ("none", "good", BootDefect.NO_FACTORY),
        ("anti-rollback", None, BootDefect.BURN_PENDING),
        ("anti-rollback", None, BootDefect.BURN_NEVER),
    ],
)
def test_a_bootloader_that_chooses_otherwise_is_seen(options: str, factory: str | None, defect: BootDefect) -> None:
    boots = Boots(options, factory, defect)
    boots.run()
    assert boots.differs
