"""Whatever bytes come: no crash, no invention, the same items in any chunks, and no line that costs too much."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.console import Boot, ConsoleReader, Event, Record, judge
from bench.console.as_json import item_json, summary_json
from bench.console.causes import explain
from bench.console.lines import LIMIT
from tests.console.consoles import Device, read

PIECES = st.sampled_from(
    [
        b"\x1b[0;32m", b"\x1b[0m", b"\x1b", b"[0;31m", b"\r", b"\n", b"\r\n", b"\0", b" ", b": ", b"(", b")", b'"',
        b"I (12) ", b"E (12:34:56.789) ", b"W (", b"D ", b"advanced_https_ota_example", b"esp_https_ota: ", b"boot: ",
        b"I (9) advanced_https_ota_example: OTA started", b"OTA finish", b"Boot partition updated. Next Partition: 16",
        b"I (5) cpu_start: App version:      1", b"I (5) app_init: ESP-IDF:          v5.3.1",
        b"I (3) boot: ESP-IDF v5.1.4 2nd stage bootloader", b"I (3) boot: Loaded app from partition at offset 0x10000",
        b"I (3) boot:  4 ota_0            OTA app          00 10 00110000 00100000", b"entry 0x403cc710",
        b"ESP-ROM:esp32c3-api1-20210207", b"ets Jun  8 2016 00:22:57",
        b"rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)",
        b"Guru Meditation Error: Core  0 panic'ed (x). ", b"abort() was called at PC 0x420080f5 on core 0",
        b"Rebooting...", b"Backtrace: 0x400d6f38:0x3ffb5e10", b"ELF file SHA256: 0123456789abcdef", b"\xff\xfe",
        b"\xc3\xa4",
        b"I (9) advanced_https_ota_example: ESP_HTTPS_OTA upgrade successful. Rebooting ...",
        b"E (9) advanced_https_ota_example: ESP_HTTPS_OTA upgrade failed 0x1503", b"x" * 500, b"7" * 30,
    ]
)  # fmt: skip
CONSOLES = st.one_of(
    st.binary(max_size=300),
    st.lists(PIECES, max_size=40).map(b"".join),
    st.lists(st.one_of(PIECES, st.binary(max_size=6)), max_size=30).map(b"".join),
)


@given(CONSOLES, st.lists(st.integers(1, 60), max_size=12))
def test_any_bytes_in_any_chunks(console: bytes, steps: list[int]) -> None:
    whole = read(console)
    reader, items, at = ConsoleReader(), [], 0
    for step in [*steps, len(console)]:
        items += reader.feed(console[at : at + step])
        at += step
    assert items + reader.close() == whole
    reader = ConsoleReader()
    assert [item for byte in console for item in reader.feed(bytes([byte]))] + reader.close() == whole
    judgement = judge(whole)
    assert judgement.boots == sum(isinstance(item, Boot) for item in whole)
    for line in (*map(item_json, whole), summary_json(judgement)):
        assert line.isascii()
        assert "\n" not in line


@given(CONSOLES)
def test_no_event_without_a_record_that_tells_of_it(console: bytes) -> None:
    items = read(console)
    for before, item in zip([None, *items], items, strict=False):
        if isinstance(item, Event):
            assert isinstance(before, Record)
            assert before.tag == "advanced_https_ota_example"
            assert before.line_no == item.line_no


@given(st.binary(max_size=2000))
def test_random_bytes_are_no_update(console: bytes) -> None:
    items = read(console)
    assert not [item for item in items if isinstance(item, Event | Boot)]
    assert judge(items).verdict == "none"


@given(st.text(max_size=200))
def test_any_text_is_explained_or_not(text: str) -> None:
    assert explain(text) is None or explain(text)


def test_trailing_data_changes_nothing_before_it() -> None:
    console = Device().boot("factory", "1").download("ota_0").console
    whole = read(console)
    reader = ConsoleReader()
    assert reader.feed(console + b"\x1b[0;32mI (") == whole[: len(whole)]


@pytest.mark.parametrize(
    "line",
    [
        b"I (1) " * 680,
        b"I (1) a: " * 450,
        b'"I (1) a: ' * 400,
        b"\x1b[0;32mI (1) a" * 250,
        b"\x1b[0;32m" * 580,
        b"I (1) a" + b":" * 4000,
        b"I (1) " + b"a" * 4000,
        b"I (1) a: " + b"\x1b" * 4000,
        b"I (1) a: " + b"E (" * 1300,
        b"I (1) boot: " + b"0 " * 2000,
        b"I (1) boot:  1 " + b"a" * 4000 + b" 00 10 00110000 0010000",
        b"I (1) cpu_start: App version:" + b" " * 4000 + b"x",
        b"rst:0x1 (" + b"(" * 4000,
        b"ESP-ROM:esp" * 370,
        b"Backtrace: " + b"0x400d6f38:" * 370,
        b"\xff I (1) a: " * 370,
        b"e" * 4096,
    ],
)
def test_no_line_costs_too_much(line: bytes) -> None:
    """A line of 4 KiB takes less than 20 ms of processor time, best of three; a quadratic one takes seconds."""
    assert len(line) <= LIMIT
    console = b"Guru Meditation Error: Core  0 panic'ed (x). \r\n" + line + b"\r\n" + line + b"\r\n"
    spent = []
    for _ in range(3):
        start = time.process_time()
        read(console)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.04
