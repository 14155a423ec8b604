"""A user's own lines on the console: events, attempts and versions, and nothing of it for anybody else."""

from __future__ import annotations

import pytest

from bench.console import Boot, ConsoleReader, Event, Item, Judge
from bench.console.dialects import Sign
from bench.console.patterns import Pattern
from bench.console.speech import STOCK, Speech

EVENTS = (
    ("ESP_HTTPS_OTA_START", Pattern.parse("update: begin")),
    ("ESP_HTTPS_OTA_VERIFY_CHIP_ID", Pattern.parse("for chip {chip}")),
    ("ESP_HTTPS_OTA_WRITE_FLASH", Pattern.parse("{bytes} of {total} done")),
    ("ESP_HTTPS_OTA_UPDATE_BOOT_PARTITION", Pattern.parse("next from {slot}")),
)
SIGNS = (
    (Sign.ALIVE, Pattern.parse("ready for orders")),
    (Sign.REFUSED, Pattern.parse("no luck")),
    (Sign.REPORTED, Pattern.parse("done, restarting")),
)
TAGGED = Speech("tracker_fw", frozenset({"tracker"}), EVENTS, SIGNS)
BARE = Speech("tracker_fw", frozenset(), EVENTS, SIGNS)

UPDATE = ["update: begin", "for chip 9", "4096 of 8192 done", "next from ota_1", "done, restarting"]
EXPECTED = [
    Event("ESP_HTTPS_OTA_START", None, 1),
    Event("ESP_HTTPS_OTA_VERIFY_CHIP_ID", 9, 2),
    Event("ESP_HTTPS_OTA_WRITE_FLASH", 4096, 3),
    Event("ESP_HTTPS_OTA_UPDATE_BOOT_PARTITION", 0x11, 4),
]


def console(lines: list[str], *, tag: str = "") -> bytes:
    said = [f"I ({number}) {tag}: {line}" if tag else line for number, line in enumerate(lines)]
    return "".join(f"{line}\r\n" for line in said).encode()


def items_of(data: bytes, speech: Speech) -> list[Item]:
    reader = ConsoleReader(speech)
    return [*reader.feed(data), *reader.close()]


@pytest.mark.parametrize(("speech", "tag"), [(TAGGED, "tracker"), (BARE, "")])
def test_lines_of_its_own_are_events(speech: Speech, tag: str) -> None:
    items = items_of(console(UPDATE, tag=tag), speech)
    assert [item for item in items if isinstance(item, Event)] == EXPECTED


@pytest.mark.parametrize(("speech", "tag"), [(TAGGED, "tracker"), (BARE, "")])
def test_any_chunks_give_the_same(speech: Speech, tag: str) -> None:
    data = console(UPDATE, tag=tag)
    reader = ConsoleReader(speech)
    items = [item for at in range(len(data)) for item in reader.feed(data[at : at + 1])]
    assert [*items, *reader.close()] == items_of(data, speech)


@pytest.mark.parametrize(("speech", "tag"), [(TAGGED, "other"), (TAGGED, ""), (BARE, "tracker"), (STOCK, "tracker")])
def test_lines_of_others_are_not(speech: Speech, tag: str) -> None:
    assert not [item for item in items_of(console(UPDATE, tag=tag), speech) if isinstance(item, Event)]


@pytest.mark.parametrize(
    ("value", "payload"), [("ota_0", 0x10), ("factory", 0), ("test", 0x20), ("16", 0x10), ("0x1f", 0x1F)]
)
def test_a_slot_is_told_by_name_or_subtype(value: str, payload: int) -> None:
    (event,) = [item for item in items_of(console([f"next from {value}"]), BARE) if isinstance(item, Event)]
    assert event.payload == payload


@pytest.mark.parametrize(("speech", "tag"), [(TAGGED, "tracker"), (BARE, "")])
def test_an_attempt_is_refused_by_its_own_line(speech: Speech, tag: str) -> None:
    judge = Judge(speech)
    judge.feed(items_of(console(["ready for orders", "update: begin", "no luck"], tag=tag), speech))
    assert judge.judgement().verdict == "refused"


def test_its_own_error_is_the_reason() -> None:
    judge = Judge(TAGGED)
    data = console(["update: begin"], tag="tracker") + b"E (5) tracker: image is broken\r\n"
    judge.feed(items_of(data + console(["no luck"], tag="tracker"), TAGGED))
    assert judge.judgement().reason == "tracker: image is broken"


BOOT = b"""ESP-ROM:esp32s3-20210327
rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)
entry 0x403c8918
I (25) boot: ESP-IDF v5.3.1 2nd stage bootloader
I (63) boot: Loaded app from partition at offset 0x10000
I (70) main_task: Calling app_main()
"""


def boots_of(data: bytes, speech: Speech) -> list[str | None]:
    return [item.app_version for item in items_of(data, speech) if isinstance(item, Boot)]


def test_its_own_line_tells_the_version_of_a_boot_without_a_banner() -> None:
    speech = Speech("tracker_fw", frozenset({"tracker"}), versions=(Pattern.parse("firmware {version} here"),))
    data = BOOT + console(["firmware 2.1 here", "ready"], tag="tracker")
    assert boots_of(data, speech) == ["2.1"]
    assert boots_of(data, STOCK) == [None]
    held, plain = items_of(data, speech), items_of(data, STOCK)
    assert [item for item in held if not isinstance(item, Boot)] == [
        item for item in plain if not isinstance(item, Boot)
    ]


def test_a_boot_whose_version_never_comes_is_told_all_the_same() -> None:
    speech = Speech("tracker_fw", frozenset({"tracker"}), versions=(Pattern.parse("firmware {version} here"),))
    assert boots_of(BOOT, speech) == [None]
    assert boots_of(BOOT + console(["x"] * 100, tag="tracker") + BOOT, speech) == [None, None]


QUIET_BOOT = BOOT[: BOOT.index(b"I (70)")]
"""Of a build whose log level leaves nothing of ESP-IDF's own behind the bootloader."""


@pytest.mark.parametrize("tag", ["tracker", ""])
def test_its_own_line_ends_a_boot_that_nothing_else_ends(tag: str) -> None:
    version = Pattern.parse("firmware {version} here")
    speech = Speech("tracker_fw", frozenset({tag} if tag else ()), EVENTS, SIGNS, (version,))
    reader = ConsoleReader(speech)
    first = reader.feed(QUIET_BOOT + console(["starting", "firmware 1 here", "ready for orders"], tag=tag))
    assert [item.app_version for item in first if isinstance(item, Boot)] == ["1"]
    other = QUIET_BOOT.replace(b"0x10000", b"0x110000") + console(["firmware 2 here", "ready for orders"], tag=tag)
    second = reader.feed(other)
    assert [(item.app_version, item.partition_offset) for item in second if isinstance(item, Boot)] == [("2", 0x110000)]
    assert not [item for item in reader.close() if isinstance(item, Boot)]


def test_a_line_that_means_nothing_ends_no_boot() -> None:
    told = b"I (75) app_init: App version:      7\r\n"
    items = items_of(QUIET_BOOT + console(["starting"], tag="tracker") + told + console(["x"], tag="tracker"), TAGGED)
    assert [item.app_version for item in items if isinstance(item, Boot)] == ["7"]


def test_a_dialect_with_the_tag_of_the_stock_application_names_its_events_alone() -> None:
    tag = "advanced_https_ota_example"
    speech = Speech("tracker_fw", frozenset({tag}), (("ESP_HTTPS_OTA_START", Pattern.parse("OTA started")),), SIGNS)
    items = items_of(console(["OTA started", "Connected to server"], tag=tag), speech)
    assert [item.name for item in items if isinstance(item, Event)] == [
        "ESP_HTTPS_OTA_START",
        "ESP_HTTPS_OTA_CONNECTED",
    ]
