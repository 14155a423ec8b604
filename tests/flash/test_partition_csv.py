"""The partitions CSV by ESP-IDF's rules; errors name the line and the mend."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import FormatError
from bench.flash import PartitionTable

# As ESP-IDF's components/partition_table/partitions_two_ota.csv.
STOCK_TWO_OTA = """\
# Name,   Type, SubType, Offset,   Size, Flags
# Note: if you have increased the bootloader size, make sure to update the offsets to avoid overlap
nvs,      data, nvs,     ,        0x4000,
otadata,  data, ota,     ,        0x2000,
phy_init, data, phy,     ,        0x1000,
factory,  app,  factory, ,        1M,
ota_0,    app,  ota_0,   ,        1M,
ota_1,    app,  ota_1,   ,        1M,
"""


def test_blank_offsets_follow_and_align() -> None:
    table = PartitionTable.from_csv(STOCK_TWO_OTA, flash_size=4 << 20)
    assert [(p.label, p.offset, p.size) for p in table.partitions] == [
        ("nvs", 0x9000, 0x4000),
        ("otadata", 0xD000, 0x2000),
        ("phy_init", 0xF000, 0x1000),
        ("factory", 0x10000, 0x100000),
        ("ota_0", 0x110000, 0x100000),
        ("ota_1", 0x210000, 0x100000),
    ]


def test_an_app_after_data_starts_on_the_next_64k() -> None:
    table = PartitionTable.from_csv("nvs, data, nvs, , 0x1000\napp, app, factory, , 64K\n")
    assert table.partitions[1].offset == 0x10000


def test_the_table_may_lie_elsewhere() -> None:
    table = PartitionTable.from_csv("nvs, data, nvs, , 0x4000\n", table_offset=0xD000)
    assert table.partitions[0].offset == 0xE000


@pytest.mark.parametrize(
    ("size", "bytes_"),
    [
        ("64K", 65536),
        ("64k", 65536),
        ("1M", 1 << 20),
        ("1m", 1 << 20),
        ("0x6000", 0x6000),
        ("4096", 4096),
        ("0x2K", 2048),
    ],
)
def test_sizes(size: str, bytes_: int) -> None:
    assert PartitionTable.from_csv(f"x, 0x40, 1, 0x10000, {size}\n").partitions[0].size == bytes_


def test_a_negative_size_is_an_end() -> None:
    table = PartitionTable.from_csv("x, 0x40, 1, 0x10000, -0x18000\n")
    assert table.partitions[0].size == 0x8000


def test_subtypes_by_name_number_and_default() -> None:
    table = PartitionTable.from_csv(
        "a, app, ota_15, , 4K\nb, 0, 0x11, , 4K\nc, data, , , 4K\nd, data, NVS, , 4K\ne, 0x40, 7, , 4K\n"
        "f, data, littlefs, , 4K\n"
    )
    assert [(p.type, p.subtype) for p in table.partitions] == [
        (0, 0x1F),
        (0, 0x11),
        (1, 0x06),
        (1, 0x02),
        (0x40, 7),
        (1, 0x83),
    ]


def test_flags_comments_blank_lines_and_crlf() -> None:
    table = PartitionTable.from_csv(
        "\r\n# comment\r\n  \r\nkeys, data, nvs_keys, 0x9000, 4K, encrypted:readonly\r\nnvs,data,nvs,,4K,readonly"
    )
    assert [p.flags for p in table.partitions] == [3, 2]


def test_long_names_are_truncated_as_the_guide_says() -> None:
    assert PartitionTable.from_csv("abcdefghijklmnopqrstu, data, nvs, , 4K\n").partitions[0].label == "abcdefghijklmnop"


@pytest.mark.parametrize(
    ("line", "found", "mend"),
    [
        ("x, , nvs, , 4K", "empty type", "app, data"),
        ("x, dta, nvs, , 4K", "type 'dta'", "app, data"),
        ("x, app, , , 4K", "empty subtype", "factory"),
        ("x, data, otadata, , 4K", "subtype 'otadata'", "ota, phy, nvs"),
        ("x, data, nvs, , ", "empty size", "64K"),
        ("x, data, nvs, , 4Q", "size '4Q'", "a number"),
        ("x, data, nvs, here, 4K", "offset 'here'", "a number"),
        ("x, data, nvs, 0x8000, 4K", "offset 0x8000", "0xa000 or higher"),
        ("x, data, nvs, 0xa100, 4K", "offset 0xa100", "0xb000"),
        ("x, app, ota_0, 0x11000, 4K", "offset 0x11000", "0x20000"),
        ("x, app, ota_0, , 0x1800", "size 0x1800", "0x1000"),
        ("x, data, nvs, , 4K, hidden", "flag 'hidden'", "encrypted or readonly"),
        ("x, data, ota, , 4K", "otadata partition of 0x1000", "0x2000"),
        ("x, data, coredump, , 64K, readonly", "readonly", "none"),
        ("x, data, nvs, , -0x1000", "an end of 0x1000", "higher"),
        ("first, data, nvs, , 4K", "second partition 'first'", "another name: line 2"),
        ("x, data, nvs, , 4M", "an end at 0x40a000", "0x400000"),
        ("x, 255, 1, , 4K", "type 255", "0xfe"),
        ("x, data, nvs, $OFFSET, 4K", "'$'", "plain"),
        ("x, data, nvs, , 0xffffffff0", "size 0xffffffff0", "32 bits"),
    ],
)
def test_errors_name_line_and_mend(line: str, found: str, mend: str) -> None:
    text = f"# table\nfirst, data, nvs, 0x9000, 4K\n\n{line}\n"
    with pytest.raises(FormatError) as caught:
        PartitionTable.from_csv(text, flash_size=4 << 20)
    assert caught.value.subject == "partitions CSV, line 4"
    assert text[caught.value.offset :].startswith(line[:1])
    assert found in caught.value.found
    assert mend in caught.value.expected


def test_a_second_otadata_is_refused() -> None:
    with pytest.raises(FormatError, match=r"line 2.*only the one of line 1"):
        PartitionTable.from_csv("a, data, ota, , 8K\nb, data, ota, , 8K\n")


def test_out_of_order_overlap_is_refused() -> None:
    with pytest.raises(FormatError, match="inside the partition before"):
        PartitionTable.from_csv("a, data, nvs, 0x20000, 4K\nb, data, nvs, 0x10000, 4K\n")


@given(st.text(alphabet="abnvsdtap,:0x16KM-# \n$\r\u00e9", max_size=120))
def test_any_text_is_a_table_or_a_format_error(text: str) -> None:
    try:
        table = PartitionTable.from_csv(text)
    except FormatError:
        return
    assert PartitionTable.parse(table.to_bytes()).partitions == table.partitions
