"""The grammar of log records: every form that a release prints, whole and overwritten, and no invented ones."""

from __future__ import annotations

import pytest

from bench.console import Boot, Event, Noise, Record
from tests.console.consoles import read

GREEN, RESET = "\x1b[0;32m", "\x1b[0m"
OTA = "advanced_https_ota_example"


def brief(console: str) -> list[tuple[object, ...]]:
    """Records as (level, ms, tag, message), noise as (text,)."""
    items = read(console.encode("latin-1"))
    return [
        item[:4] if isinstance(item, Record) else (item.text,) for item in items if isinstance(item, Record | Noise)
    ]


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (f"{GREEN}I (123) tag: message{RESET}", ("I", 123, "tag", "message")),
        ("I (123) tag: message", ("I", 123, "tag", "message")),
        (f"D (123) tag: message{RESET}", ("D", 123, "tag", "message")),
        (f"\x1b[0;31mE (4294967295) esp-tls: a: b{RESET}", ("E", 4294967295, "esp-tls", "a: b")),
        ("I (571) wifi:wifi driver task: 3ffc08b4", ("I", 571, "wifi", "wifi driver task: 3ffc08b4")),
        ("I (10:20:30.123) tag: message", ("I", None, "tag", "message")),
        ("I (25-06-30 10:20:30.123) tag: message", ("I", None, "tag", "message")),
        ("I (1718795571035) tag: message", ("I", None, "tag", "message")),
        (f"{GREEN}I tag: message{RESET}", ("I", None, "tag", "message")),
        ("W tag: message", ("W", None, "tag", "message")),
        ("I (1) MSPI Timing: 80M", ("I", 1, "MSPI Timing", "80M")),
        ("I (1) boot:  0 nvs", ("I", 1, "boot", " 0 nvs")),
        ("I (1) tag: ", ("I", 1, "tag", "")),
        ("I (1) tag: gr\xc3\xbc\xff", ("I", 1, "tag", "grü\\xff")),
        ("I (1) tag: \x1b[1mbold\x1b[22m", ("I", 1, "tag", "\x1b[1mbold\x1b[22m")),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", ""])
def test_a_record(line: str, record: tuple[object, ...], end: str) -> None:
    assert brief(line + end) == [record]


@pytest.mark.parametrize(
    "line",
    [
        "I (12x) tag: message",
        "I (123)tag: message",
        "X (123) tag: message",
        "I (123) tag message",
        "I (123) : message",
        "see I (123)",
        "<p>Error code: 404</p>",
    ],
)
def test_no_record(line: str) -> None:
    assert brief(line + "\n") == [(line,)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # coloured records say themselves where they begin
        (
            f"{GREEN}I (10) a: mess{GREEN}I (20) b: whole{RESET}",
            [("I", 10, "a", "mess"), ("I", 20, "b", "whole")],
        ),
        (f"{GREEN}I (10) a: whole{RESET}{GREEN}I (20) b: x{RESET}", [("I", 10, "a", "whole"), ("I", 20, "b", "x")]),
        (f"{GREEN}I (10) adv{GREEN}I (20) b: x{RESET}", [("I (10) adv",), ("I", 20, "b", "x")]),
        (f"{GREEN}I (10) a: meD (20) b: x{RESET}", [("I", 10, "a", "me"), ("D", 20, "b", "x")]),
        # without colours the time and the place decide
        ("I (10) a: messI (20) b: whole", [("I", 10, "a", "mess"), ("I", 20, "b", "whole")]),
        ("I (10) a: I (10) b: whole", [("I", 10, "a", ""), ("I", 10, "b", "whole")]),
        ("I (10) advaI (20) b: x", [("I (10) adva",), ("I", 20, "b", "x")]),
        ("I (10) I (20) b: x", [("I (10) ",), ("I", 20, "b", "x")]),
        ("I (900) a: messI (24) boot: ESP-IDF", [("I", 900, "a", "mess"), ("I", 24, "boot", "ESP-IDF")]),
        ("I (177) a: strtI (00:00:00.010) b: x", [("I", 177, "a", "strt"), ("I", None, "b", "x")]),
        ("I (10) a: one Itwo (x) I (20) b: y", [("I", 10, "a", "one Itwo (x) "), ("I", 20, "b", "y")]),
        # behind garbage, and with half of its colour
        ("\xff\xfe I (10) a: x", [("\\xff\\xfe ",), ("I", 10, "a", "x")]),
        ("[0;32mI (10) a: x" + RESET, [("[0;32m",), ("I", 10, "a", "x")]),
        ("esp32> I (10) a: x", [("esp32> ",), ("I", 10, "a", "x")]),
        ("entry 0x403cI (10) a: x", [("entry 0x403c",), ("I", 10, "a", "x")]),
    ],
)
def test_an_overwritten_line_is_recovered(line: str, expected: list[tuple[object, ...]]) -> None:
    assert brief(line + "\r\n") == expected


@pytest.mark.parametrize(
    "line",
    [
        f"I (5) other: {OTA}: OTA finish",
        f'I (5) other: heard "I (9) {OTA}: OTA finish"',
        f"I (5000) other: I (9) {OTA}: OTA finish",
        f"{GREEN}I (5) other: I (9) {OTA}: OTA finish{RESET}",
        f"seen: I (9) {OTA}: OTA finish",
        f"I (5) {OTA}: was OTA finish",
        f"I (5) {OTA}: OTA finished",
        f"I (5) {OTA}: Writing to flash: many written",
        f"I (5) {OTA}: Boot partition updated. Next Partition: 16, they said",
        f"I (5) {OTA}2: OTA finish",
        "OTA finish",
        f"{OTA}: OTA finish",
        f"I (5) {OTA}: OTA fin",
    ],
)
def test_the_text_of_an_event_in_other_text_is_no_event(line: str) -> None:
    items = read(line.encode() + b"\r\n")
    assert items
    assert not [item for item in items if isinstance(item, Event)]


def test_a_reset_in_the_middle_of_a_line_begins_a_boot() -> None:
    console = (
        b"I (364) cpu_start: App versESP-ROM:esp32c3-api1-20210207\r\nBuild:Feb  7 2021\r\n"
        b"rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)\r\nentry 0x403cc710\r\n"
        b"I (3) boot: ESP-IDF v5.1.4 2nd stage bootloader\r\n"
        b"I (9) boot: Loaded app from partition at offset 0x10000\r\n"
    )
    found = [item for item in read(console) if isinstance(item, Boot)]
    assert [boot.partition_offset for boot in found] == [0x10000]
    assert found[0].reset_reason == "POWERON"


def test_a_panic_in_the_middle_of_a_line() -> None:
    items = read(b"I (9) a: halfGuru Meditation Error: Core  0 panic'ed (Load access fault). \r\nRebooting...\r\n")
    assert [type(item).__name__ for item in items] == ["Record", "Panic"]


def test_only_what_is_whole_counts_as_a_number() -> None:
    cut = f"I (10) {OTA}: Boot partition updated. Next Partition: 1I (20) b: x\r\n"
    assert [(item.name, item.payload) for item in read(cut.encode()) if isinstance(item, Event)] == [
        ("ESP_HTTPS_OTA_UPDATE_BOOT_PARTITION", None)
    ]
    torn = b"I (9) boot: Loaded app from partition at offset 0x1"
    assert [item.partition_offset for item in read(torn) if isinstance(item, Boot)] in ([], [None])


def test_line_numbers_are_those_of_an_editor() -> None:
    items = read(b"\r\nI (1) a: x\r\n\r\njunk\rmore\r\nI (2) a: y\n")
    assert [(item.line_no, item[3] if isinstance(item, Record) else item[0]) for item in items] == [
        (2, "x"),
        (4, "junk"),
        (4, "more"),
        (5, "y"),
    ]
