"""The flash programmer: regions by name, nothing outside them, and all of it on the timeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
import trustme

from bench.boards.board import Board
from bench.boards.drivers import VirtualBoard
from bench.builds import Build, VirtualBuild, write_build
from bench.errors import BenchError
from bench.flash import OtaImgState, PartitionTable, SelectEntry
from bench.ota import Programmer
from bench.timeline import Timeline


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("build")
    spec = VirtualBuild(
        chip="esp32c3", app="advanced_https_ota", version="1", ca_pem=trustme.CA().cert_pem.bytes(), rollback=True
    )
    write_build(spec, folder)
    return Build.load(folder)


@pytest.fixture(scope="module")
def clipped() -> Iterator[VirtualBoard]:
    with VirtualBoard(Board(name="clip", chip="esp32c3", driver="virtual")) as board:
        board.power(False)
        yield board


def test_regions_are_read_written_flipped_erased_and_restored(clipped: VirtualBoard, build: Build) -> None:
    timeline = Timeline()
    flash = Programmer(clipped, build, timeline)
    for region in ("bootloader", "partition-table", "ota_0"):
        flash.restore(region)
    (table,) = (file for file in build.flash_files if file.offset == build.partition_table_offset)
    data = table.path.read_bytes()
    assert clipped.read_flash(build.partition_table_offset, len(data)) == data
    assert flash.read("ota_0", 0, 1) == b"\xe9"
    flash.flip("ota_0", 0)
    assert flash.read("ota_0", 0, 1) == b"\x16"
    flash.erase("ota_0", 0, 4096)
    assert flash.read("ota_0", 0, 4097)[:4096] == b"\xff" * 4096
    flash.otadata = flash.otadata.with_entry(1, SelectEntry.for_seq(2, OtaImgState.VALID))
    assert flash.otadata.active_index == 1
    told = [entry for entry in timeline.entries if entry.kind == "flash"]
    assert [entry.get("region") for entry in told] == [
        *("bootloader", "partition-table", "ota_0", "ota_0", "ota_0", "otadata")
    ]


def test_nothing_is_written_outside_a_region(clipped: VirtualBoard, build: Build) -> None:
    flash = Programmer(clipped, build, Timeline())
    with pytest.raises(BenchError, match="do not fit into otadata of 8192 bytes"):
        flash.write("otadata", b"\0\0", 8191)
    with pytest.raises(BenchError, match="no region 'ota_7': the partition table names nvs, otadata"):
        flash.read("ota_7")
    with pytest.raises(BenchError, match="the build has no file for ota_1"):
        flash.restore("ota_1")


def test_an_ota_slot_is_found_whatever_its_label(clipped: VirtualBoard, build: Build) -> None:
    named = build.partition_table.partitions
    table = PartitionTable(tuple(replace(one, label=one.label.replace("ota_", "app")) for one in named))
    flash = Programmer(clipped, cast(Build, SimpleNamespace(partition_table=table)), Timeline())  # no file is restored
    flash.write("ota_1", b"in the second slot")
    assert flash.read("app1", 0, 18) == b"in the second slot"
    assert clipped.read_flash(table.ota_slots[1].offset, 18) == b"in the second slot"
