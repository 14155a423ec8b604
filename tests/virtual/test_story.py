"""The bootloader put through the story of the real sectors: the same bytes in otadata and in the emulated eFuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.flash import EfuseBlocks, PartitionTable
from bench.virtual.machine import ResetReason
from tests.reference import reference
from tests.virtual.booting import Bench, app_image, bootloader_image

OPTIONS = ("Enabled a check secure version of app for anti rollback", "CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH=y")


def _bench(chapter: str, folder: Path) -> Bench:
    """The board of the story (8 MB, anti-rollback, emulated eFuse) with the sectors as a chapter left them."""
    table = PartitionTable.parse(reference("flash/ar.partition-table.bin").read_bytes())
    # the real chip's own eFuses, of which the emulated ones began as a copy
    blocks = EfuseBlocks.parse("esp32c3", _sector("ar-01-after-first-boot", "emul_efuse"))
    efuse = folder / "efuse.bin"
    efuse.write_bytes(blocks.to_bytes())
    bench = Bench(table=table, efuse=efuse)
    bench.put_bootloader(bootloader_image(options=OPTIONS, flash_size="8MB"))
    bench.put_slot("ota_0", app_image(version="1"))
    bench.put_slot("ota_1", app_image(version="2", secure_version=1))
    bench.put_slot("otadata", _sector(chapter, "otadata"))
    bench.put_slot("emul_efuse", _sector(chapter, "emul_efuse"))
    return bench


def _sector(chapter: str, which: str) -> bytes:
    return reference(f"flash/{chapter}.{which}.bin").read_bytes()


def _left(bench: Bench, which: str) -> bytes:
    partition = bench.slot("otadata" if which == "otadata" else "emul_efuse")
    return bench.machine.flash.peek(partition.offset, partition.size)


@pytest.mark.parametrize(
    ("before", "reason", "booted", "after"),
    [
        ("ar-00-factory-fresh", ResetReason.POWERON, "ota_0", "ar-01-after-first-boot"),
        ("ar-01-after-first-boot", ResetReason.POWERON, "ota_0", "ar-01-after-first-boot"),
        ("ar-02-switched-not-yet-booted", ResetReason.SW_CPU, "ota_1", "ar-03-new-slot-booting-pending-verify"),
        ("ar-03-new-slot-booting-pending-verify", ResetReason.POWERON, "ota_0", "ar-04-rolled-back-aborted"),
        ("ar-04-rolled-back-aborted", ResetReason.POWERON, "ota_0", "ar-04-rolled-back-aborted"),
        ("ar-05-confirmed-secure-version-1", ResetReason.POWERON, "ota_1", "ar-05-confirmed-secure-version-1"),
    ],
)
def test_each_chapter_ends_with_the_real_bytes(
    before: str, reason: ResetReason, booted: str, after: str, tmp_path: Path
) -> None:
    bench = _bench(before, tmp_path)
    assert bench.booted(reason) == booted
    for which in ("otadata", "emul_efuse"):
        assert _left(bench, which) == _sector(after, which), which


def test_after_the_confirmed_update_the_old_slot_is_forbidden(tmp_path: Path) -> None:
    """ar-05: secure version 1 is burnt, so ota_0 with version 0 is no way back."""
    bench = _bench("ar-05-confirmed-secure-version-1", tmp_path)
    bench.put_slot("ota_1", b"\xff" * 4096)
    assert bench.boot() is ResetReason.SW_SYS
    assert "boot: Secure version (from eFuse) = 1" in bench.console
    assert "boot: OTA app partition slot 0 is not bootable" in bench.console
    assert _left(bench, "otadata") == _sector("ar-05-confirmed-secure-version-1", "otadata")


@pytest.mark.parametrize("chapter", ["adv-00-factory-fresh", "adv-01-ota_0-no-rollback-support"])
def test_a_bootloader_without_rollback_leaves_otadata_alone(chapter: str) -> None:
    csv = """
    nvs, data, nvs, 0x9000, 0x4000
    otadata, data, ota, 0xd000, 0x2000
    phy_init, data, phy, 0xf000, 0x1000
    factory, app, factory, 0x10000, 1M
    ota_0, app, ota_0, 0x110000, 1M
    ota_1, app, ota_1, 0x210000, 1M
    """
    bench = Bench(table=PartitionTable.from_csv(csv))
    bench.put_bootloader(bootloader_image())
    for label in ("factory", "ota_0", "ota_1"):
        bench.put_slot(label, app_image(version=label))
    data = _sector(chapter, "otadata")
    bench.put_slot("otadata", data)
    assert bench.booted() == ("factory" if chapter == "adv-00-factory-fresh" else "ota_0")
    assert _left(bench, "otadata") == data
