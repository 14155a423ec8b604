"""Partition tables against ESP-IDF's own, byte for byte; and what is refused."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import FormatError
from bench.flash import Partition, PartitionTable
from tests.reference import reference

REAL = [
    "builds/hello_world_esp32/build/partition_table/partition-table.bin",
    "builds/hello_world_esp32c3/build/partition_table/partition-table.bin",
    "builds/hello_world_esp32_flash_enc/build/partition_table/partition-table.bin",
    "flash/ar.partition-table.bin",
]

TWO_OTA = PartitionTable(
    (
        Partition("nvs", 1, 2, 0x9000, 0x4000),
        Partition("otadata", 1, 0, 0xD000, 0x2000),
        Partition("phy_init", 1, 1, 0xF000, 0x1000),
        Partition("ota_1", 0, 0x11, 0x110000, 0x100000),
        Partition("ota_0", 0, 0x10, 0x10000, 0x100000),
    )
)


def row(
    label: bytes,
    *,
    type: int = 1,
    subtype: int = 2,
    offset: int = 0x9000,
    size: int = 0x1000,
    magic: bytes = b"\xaa\x50",
) -> bytes:
    """A row written by hand, so that reader and writer are not each other's only witness."""
    numbers = bytes([type, subtype]) + offset.to_bytes(4, "little") + size.to_bytes(4, "little")
    return magic + numbers + label.ljust(16, b"\0") + bytes(4)


def md5_row(rows: bytes) -> bytes:
    return b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(rows).digest()


END = b"\xff" * 32


@pytest.mark.parametrize("name", REAL)
def test_real_tables_survive_binary_and_csv_unchanged(name: str) -> None:
    data = reference(name).read_bytes()
    table = PartitionTable.parse(data)
    assert table.md5
    assert table.to_bytes() == data
    assert PartitionTable.from_csv(table.to_csv()).to_bytes() == data


def test_the_anti_rollback_table_says_where_everything_is() -> None:
    table = PartitionTable.parse(reference("flash/ar.partition-table.bin").read_bytes(), flash_size=8 << 20)
    assert [(p.label, p.offset) for p in table.ota_slots] == [("ota_0", 0x20000), ("ota_1", 0x3A0000)]
    assert table.otadata is not None
    assert table.otadata.offset == 0x12000
    assert table.emul_efuse is not None
    assert table.emul_efuse.offset == 0x15000
    assert table.factory is None
    assert table.flash_size_needed == 0x720000


def test_lookups() -> None:
    assert [p.label for p in TWO_OTA.ota_slots] == ["ota_0", "ota_1"]
    assert [p.ota_slot for p in TWO_OTA.ota_slots] == [0, 1]
    assert TWO_OTA.by_label("phy_init") == Partition("phy_init", 1, 1, 0xF000, 0x1000)
    assert TWO_OTA.by_label("none") is None
    slot = TWO_OTA.slot_at(0x110000)
    assert slot is not None
    assert slot.slot_name == "ota_1"
    assert TWO_OTA.slot_at(0x110001) is None
    assert TWO_OTA.slot_at(0x9000) is None, "a data partition is no slot"
    inside = TWO_OTA.containing(0x10FFFF)
    assert inside is not None
    assert inside.label == "ota_0"
    assert TWO_OTA.containing(0x8000) is None


def test_flags_keep_bits_that_nobody_has_named() -> None:
    partition = Partition("keys", 1, 4, 0x9000, 0x1000, flags=0x8000_0003)
    assert partition.encrypted
    assert partition.readonly
    assert PartitionTable.parse(PartitionTable((partition,)).to_bytes()).partitions == (partition,)


def test_a_table_without_md5_row_is_kept_so() -> None:
    data = (row(b"nvs") + END).ljust(0xC00, b"\xff")
    table = PartitionTable.parse(data)
    assert not table.md5
    assert table.to_bytes() == data


@pytest.mark.parametrize(
    ("data", "offset", "found"),
    [
        pytest.param(b"", 0, "end of the data", id="nothing"),
        pytest.param(row(b"nvs", magic=b"\xaa\x51") + END, 0, "aa 51", id="magic"),
        pytest.param(row(b"nvs") + bytes(32), 32, "00 00", id="magic of the second"),
        pytest.param(row(b"nvs") + md5_row(b"other") + END, 48, "MD5", id="md5"),
        pytest.param(row(b"nvs") + md5_row(row(b"nvs")) * 2 + END, 64, "second MD5", id="two md5 rows"),
        pytest.param(row(b"nvs") + md5_row(row(b"nvs")) + row(b"x") + END, 64, "after the MD5", id="row after md5"),
        pytest.param(row(b"nvs") + row(b"x", offset=0x9FFF) + END, 36, "overlaps 'nvs'", id="overlap"),
        pytest.param(row(b"\xff\xfe") + END, 12, "label", id="label"),
        pytest.param(row(b"x", offset=0x3FF000, size=0x1001) + END, 4, "0x400001", id="beyond the flash"),
        pytest.param(
            b"".join(row(b"%d" % n, offset=n * 0x1000) for n in range(9, 105)), 0xC00, "no end row", id="endless"
        ),
    ],
)
def test_refusals_name_offset_and_finding(data: bytes, offset: int, found: str) -> None:
    with pytest.raises(FormatError) as caught:
        PartitionTable.parse(data, flash_size=0x400000)
    assert caught.value.offset == offset
    assert found in caught.value.found


def test_every_truncation_of_the_rows_is_refused() -> None:
    data = TWO_OTA.to_bytes()
    rows = 32 * (len(TWO_OTA.partitions) + 2)
    for length in range(rows):
        with pytest.raises(FormatError):
            PartitionTable.parse(data[:length])
    assert PartitionTable.parse(data[:rows]) == TWO_OTA, "the end row is all that must follow"


def test_every_flipped_byte_of_the_rows_is_noticed() -> None:
    data = TWO_OTA.to_bytes()
    for at in range(32 * (len(TWO_OTA.partitions) + 1)):
        flipped = bytearray(data)
        flipped[at] ^= 0x01
        if 32 * 5 + 2 <= at < 32 * 5 + 16:
            continue  # ESP-IDF looks at the first two bytes of the MD5 row only
        with pytest.raises(FormatError):
            PartitionTable.parse(bytes(flipped))


def test_what_does_not_fit_is_not_written() -> None:
    many = PartitionTable(tuple(Partition(f"p{n}", 0x40, 0, n << 12, 0x1000) for n in range(9, 9 + 95)))
    with pytest.raises(FormatError, match="95 partitions"):
        many.to_bytes()
    assert PartitionTable.parse(PartitionTable(many.partitions[:94]).to_bytes()).partitions == many.partitions[:94]
    for bad in (
        Partition("a" * 17, 1, 2, 0x9000, 0x1000),
        Partition("a\0b", 1, 2, 0x9000, 0x1000),
        Partition("nvs", 256, 2, 0x9000, 0x1000),
        Partition("nvs", 1, 2, 1 << 32, 0x1000),
    ):
        with pytest.raises(FormatError):
            PartitionTable((bad,)).to_bytes()


@given(st.binary(max_size=0xD00))
def test_random_bytes_are_a_table_or_a_format_error(data: bytes) -> None:
    try:
        table = PartitionTable.parse(data)
    except FormatError:
        return
    assert PartitionTable.parse(table.to_bytes()) == table


@st.composite
def tables(draw: st.DrawFn) -> PartitionTable:
    """Tables as ESP-IDF's CSV rules allow them."""
    free = 0x9000
    partitions: list[Partition] = []
    labels = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=16)
    for label in draw(st.lists(labels, unique=True, max_size=12)):
        type_ = draw(st.sampled_from([0x00, 0x01, 0x40, 0xFE]))
        alignment = 0x10000 if type_ == 0 else 0x1000
        gap = draw(st.integers(0, 3)) * alignment
        offset = -(-free // alignment) * alignment + gap
        size = draw(st.integers(0, 64)) * 0x1000
        subtype = draw(st.integers(2, 0xFE))
        if (type_, subtype) == (1, 3):
            subtype = 2
        partitions.append(Partition(label, type_, subtype, offset, size, draw(st.integers(0, 3))))
        free = offset + size
    return PartitionTable(tuple(partitions))


@given(tables())
def test_round_trips(table: PartitionTable) -> None:
    assert PartitionTable.parse(table.to_bytes()) == table
    assert PartitionTable.from_csv(table.to_csv()) == table
