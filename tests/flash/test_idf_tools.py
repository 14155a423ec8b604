"""Partition tables and otadata against ESP-IDF's own tools: their test vectors, and the tools where IDF_PATH has them.

Vectors: components/partition_table/test_gen_esp32part_host/gen_esp32part_tests.py (ESP-IDF v5.5, Apache-2.0).
Layout of otadata: components/app_update/otatool.py.
"""

from __future__ import annotations

import binascii
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import FormatError
from bench.flash import OtaData, OtaImgState, Partition, PartitionTable, SelectEntry
from tests.flash.test_partition_table import tables
from tests.virtual.benchtop import benchtop

LONGER_BINARY_TABLE = (
    b"\xaa\x50\x00\x00" b"\x00\x00\x01\x00" b"\x00\x00\x10\x00" b"factory\0" + b"\0" * 8 + b"\x00\x00\x00\x00"
    b"\xaa\x50\x01\x20" b"\x00\x00\x11\x00" b"\x00\x02\x00\x00" b"data" + b"\0" * 12 + b"\x00\x00\x00\x00"
    b"\xaa\x50\x10\x00" b"\x00\x00\x15\x00" b"\x00\x10\x00\x00" b"second" + b"\0" * 10 + b"\x00\x00\x00\x00"
    b"\xeb\xeb" + b"\xff" * 14 + bytes.fromhex("f9bd061b45686f86571a2cd52a1da65b") + b"\xff" * 32
)  # fmt: skip


# -- gen_esp32part's vectors


def test_the_longer_binary_table() -> None:
    table = PartitionTable.parse(LONGER_BINARY_TABLE)
    assert table.partitions == (
        Partition("factory", 0, 0, 0x10000, 0x100000),
        Partition("data", 1, 0x20, 0x110000, 0x200),
        Partition("second", 0x10, 0, 0x150000, 0x1000),
    )
    assert table.to_bytes() == LONGER_BINARY_TABLE.ljust(0xC00, b"\xff")


def test_the_binary_entry_and_its_md5() -> None:
    data = PartitionTable((Partition("first", 0x30, 0xEE, 0x100400, 0x300000),)).to_bytes()
    assert data[:4] == b"\xaa\x50\x30\xee"
    assert struct.unpack("<LL", data[4:12]) == (0x100400, 0x300000)
    assert data[32:48] == b"\xeb\xeb" + b"\xff" * 14
    assert data[48:64] == bytes.fromhex("43033f334087575169839b4061b12726")


def test_one_entry_without_md5() -> None:
    entry = b"\xaa\x50\x30\xee\x00\x00\x10\x00\x00\x00\x20\x000123456789abc\0\0\0\x00\x00\x00\x00"
    table = PartitionTable.parse(entry + b"\xff" * 32)
    assert table.partitions == (Partition("0123456789abc", 0x30, 0xEE, 0x100000, 0x200000),)


_ROWS = [
    ("factory,0,2,65536,1048576,", [("factory", 0, 2, 0x10000, 0x100000)]),
    ("one_megabyte, app, factory, 64k, 1M", [("one_megabyte", 0, 0, 0x10000, 0x100000)]),
    (
        "first, app, factory,, 1M\nsecond, data, 0x15,, 1M\nminidata, data, 0x40,, 32K\notherapp, app, factory,, 1M",
        [
            ("first", 0, 0, 0x10000, 0x100000),
            ("second", 1, 0x15, 0x110000, 0x100000),
            ("minidata", 1, 0x40, 0x210000, 0x8000),
            ("otherapp", 0, 0, 0x220000, 0x100000),
        ],
    ),
    (
        "first, app, factory, 0x10000, -2M\nsecond, data, 0x15, , 1M",
        [("first", 0, 0, 0x10000, 0x1F0000), ("second", 1, 0x15, 0x200000, 0x100000)],
    ),
    ("storage, data, , , 512k\nstorage2, data, undefined, , 12k", [
        ("storage", 1, 6, 0x9000, 0x80000), ("storage2", 1, 6, 0x89000, 0x3000),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("csv", "rows"), _ROWS)
def test_csv_vectors(csv: str, rows: list[tuple[str, int, int, int, int]]) -> None:
    assert PartitionTable.from_csv(csv).partitions == tuple(Partition(*one) for one in rows)


def test_names_and_numbers_mean_the_same() -> None:
    numbers = "a, 0, 0,, 1M\nb, 0, 0x10,, 1M\nc, 0, 0x11,, 1M\nd, 0, 0x1f,, 1M\ne, 0, 0x20,, 1M\nf, 1, 0,, 0x2000\n"
    names = "a, app, factory,, 1M\nb, app, ota_0,, 1M\nc, app, ota_1,, 1M\nd, app, ota_15,, 1M\ne, app, test,, 1M\n"
    assert PartitionTable.from_csv(numbers) == PartitionTable.from_csv(names + "f, data, ota,, 0x2000\n")


@pytest.mark.parametrize(
    "csv",
    [
        "ihavenotype,",
        "first, app, factory, 0x100000, 2M\nsecond, app, ota_0, 0x200000, 1M",
        "first, app, factory, 0x100000, 1M\nfirst, app, ota_0, 0x200000, 1M",
        "app,app, factory, 32K, 1M",
        "nvs, data, nvs, 0x9420, 0x6000,\nphy_init, data, phy, , 0x1000,\nfactory, app, factory, , 1M,",
        "nvs, data, nvs, 0x0000, 0x6000,\nphy_init, data, phy, , 0x1000,\nfactory, app, factory, , 1M,",
        "otadata, data, ota, , 0x2000,\notadata2, data, ota, , 0x2000,\nota_0, 0, ota_0, , 1M,",
        "otadata, data, ota, , 0x3000,\nota_0, 0, ota_0, , 1M,",
        "factory, app, , , 1M",
        "ota_1, app, ota_1, , 0x100800",
        "factory, app, factory, 0x10000, 20M",
    ],
)
def test_what_gen_esp32part_refuses_is_refused(csv: str) -> None:
    with pytest.raises(FormatError):
        PartitionTable.from_csv(csv, flash_size=16 << 20)


# -- gen_esp32part itself


def _idf(tool: str) -> Path:
    if "IDF_PATH" not in os.environ:
        pytest.skip(f"IDF_PATH is not set: ESP-IDF's {Path(tool).name} is not here")
    path = Path(os.environ["IDF_PATH"], "components", tool)
    if not path.exists():
        pytest.skip(f"IDF_PATH has no components/{tool}")
    return path


def _gen(*arguments: object) -> None:
    command = [sys.executable, str(_idf("partition_table/gen_esp32part.py")), "-q", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables())
def test_gen_esp32part_writes_the_same_bytes_from_our_csv(tmp_path: Path, table: PartitionTable) -> None:
    csv, binary = tmp_path / "table.csv", tmp_path / "table.bin"
    csv.write_text(table.to_csv())
    _gen("--flash-size", "128MB", "--no-verify", csv, binary)
    assert binary.read_bytes() == table.to_bytes()


def test_gen_esp32part_reads_our_bytes_and_we_its_csv(tmp_path: Path) -> None:
    stock = sorted(_idf("partition_table/gen_esp32part.py").parent.glob("partitions_*.csv"))
    stock = [one for one in stock if "tee" not in one.name]
    assert len(stock) >= 6
    for csv in stock:
        binary, back = tmp_path / "table.bin", tmp_path / "back.csv"
        _gen(csv, binary)
        ours = PartitionTable.from_csv(csv.read_text())
        assert ours.to_bytes() == binary.read_bytes(), csv.name
        (tmp_path / "ours.bin").write_bytes(ours.to_bytes())
        _gen(tmp_path / "ours.bin", back)
        assert PartitionTable.from_csv(back.read_text()) == ours, csv.name


# -- otatool


def _as_otatool_reads(otadata: bytes) -> list[tuple[int, bool]]:
    """OtatoolTarget._get_otadata_info and is_otadata_info_valid: (sequence number, is it valid?) of both sectors."""
    told = []
    for start in (0, 0x1000):
        (seq,), (crc,) = (struct.unpack("<I", otadata[start + at : start + at + 4]) for at in (0, 28))
        valid = seq < 0xFFFFFFFF and crc == binascii.crc32(struct.pack("<I", seq), 0xFFFFFFFF)
        told.append((seq, valid))
    return told


@given(st.integers(1, 0xFFFF_FFFE), st.sampled_from(OtaImgState), st.integers(0, 1), st.integers(2, 16))
def test_otatool_reads_what_we_write(seq: int, state: OtaImgState, sector: int, slots: int) -> None:
    written = OtaData.erased().with_entry(sector, SelectEntry.for_seq(seq, state))
    told = _as_otatool_reads(written.to_bytes())
    assert told[sector] == (seq, True)
    assert told[1 - sector] == (0xFFFFFFFF, False)
    assert written.entries[sector].slot(slots) == (seq - 1) % slots


def _with_installed_esptool(tool: Path, into: Path) -> Path:
    """An ESP-IDF for parttool.py, whose esptool (a submodule there) is the one that is installed here."""
    wrapper = into / "components" / "esptool_py" / "esptool" / "esptool.py"
    wrapper.parent.mkdir(parents=True)
    # its own folder comes first on the path, and would be taken for the package
    wrapper.write_text(
        "import sys\nsys.path.pop(0)\nimport esptool, serial\n"
        "serial.protocol_handler_packages.append('bench.boards.serialurl')\nesptool._main()\n"
    )
    (into / "components" / "partition_table").symlink_to(tool.parents[1] / "partition_table")
    return into


@pytest.mark.parametrize("started", [None, (1, 0), (2, 1)])
@pytest.mark.parametrize("slot", [0, 1])
def test_otatool_switches_the_slot_of_a_virtual_board(
    slot: int, started: tuple[int, int] | None, tmp_path: Path
) -> None:
    """ESP-IDF's otatool.py and parttool.py as they are, through esptool and the virtual board's serial port."""
    tool = _idf("app_update/otatool.py")
    environment = {**os.environ, "IDF_PATH": str(_with_installed_esptool(tool, tmp_path))}
    table = PartitionTable.from_csv(
        "otadata, data, ota, 0xd000, 0x2000\nota_0, app, ota_0, 0x10000, 64K\nota_1, app, ota_1, 0x20000, 64K\n"
    )
    before = OtaData.erased()
    if started is not None:
        before = before.with_entry(started[1], SelectEntry.for_seq(started[0], OtaImgState.UNDEFINED))
    with benchtop("esp32c3") as bench:
        flash = bench.board.machine.flash
        flash.poke(0x8000, table.to_bytes())
        flash.poke(0xD000, before.to_bytes())
        command = [sys.executable, str(tool), "--port", bench.virtual, "switch_ota_partition", "--slot", str(slot)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        after = OtaData.parse(flash.peek(0xD000, 0x2000))
    assert after.active is not None
    assert after.active.slot(2) == slot
    assert after == before.switched_to(slot, 2)
