"""The bench's NVS pages: against those of esp-idf-nvs-partition-gen, and against flash that only clears bits."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.errors import FormatError
from bench.flash.nvs import Erase, Nvs, Operation, Program

SIZE = 0x4000
URL = "https://10.0.2.2:8070/advanced_https_ota.bin"

GENERATED = bytes.fromhex(
    "feffffff00000000feffffffffffffffffffffffffffffffffffffff842dbab9aafeffffffffffffffffffffffffffffffff"
    "ffffffffffffffffffffffffffff000101ff7f3613a86f74615f726573756d7074696f6e000001ffffffffffffff010201ff"
    "a3d862d96e76735f6f74615f77725f6c656e00006100ffffffffffff012103ffba2ed9626e76735f6f74615f75726c000000"
    "00002d00ffff2a434be968747470733a2f2f31302e302e322e323a383037302f616476616e6365645f68747470735f6f7461"
    "2e62696e00ffffffffffffffffffffffffffffffffffffff"
)
"""What esp-idf-nvs-partition-gen 0.3.0 writes into the first page for the two keys below."""


class Flash:
    """NOR: programming clears bits and sets none."""

    def __init__(self, data: bytes = b"\xff" * SIZE) -> None:
        self.data = bytearray(data)
        self.erases = 0

    def half(self, one: Operation) -> None:
        """An operation in whose middle the power fails, as on the virtual board."""
        if isinstance(one, Erase):
            self.data[one.offset : one.offset + 2048] = b"\xff" * 2048
        else:
            self.apply([Program(one.offset, one.data[: len(one.data) // 2])])

    def apply(self, operations: list[Operation]) -> None:
        for one in operations:
            if isinstance(one, Erase):
                assert one.offset % 4096 == 0
                self.data[one.offset : one.offset + 4096] = b"\xff" * 4096
                self.erases += 1
                continue
            for at, byte in enumerate(one.data, one.offset):
                assert self.data[at] & byte == byte, "a bit would have to be set"
                self.data[at] = byte


def test_what_is_written_is_what_espressif_s_generator_writes() -> None:
    nvs = Nvs(b"\xff" * SIZE)
    nvs.set_u16("ota_resumption", "nvs_ota_wr_len", 97)
    nvs.set_string("ota_resumption", "nvs_ota_url", URL)
    assert nvs.to_bytes() == GENERATED.ljust(SIZE, b"\xff")


def test_what_espressif_s_generator_writes_is_read() -> None:
    nvs = Nvs(GENERATED.ljust(SIZE, b"\xff"))
    assert nvs.get_number("ota_resumption", "nvs_ota_wr_len") == 97
    assert nvs.get_string("ota_resumption", "nvs_ota_url") == URL
    assert nvs.get_number("ota_resumption", "nvs_ota_url") is None
    assert nvs.get_string("ota_resumption", "nvs_ota_wr_len") is None
    assert nvs.get_number("elsewhere", "nvs_ota_wr_len") is None


def generated(tmp_path: Path, *rows: str) -> bytes:
    """What esp-idf-nvs-partition-gen makes of these rows, run as a program of its own."""
    table, out = tmp_path / "nvs.csv", tmp_path / "nvs.bin"
    table.write_text("\n".join(("key,type,encoding,value", *rows)) + "\n")
    command = [sys.executable, "-m", "esp_idf_nvs_partition_gen", "generate", str(table), str(out), hex(SIZE)]
    subprocess.run(command, check=True, capture_output=True)
    return out.read_bytes()


def test_what_the_generator_itself_writes_is_read(tmp_path: Path) -> None:
    rows = ("first,namespace,,", "n,data,u32,70000", "second,namespace,,", "s,data,string,text")
    nvs = Nvs(generated(tmp_path, *rows))
    assert nvs.get_number("first", "n") == 70_000
    assert nvs.get_string("second", "s") == "text"


@pytest.mark.parametrize("number", [0, 1, 0xFFFF])
@pytest.mark.parametrize("text", ["", "x", "y" * 31, "z" * 32, URL, "w" * 1000])
def test_the_generator_itself_writes_the_same_bytes(number: int, text: str, tmp_path: Path) -> None:
    """Strings that end within an entry, with one, and behind many."""
    rows = ("space,namespace,,", f"n,data,u16,{number}", f"s,data,string,{text}", "other,namespace,,", "m,data,u16,7")
    nvs = Nvs(b"\xff" * SIZE)
    nvs.set_u16("space", "n", number)
    nvs.set_string("space", "s", text)
    nvs.set_u16("other", "m", 7)
    assert nvs.to_bytes() == generated(tmp_path, *rows)


def test_thousands_of_changes_only_clear_bits_and_keep_everything_else() -> None:
    flash = Flash()
    nvs = Nvs(bytes(flash.data))
    flash.apply(nvs.set_string("keep", "me", "x" * 200))
    flash.apply(nvs.set_u16("keep", "n", 7))
    for number in range(1500):
        flash.apply(nvs.set_u16("ota_resumption", "nvs_ota_wr_len", number))
        if number % 7 == 0:
            flash.apply(nvs.set_string("ota_resumption", "nvs_ota_url", f"u{number}"))
        if number % 100 == 0:
            read = Nvs(bytes(flash.data))
            assert read.get_number("ota_resumption", "nvs_ota_wr_len") == number
            assert read.get_string("ota_resumption", "nvs_ota_url") == f"u{number - number % 7}"
            assert read.get_string("keep", "me") == "x" * 200
            assert read.get_number("keep", "n") == 7
    assert bytes(flash.data) == nvs.to_bytes()
    assert flash.erases >= 5, "pages were never cleared away, so nothing was tested"


def test_the_same_value_again_is_not_written() -> None:
    nvs = Nvs(b"\xff" * SIZE)
    assert nvs.set_u16("space", "key", 1)
    assert nvs.set_u16("space", "key", 1) == []


def test_a_namespace_is_emptied_alone() -> None:
    nvs = Nvs(b"\xff" * SIZE)
    nvs.set_u16("one", "key", 1)
    nvs.set_u16("two", "key", 2)
    nvs.erase_all("one")
    assert nvs.get_number("one", "key") is None
    assert nvs.get_number("two", "key") == 2
    assert nvs.erase_all("three") == []


def test_power_lost_in_a_change_leaves_the_old_value_or_the_new() -> None:
    nvs = Nvs(b"\xff" * SIZE)
    nvs.set_u16("space", "key", 1)
    before = nvs.to_bytes()
    operations = nvs.set_u16("space", "key", 2)
    seen = []
    for count in range(len(operations) + 1):
        flash = Flash()
        flash.data[:] = before
        flash.apply(operations[:count])
        seen.append(Nvs(bytes(flash.data)).get_number("space", "key"))
    assert seen == sorted(seen, key=lambda one: one or 0)
    assert set(seen) == {1, 2}


def test_a_half_written_entry_is_not_written_over() -> None:
    """Page::mLoadEntryTable: power went between an entry and its bits, so the bitmap calls it empty."""
    flash = Flash()
    flash.apply(Nvs(bytes(flash.data)).set_u16("space", "key", 76))
    flash.apply(Nvs(bytes(flash.data)).set_u16("space", "key", 77)[:1])
    assert Nvs(bytes(flash.data)).get_number("space", "key") == 76
    flash.apply(Nvs(bytes(flash.data)).set_u16("space", "key", 78))
    assert Nvs(bytes(flash.data)).get_number("space", "key") == 78


def test_an_item_whose_bits_are_written_in_part_is_none() -> None:
    """Page::mLoadEntryTable erases it: what its bits do not vouch for may not have been written."""
    flash = Flash()
    *before, bits = Nvs(bytes(flash.data)).set_string("space", "key", "x" * 200)
    flash.apply(before)
    flash.half(bits)
    assert Nvs(bytes(flash.data)).get_string("space", "key") is None
    flash.apply(Nvs(bytes(flash.data)).set_string("space", "key", "y" * 200))
    assert Nvs(bytes(flash.data)).get_string("space", "key") == "y" * 200


Held = dict[str, int | str]


def saves(count: int) -> Iterator[tuple[str, int | str]]:
    """Much of it long, so that few fill a page; the URL and `k…` are not replaced, and move from page to page."""
    yield "url", URL
    for number in range(count):
        yield from (("n", number), ("long", f"{number} " + "x" * 1000), (f"k{number}", 500 + number))


def saved(nvs: Nvs, key: str, value: int | str) -> list[Operation]:
    return nvs.set_u16("space", key, value) if isinstance(value, int) else nvs.set_string("space", key, value)


def held(data: bytearray) -> Held:
    nvs = Nvs(bytes(data))
    found: dict[str, int | str | None] = {key: nvs.get_string("space", key) for key in ("url", "long")}
    found |= {key: nvs.get_number("space", key) for key in ("n", *(f"k{number}" for number in range(16)))}
    return {key: value for key, value in found.items() if value is not None}


def assert_lives_on(data: bytearray) -> None:
    """The next start of a board that has this in flash: it saves on, until every page was begun anew."""
    flash, expected = Flash(bytes(data)), held(data)
    nvs = Nvs(bytes(data))
    for number in range(len(data) // 4096 * 3):
        for key, value in (("long", f"again {number}" + "y" * 1200), ("n", 1000 + number)):
            flash.apply(saved(nvs, key, value))
            expected[key] = value
            assert held(flash.data) == expected
    assert bytes(flash.data) == nvs.to_bytes()
    assert flash.erases, "no page was cleared away, so nothing was tested"


@pytest.mark.parametrize("middle", [False, True], ids=["after", "in the middle of"])
@pytest.mark.parametrize("pages", [2, 4])
def test_after_a_cut_at_any_operation_everything_saved_is_there_and_stays(pages: int, middle: bool) -> None:
    flash = Flash(b"\xff" * 4096 * pages)
    nvs = Nvs(bytes(flash.data))
    before: Held = {}
    for key, value in saves(4 * pages):
        after = before | {key: value}
        for one in saved(nvs, key, value):
            cut = Flash(bytes(flash.data))
            if middle:
                cut.half(one)
            else:
                cut.apply([one])
            assert held(cut.data) in (before, after)
            assert_lives_on(cut.data)
            flash.apply([one])
        before = after
        assert held(flash.data) == before
    assert flash.erases >= 2, "pages were never cleared away, so nothing was tested"


def test_power_may_fail_again_while_a_cut_is_mended() -> None:
    flash = Flash(b"\xff" * 8192)
    nvs = Nvs(bytes(flash.data))
    longest = 0
    for key, value in saves(8):
        for one in saved(nvs, key, value):
            flash.apply([one])
            expected = held(flash.data)
            again = Flash(bytes(flash.data))
            mending = Nvs(bytes(flash.data)).opened()
            longest = max(longest, len(mending))
            for step in mending:
                torn = Flash(bytes(again.data))
                torn.half(step)
                again.apply([step])
                assert held(torn.data) == held(again.data) == expected
            assert Nvs(bytes(again.data)).opened() == [], "a mended partition needs no mending"
    assert longest >= 5, "no move of a page was mended"


def test_a_move_that_was_begun_is_made_anew() -> None:
    """PageManager::load: whatever the last page holds is a copy from the one that is FREEING."""
    flash = Flash(b"\xff" * 8192)
    nvs = Nvs(bytes(flash.data))
    flash.apply(nvs.set_string("space", "url", URL))
    operations: list[Operation] = []
    numbers = iter(range(200))
    while not any(isinstance(one, Erase) for one in operations):
        flash.apply(operations)
        operations = nvs.set_u16("space", "n", next(numbers))
    full, freeing, header, *copies = operations
    assert [full, freeing] == [Program(0, b"\xfc\xff\xff\xff"), Program(0, b"\xf8\xff\xff\xff")]
    assert isinstance(header, Program)
    assert header.offset == 4096
    flash.apply([full, freeing, header, *copies[:2]])
    mending = Nvs(bytes(flash.data)).opened()
    assert mending[0] == Erase(4096)
    assert mending[-1] == Erase(0)
    flash.apply(mending)
    assert Nvs(bytes(flash.data)).get_string("space", "url") == URL


def test_what_a_cut_left_beside_its_new_value_is_erased_on_opening() -> None:
    """On the same page (Page::mLoadEntryTable) and on an earlier one (PageManager::load)."""
    flash = Flash()
    nvs = Nvs(bytes(flash.data))
    flash.apply(nvs.set_u16("space", "n", 0))
    elsewhere = []
    for number in range(1, 300):
        *writing, erasing = nvs.set_u16("space", "n", number)
        assert isinstance(erasing, Program)
        flash.apply(writing)
        assert Nvs(bytes(flash.data)).opened() == [erasing]
        elsewhere.append(erasing.offset // 4096 != writing[-1].offset // 4096)
        flash.apply([erasing])
    assert elsewhere.count(True) == 2


def test_whoever_does_not_ask_what_was_mended_finds_it_before_the_next_change() -> None:
    flash = Flash()
    flash.apply(Nvs(bytes(flash.data)).set_u16("space", "key", 1))
    assert Nvs(bytes(flash.data)).opened() == []
    flash.apply(Nvs(bytes(flash.data)).set_u16("space", "key", 2)[:1])
    asked, unasked = Nvs(bytes(flash.data)), Nvs(bytes(flash.data))
    mended = asked.opened()
    assert len(mended) == 1
    assert asked.opened() == []
    assert unasked.set_u16("space", "key", 3) == mended + asked.set_u16("space", "key", 3)


def test_without_a_free_page_nothing_is_cleared_away() -> None:
    """No nvs_flash leaves that behind, nor does a power cut: nvs_flash_init says ESP_ERR_NVS_NO_FREE_PAGES."""
    page = GENERATED.ljust(4096, b"\xff")
    nvs = Nvs(page + page)
    for number in range(120):
        nvs.set_u16("space", "key", number)
    with pytest.raises(FormatError, match="found no free page"):
        nvs.set_u16("space", "key", 200)
    assert nvs.get_string("ota_resumption", "nvs_ota_url") == URL


def test_a_page_without_an_erased_entry_is_not_moved() -> None:
    """PageManager::requestNewPage: that would make no room (ESP_ERR_NVS_NOT_ENOUGH_SPACE)."""
    nvs = Nvs(b"\xff" * 8192)
    for number in range(125):
        nvs.set_u16("space", f"k{number}", number)
    with pytest.raises(FormatError, match="found no room; expected a page with an erased entry"):
        nvs.set_u16("space", "one_more", 1)
    assert Nvs(nvs.to_bytes()).get_number("space", "k124") == 124
    assert nvs.to_bytes()[4096:] == b"\xff" * 4096


def test_what_is_no_item_is_left_as_it_is() -> None:
    """A partition with encrypted NVS has nothing but such: to write one string into it erases nothing of that."""
    encrypted = bytearray(GENERATED.ljust(SIZE, b"\xff"))
    for at in range(64, len(GENERATED)):
        encrypted[at] ^= 0x5A
    nvs = Nvs(bytes(encrypted))
    assert nvs.opened() == []
    assert nvs.get_string("ota_resumption", "nvs_ota_url") is None
    assert nvs.to_bytes() == bytes(encrypted)


def test_a_sequence_number_that_can_grow_no_further_is_read_and_written() -> None:
    """The page is FREEING, so that opening moves it already."""
    nvs = Nvs(b"\xff" * SIZE)
    nvs.set_string("space", "url", URL)
    data = bytearray(nvs.to_bytes())
    data[:8] = b"\xf8\xff\xff\xff" + b"\xff" * 4
    data[28:32] = zlib.crc32(bytes(data[4:28]), 0xFFFF_FFFF).to_bytes(4, "little")
    nvs = Nvs(bytes(data))
    assert len(nvs.opened()) > 1
    assert nvs.get_string("space", "url") == URL


@pytest.mark.parametrize("data", [b"", b"\xff" * 4095])
def test_no_multiple_of_a_page_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="4096"):
        Nvs(data)


@pytest.mark.parametrize("key", ["", "a_key_of_sixteen"])
def test_a_key_that_does_not_fit_is_refused(key: str) -> None:
    with pytest.raises(FormatError, match="15 bytes"):
        Nvs(b"\xff" * SIZE).set_u16("space", key, 1)


def with_damaged_namespaces() -> bytes:
    """A partition whose namespace 0 holds an empty string under the name of a namespace, as no nvs_flash writes it."""
    nvs = Nvs(b"\xff" * SIZE)
    nvs.set_string("space", "key", "")
    data = bytearray(nvs.to_bytes())
    at = data.index(b"key")
    header = at - 8
    data[at : at + 16] = b"other".ljust(16, b"\0")
    data[header] = 0
    data[at + 16 : at + 18] = b"\0\0"
    crc = zlib.crc32(bytes(data[header : header + 4] + data[at : at + 24]), 0xFFFF_FFFF)
    data[header + 4 : at] = crc.to_bytes(4, "little")
    return bytes(data)


def test_what_is_no_number_in_namespace_0_names_no_namespace() -> None:
    nvs = Nvs(with_damaged_namespaces())
    assert nvs.get_string("other", "key") is None
    assert nvs.get_number("space", "key") is None
    nvs.set_u16("other", "key", 7)
    nvs.set_u16("space", "key", 8)
    assert (nvs.get_number("other", "key"), nvs.get_number("space", "key")) == (7, 8)


def test_one_page_is_read_and_not_written() -> None:
    nvs = Nvs(GENERATED.ljust(4096, b"\xff"))
    assert nvs.get_number("ota_resumption", "nvs_ota_wr_len") == 97
    for one in (nvs, Nvs(b"\xff" * 4096)):
        with pytest.raises(FormatError, match="found a single page; expected at least two"):
            one.set_string("a", "b", "c")
    two = Nvs(b"\xff" * 8192)
    for number in range(500):
        two.set_u16("space", "key", number)
        assert Nvs(two.to_bytes()).get_number("space", "key") == number


def test_no_more_namespaces_are_made_than_there_are_numbers() -> None:
    nvs = Nvs(b"\xff" * 2 * SIZE)
    for number in range(254):
        nvs.set_u16(f"n{number}", "k", number)
    assert nvs.get_number("n253", "k") == 253
    with pytest.raises(FormatError, match="found 254 namespaces; expected room for another"):
        nvs.set_u16("one_more", "k", 1)


def test_any_content_can_be_read() -> None:
    for pattern in (b"\x00", b"\xaa", b"\xfe\xff\xff\xff"):
        assert Nvs((pattern * SIZE)[:SIZE]).get_number("space", "key") is None
