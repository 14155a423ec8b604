"""The verdict: one story for every path that an update can take."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.console import Console, Judge, judge
from bench.console.records import plain
from bench.timeline import Timeline
from tests.console.consoles import ADVANCED, Device, read

SW = "0xc (RTC_SW_CPU_RST)"
WATCHDOG = "0x7 (TG0WDT_SYS_RST)"


def updated() -> Device:
    """1 in the factory slot, updated to 2 in ota_0."""
    return Device().boot("factory", "1").download("ota_0").switch("ota_0").boot("ota_0", "2", SW)


def verdicts(device: Device) -> list[str]:
    """The verdict of every attempt."""
    return [attempt.verdict for attempt in device.judged().attempts]


STORIES: dict[str, tuple[Callable[[], Device], list[str]]] = {
    "no update": (lambda: Device().boot("factory", "1"), []),
    "nothing at all": (Device, []),
    "updated": (updated, ["updated"]),
    "updated, then reset by hand": (lambda: updated().boot("ota_0", "2"), ["updated"]),
    "three in a row": (
        lambda: (
            updated().download("ota_1").switch("ota_1").boot("ota_1", "3", SW)
            .download("ota_0").switch("ota_0").boot("ota_0", "4", SW)
        ),
        ["updated"] * 3,
    ),
    "the same version again, in the other slot": (
        lambda: Device().boot("ota_0", "1").download("ota_1").switch("ota_1").boot("ota_1", "1", SW),
        ["updated"],
    ),
    "refused": (lambda: Device().boot("factory", "1").download("ota_0").refuse(), ["refused"]),
    "refused, then reset": (
        lambda: Device().boot("factory", "1").download("ota_0").refuse().boot("factory", "1"),
        ["refused"],
    ),
    "refused, then updated": (
        lambda: (
            Device().boot("factory", "1").download("ota_0").refuse().boot("factory", "1")
            .download("ota_0").switch("ota_0").boot("ota_0", "2", SW)
        ),
        ["refused", "updated"],
    ),
    "refused twice in one boot": (
        lambda: Device().boot("factory", "1").download("ota_0").refuse().download("ota_0").refuse(),
        ["refused", "refused"],
    ),
    "refused, and what was refused boots all the same": (
        lambda: Device().boot("ota_0", "1").download("ota_1").refuse().boot("ota_1", "2", SW),
        ["updated"],
    ),
    "refused, and what ran before boots from the other slot": (
        lambda: Device().boot("ota_0", "1").download("ota_1").refuse().boot("ota_1", "1", SW),
        ["refused"],
    ),
    "refused, and the line of giving up is lost": (
        lambda: (
            Device().boot("factory", "1").download("ota_0")
            .log("E", "esp_https_ota", "Mismatch chip id, expected 5, found 9").boot("factory", "1")
        ),
        ["refused"],
    ),
    "interrupted by a power loss": (
        lambda: Device().boot("factory", "1").download("ota_0").boot("factory", "1"),
        ["interrupted"],
    ),
    "interrupted by a panic": (
        lambda: Device().boot("factory", "1").download("ota_0").panic().boot("factory", "1", SW),
        ["interrupted"],
    ),
    "interrupted, and the console ends in the panic": (
        lambda: Device().boot("factory", "1").download("ota_0").panic(),
        ["interrupted"],
    ),
    "interrupted, and the console ends in the ROM": (
        lambda: Device().boot("factory", "1").download("ota_0").rom(),
        ["interrupted"],
    ),
    "interrupted, then updated": (
        lambda: (
            Device().boot("factory", "1").download("ota_0").boot("factory", "1")
            .download("ota_0").switch("ota_0").boot("ota_0", "2", SW)
        ),
        ["interrupted", "updated"],
    ),
    "the console ends in the download": (
        lambda: Device().boot("factory", "1").download("ota_0"),
        ["incomplete"],
    ),
    "the console ends at Rebooting": (
        lambda: Device().boot("factory", "1").download("ota_0").switch("ota_0"),
        ["incomplete"],
    ),
    "the console ends in the new image's banner": (
        lambda: Device().boot("factory", "1").download("ota_0").switch("ota_0").rom(SW).bootloader("ota_0"),
        ["incomplete"],
    ),
    "the new image panics, and the console ends": (
        lambda: (
            Device().boot("ota_0", "1").download("ota_1").switch("ota_1")
            .rom(SW).bootloader("ota_1").description("2").panic()
        ),
        ["incomplete"],
    ),
    "the new image hangs": (
        lambda: (
            Device().boot("ota_0", "1").download("ota_1").switch("ota_1")
            .rom(SW).bootloader("ota_1").description("2").log("I", "main_task", "Calling app_main()")
            .log("E", "task_wdt", "Task watchdog got triggered. The following tasks/users did not reset")
        ),
        ["incomplete"],
    ),
    "the new image panics once, and then runs": (
        lambda: (
            Device().boot("ota_0", "1").download("ota_1").switch("ota_1").boot("ota_1", "2", SW).panic()
            .boot("ota_1", "2", SW)
        ),
        ["updated"],
    ),
    "the new image is reset by a watchdog, again and again": (
        lambda: (
            Device().boot("ota_0", "1").download("ota_1").switch("ota_1").boot("ota_1", "2", SW)
            .boot("ota_1", "2", WATCHDOG).boot("ota_1", "2", WATCHDOG).rom(WATCHDOG)
        ),
        ["incomplete"],
    ),
    "the new image is reset by a watchdog once, and then runs": (
        lambda: (
            Device().boot("ota_0", "1").download("ota_1").switch("ota_1").boot("ota_1", "2", SW)
            .boot("ota_1", "2", WATCHDOG)
        ),
        ["updated"],
    ),
    "the new image panics in a loop": (
        lambda: (
            Device().boot("ota_0", "1").download("ota_1").switch("ota_1")
            .rom(SW).bootloader("ota_1").description("2").panic()
            .rom(SW).bootloader("ota_1").description("2").panic()
        ),
        ["incomplete"],
    ),
    "power is lost in the new image's banner, and it runs then": (
        lambda: (
            Device().boot("ota_0", "1").download("ota_1").switch("ota_1")
            .rom(SW).bootloader("ota_1").boot("ota_1", "2")
        ),
        ["updated"],
    ),
    "rolled back after a panic": (
        lambda: (
            Device().boot("ota_0", "1").download("ota_1").switch("ota_1")
            .rom(SW).bootloader("ota_1").description("2").panic().boot("ota_0", "1", SW)
        ),
        ["rolled_back"],
    ),
    "rolled back after a silent death": (
        lambda: (
            Device().boot("ota_0", "1").download("ota_1").switch("ota_1")
            .rom(SW).bootloader("ota_1").boot("ota_0", "1", "0x7 (TG0WDT_SYS_RST)")
        ),
        ["rolled_back"],
    ),
    "rolled back, refused afterwards": (
        lambda: (
            Device().boot("ota_0", "1").download("ota_1").switch("ota_1").boot("ota_1", "2", SW)
            .boot("ota_0", "1").download("ota_1").refuse()
        ),
        ["rolled_back", "refused"],
    ),
    "another attempt while the image is on trial, and both are lost": (
        lambda: (
            Device().boot("ota_0", "1").download("ota_1").switch("ota_1").boot("ota_1", "2", SW)
            .download("ota_0").boot("ota_0", "1")
        ),
        ["rolled_back", "interrupted"],
    ),
    "refused while the image is on trial, then rolled back": (
        lambda: (
            Device().boot("ota_0", "1").download("ota_1").switch("ota_1").boot("ota_1", "2", SW)
            .download("ota_0").refuse().boot("ota_0", "1")
        ),
        ["rolled_back", "refused"],
    ),
    "fell back: the bootloader refuses the image": (
        lambda: (
            Device().boot("factory", "1").download("ota_0").switch("ota_0")
            .rom(SW).bootloader("factory", failing="ota_0").description("1").main()
        ),
        ["fell_back"],
    ),
    "fell back: success reported, nothing switched": (
        lambda: (
            Device().boot("factory", "1").download("ota_0").say("OTA finish")
            .say("ESP_HTTPS_OTA upgrade successful. Rebooting ...").boot("factory", "1", SW)
        ),
        ["fell_back"],
    ),
    "the console was opened in the download": (
        lambda: Device().say("Verifying chip id of new image: 5").switch("ota_0").boot("ota_0", "2", SW),
        ["updated"],
    ),
    "the console was opened in the download, and it fails": (
        lambda: Device().say("OTA abort").say("ESP_HTTPS_OTA upgrade failed", level="E"),
        ["refused"],
    ),
    "the lines of success are lost, the new slot boots all the same": (
        lambda: Device().boot("factory", "1").download("ota_0").boot("ota_0", "2", SW),
        ["updated"],
    ),
    "an event that comes late opens nothing": (
        lambda: Device().boot("factory", "1").download("ota_0").refuse().say("OTA abort"),
        ["refused"],
    ),
    "the bootloader is silent: updated": (
        lambda: (
            Device().rom().description("1").main().download("ota_0").switch("ota_0")
            .rom(SW).description("2").main()
        ),
        ["updated"],
    ),
    "the bootloader is silent: rolled back": (
        lambda: (
            Device().rom().description("1").main().download("ota_0").switch("ota_0")
            .rom(SW).description("2").panic().rom(SW).description("1").main()
        ),
        ["rolled_back"],
    ),
    "the bootloader is silent, the same image: nobody knows": (
        lambda: (
            Device().rom().description("1").main().download("ota_0").switch("ota_0")
            .rom(SW).description("1").main()
        ),
        ["incomplete"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("colour", [True, False])
def test_story(story: str, colour: bool) -> None:
    write, expected = STORIES[story]
    console = write().console
    if not colour:
        console = plain(console.decode("latin-1")).encode("latin-1")
    found = judge(read(console))
    assert [attempt.verdict for attempt in found.attempts] == expected
    assert found.verdict == (expected[-1] if expected else "none")
    assert (found.reason is None) == (not expected)
    for attempt in found.attempts:
        assert 1 <= attempt.first_line <= attempt.last_line


@pytest.mark.parametrize("story", STORIES)
def test_the_verdict_grows_with_the_console(story: str) -> None:
    """Fed item by item and asked all the time, the judge comes to the same; nothing settled is taken back."""
    items = read(STORIES[story][0]().console)
    judging = Judge()
    before: list[str] = []
    for item in items:
        judging.feed([item])
        now = [attempt.verdict for attempt in judging.judgement().attempts]
        assert len(now) >= len(before)
        for old, new in zip(before, now, strict=False):
            if old != new:
                assert old in ("incomplete", "updated", "interrupted", "refused"), (old, new)
        before = now
    assert judging.judgement() == judge(items)


REASONS = {
    "refused": f"{ADVANCED}: Current running version is the same as a new. We will not continue the update.",
    "refused, and the line of giving up is lost": "esp_https_ota: Mismatch chip id, expected 5, found 9",
    "interrupted by a power loss": "rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)",
    "interrupted by a panic": "abort() was called at PC 0x420080f5 on core 0",
    "fell back: the bootloader refuses the image": (
        "esp_image: image at 0x110000 has invalid magic byte (nothing flashed here?)"
    ),
    "fell back: success reported, nothing switched": "booted factory at 0x10000, version 1",
    "rolled back after a panic": (
        "booted ota_0 at 0x110000, version 1, after abort() was called at PC 0x420080f5 on core 0"
    ),
    "updated": "booted ota_0 at 0x110000, version 2",
    "the new image hangs": "task_wdt: Task watchdog got triggered. The following tasks/users did not reset",
}


@pytest.mark.parametrize(("story", "reason"), REASONS.items())
def test_the_reason_is_the_deciding_line(story: str, reason: str) -> None:
    device = STORIES[story][0]()
    found = device.judged()
    assert found.reason == reason
    if not reason.startswith("booted"):
        line = device.console.split(b"\n")[found.attempts[-1].reason_line - 1]
        assert reason.split(": ", 1)[-1].encode() in line


def test_the_first_error_after_the_last_progress_decides() -> None:
    device = Device().boot("factory", "1").download("ota_0")
    device.log("E", "esp-tls-mbedtls", "read error :-0x004C:").log("D", "esp_https_ota", "Written image length 2048")
    device.log("E", "esp_https_ota", "data read -1, errno 128").say("Complete data was not received.", level="E")
    found = device.say("OTA abort").say("ESP_HTTPS_OTA upgrade failed", level="E").judged()
    assert found.reason == "esp_https_ota: data read -1, errno 128"
    assert found.attempts[0].causes[-1] == "advanced_https_ota_example: ESP_HTTPS_OTA upgrade failed"


def test_what_failed_long_before_the_update_is_not_its_reason() -> None:
    device = Device().boot("factory", "1").log("E", "HTTP_CLIENT", "Connection failed, sock < 0").download("ota_0")
    device.log("E", "esp_https_ota", "data read -1, errno 128")
    found = device.say("ESP_HTTPS_OTA upgrade failed", level="E").judged()
    assert found.reason == "esp_https_ota: data read -1, errno 128"


def simple(*, elf: str | None = None) -> Device:
    """`simple_ota` of v4.4, which says nothing about success: up to the second verification of the image."""
    device = Device(tag="simple_ota_example").rom().bootloader("factory").description("1", elf=elf)
    device.say("Starting OTA example")
    device.log("I", "esp_https_ota", "Starting OTA...")
    device.log("I", "esp_https_ota", "Writing to partition subtype 16 at offset 0x110000")
    for _ in range(2):
        for number in range(3):
            device.log(
                "I", "esp_image", f"segment {number}: paddr=0011{number}020 vaddr=3c070020 size=1adc8h (110024) map"
            )
    return device


def test_simple_ota_of_v44_says_nothing_about_success() -> None:
    assert verdicts(simple().rom(SW).bootloader("ota_0").description("2").say("Starting OTA example")) == ["updated"]
    assert verdicts(simple().rom(SW).bootloader("factory").description("1")) == ["fell_back"]
    assert verdicts(simple().rom().bootloader("factory").description("1")) == ["interrupted"]
    assert verdicts(simple()) == ["incomplete"]


def test_two_silent_updates_by_images_derived_from_one_build() -> None:
    """They have another version and the same ELF hash: the second update is none that rolls back the first."""
    device = (
        simple(elf="0123456789")
        .rom(SW)
        .bootloader("ota_0")
        .description("2", elf="0123456789")
        .log("I", "main_task", "Calling")
    )
    device.say("Starting OTA example").log("I", "esp_https_ota", "Starting OTA...")
    device.log("I", "esp_https_ota", "Writing to partition subtype 17 at offset 0x210000")
    for _ in range(2):
        device.log("I", "esp_image", "segment 0: paddr=00210020 vaddr=3c070020 size=1adc8h (110024) map")
    device.rom(SW).bootloader("ota_1").description("3", elf="0123456789").say("Starting OTA example")
    assert verdicts(device) == ["updated", "updated"]


def test_v44_says_nothing_before_its_first_error() -> None:
    device = Device().boot("factory", "1").log("E", "esp-tls-mbedtls", "mbedtls_ssl_handshake returned -0x2700")
    device.log("E", "esp_https_ota", "Failed to open HTTP connection: ESP_ERR_HTTP_CONNECT")
    found = device.say("ESP HTTPS OTA Begin failed", level="E").judged()
    assert (found.verdict, found.reason) == ("refused", "esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x2700")
    assert len(found.attempts) == 1


def test_native_ota_says_where_it_runs() -> None:
    def boot(version: str, offset: str) -> Device:
        device.rom(SW).description(version).say("Starting OTA example task")
        return device.say(f"Running partition type 0 subtype 16 (offset {offset})")

    device = Device(tag="native_ota_example")
    boot("1", "0x00010000").say("Writing to partition subtype 16 at offset 0x110000", "esp_ota_begin succeeded")
    device.say("Prepare to restart system!")
    # The same version again: only the offset tells.
    assert verdicts(boot("1", "0x00110000")) == ["updated"]


def test_an_image_that_knows_none_of_the_words_needs_only_to_run() -> None:
    device = Device().boot("factory", "1").download("ota_0").switch("ota_0").rom(SW).bootloader("ota_0")
    device.description("2").log("I", "main_task", "Calling app_main()").raw("Hello world!\n")
    assert verdicts(device) == ["updated"]


def test_a_console_on_the_timeline() -> None:
    with Timeline() as timeline:
        console = Console(timeline)
        data = updated().console
        for begin in range(0, len(data), 100):
            console.feed(data[begin : begin + 100])
        console.close()
        verdict, reason = console.verdict()
        assert (verdict, reason) == ("updated", "booted ota_0 at 0x110000, version 2")
        assert console.judgement().boots == 2
        kinds = [entry.kind for entry in timeline.entries]
        assert len(kinds) == len(read(data))
        assert {"record", "event", "boot", "noise"} == set(kinds)
        [_, boot] = [entry for entry in timeline.entries if entry.kind == "boot"]
        assert (boot.source, boot.get("slot"), boot.get("partition_offset")) == ("console", "ota_0", 0x110000)
        assert boot.get("app_version") == "2"
