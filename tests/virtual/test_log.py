"""The log prints what an image has compiled in, in the form it was compiled in, and nothing else."""

from __future__ import annotations

import re

import pytest

from bench.images import Image
from bench.virtual.log import Log
from bench.virtual.machine import Machine
from bench.virtual.release import Release
from bench.virtual.rodata import Rodata
from tests.reference import reference
from tests.virtual.booting import app_image, strings

COLOURED = "\x1b[0;32mI (%lu) %s: {}\x1b[0m\n"
PLAIN = "I (%lu) %s: {}\n"


def _log(*texts: str, idf_ver: str = "v5.1.4") -> tuple[Log, bytearray]:
    console = bytearray()
    machine = Machine.assemble("esp32c3", console=console.extend)
    machine.clock.sleep(3_723_004)
    return Log(machine, app_image(rodata=strings(*texts)), Release.parse(idf_ver)), console


@pytest.mark.parametrize(
    ("form", "printed"),
    [
        (COLOURED, "\x1b[0;32mI (37230NN) app: {}\x1b[0m\r\n"),
        (PLAIN, "I (37230NN) app: {}\r\n"),
        ("\x1b[0;32mI (%u) %s: {}\x1b[0m\n", "\x1b[0;32mI (37230NN) app: {}\x1b[0m\r\n"),
        ("\x1b[0;32mI (%s) %s: {}\x1b[0m\n", "\x1b[0;32mI (01:02:03.0NN) app: {}\x1b[0m\r\n"),
        ("I (%lu) %s: {}\x1b[0m\n", "I (37230NN) app: {}\x1b[0m\r\n"),
        ("I (%lu) %s: {}", "I (37230NN) app: {}"),
    ],
)
def test_a_line_has_the_form_of_its_format_string(form: str, printed: str) -> None:
    log, console = _log(form.format("OTA started"))
    log.info("app", "OTA started")
    assert re.sub(r"(0)\d\d(?=[):])|(\.0)\d\d(?=\))", r"\1\2NN", console.decode()) == printed.format("OTA started")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("Writing to partition subtype %d at offset 0x%lx", "Writing to partition subtype 16 at offset 0x3a0000"),
        ("segment %d: paddr=%08lx vaddr=%08x size=%05lxh (%6lu) %s",
         "segment 1: paddr=00044030 vaddr=3fc8c800 size=0138ch (  5004) "),
        ("%2d %-16s %-16s %02x %02x %08lx %08lx", " 0 nvs              WiFi data        01 02 00009000 00004000"),
        ("%02x:%02x:%02x:%02x:%02x:%02x", "02:00:00:12:34:56"),
        ("100%% of %s", "100% of everything"),
        ("%s: %s failed", "x: y\nz failed"),
        ("entry point is %p", "entry point is 0x40380004"),
    ],
)  # fmt: skip
def test_a_message_is_matched_with_the_format_that_produces_it(body: str, message: str) -> None:
    log, console = _log(PLAIN.format(body))
    log.info("tag", message)
    assert console.decode().endswith(f") tag: {message}\r\n".replace("\nz", "\r\nz"))
    console.clear()
    log.info("tag", message + " and more that nobody formats (")
    assert body.endswith("%s") or not console


def test_what_is_not_compiled_in_is_not_printed() -> None:
    log, console = _log(PLAIN.format("Calling app_main()"), "\x1b[0;33mW (%lu) %s: low\x1b[0m\n")
    log.debug("app", "Image bytes read: 5")
    log.info("app", "low")
    log.info("cpu_start", "Pro cpu up.", default=True)
    log.info("app", "Calling app_main")
    assert not console
    log.warn("app", "low")
    assert console.startswith(b"\x1b[0;33mW (")


def test_a_format_that_says_nothing_of_its_own_stands_for_no_message() -> None:
    log, console = _log(PLAIN.format("%s"), PLAIN.format("%s: %d"))
    log.info("app", "anything: 5")
    assert not console


@pytest.mark.parametrize(("release", "colour"), [("v5.1.4", True), ("v5.3.1", True), ("v5.4", False), ("v6.0", False)])
def test_start_up_messages_of_a_bare_image_have_the_release_s_form(release: str, colour: bool) -> None:
    log, console = _log(PLAIN.format("some message of the application"), idf_ver=release)
    assert log.bare
    log.info("cpu_start", "Pro cpu up.", default=True)
    log.info("app", "not compiled in")
    assert console.startswith(b"\x1b[0;32mI (" if colour else b"I (")
    assert console.count(b"\n") == 1


def test_an_image_below_info_level_is_not_bare() -> None:
    """A real build with CONFIG_LOG_DEFAULT_LEVEL_WARN has no start-up formats either, and says nothing."""
    log, console = _log("\x1b[0;31mE (%lu) %s: Image hash failed\x1b[0m\n")
    log.info("cpu_start", "Pro cpu up.", default=True)
    assert not console
    assert not log.bare


def test_bare_formats_of_log_version_2_are_found() -> None:
    log, console = _log("Calling app_main()", "OTA started at %d", idf_ver="v6.0")
    log.info("main_task", "Calling app_main()")
    log.info("app", "OTA started at 5")
    log.info("app", "something else")
    assert console.count(b"\r\n") == 2
    assert console.startswith(b"I (")


def test_an_answer_that_is_remembered_is_that_of_its_level_and_message() -> None:
    rodata = Rodata(app_image(rodata=strings(PLAIN.format("OTA started"), "at %d")))
    for _ in range(2):
        found = rodata.format_of("I", "OTA started")
        assert found is not None
        assert found.body == "OTA started"
        assert rodata.format_of("E", "OTA started") is None
        assert rodata.format_of("I", "OTA ended") is None
        assert rodata.has_body("at 5")
        assert not rodata.has_body("at nine")


def test_not_more_answers_are_remembered_than_a_boot_asks_for() -> None:
    rodata = Rodata(app_image(rodata=strings(PLAIN.format("read %d"), "at %d")))
    for number in range(5000):
        assert rodata.format_of("I", f"read {number}") is not None
        assert rodata.has_body(f"at {number}")
    assert max(len(rodata._format_of), len(rodata._has_body)) < 5000


def test_has_finds_literals_wherever_they_stand() -> None:
    log, _ = _log("App is valid, rollback cancelled successfully")
    assert log.has("App is valid, rollback cancelled successfully")
    assert not log.has("New firmware security version is less than eFuse programmed, ")


def test_raw_text_gets_the_console_s_line_ends() -> None:
    log, console = _log()
    log.raw("a\nb\n")
    assert console == b"a\r\nb\r\n"


@pytest.mark.parametrize(
    ("name", "count", "level", "message"),
    [
        ("images/esp32-advanced_https_ota-v5.5-dev.bin", 450, "I", "OTA started"),
        ("builds/hello_world_esp32c3/build/hello_world.bin", 89, "I", "Calling app_main()"),
        ("builds/hello_world_esp32/build/hello_world.bin", 76, "I", "Starting scheduler on APP CPU."),
        ("builds/hello_world_esp32c3/build/bootloader/bootloader.bin", 72, "E", "Incorrect MD5 checksum"),
    ],
)
def test_real_images_hold_their_formats(name: str, count: int, level: str, message: str) -> None:
    rodata = Rodata(Image.parse(reference(name).read_bytes()))
    assert len(rodata.formats) >= count * 0.9
    assert rodata.format_of(level, message) is not None


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("v5.1.4", (5, 1, 4)),
        ("v5.3", (5, 3, 0)),
        ("v5.5-dev-1460-gea06535ab28-dirt", (5, 5, 0)),
        ("v4.4.1-dirty", (4, 4, 1)),
        ("5.1.2", (5, 1, 2)),
        ("qa-test-esp32c61-master-2025070", (5, 1, 0)),
    ],
)
def test_releases_are_read_as_git_describes_them(text: str, numbers: tuple[int, int, int]) -> None:
    release = Release.parse(text)
    assert (release.major, release.minor, release.patch) == numbers
    assert str(release) == text


def test_releases_compare_by_number() -> None:
    releases = [Release.parse(text) for text in ("v4.4.8", "v5.1", "v5.1.4", "v5.3.1", "v6.0-dev-1")]
    assert releases == sorted(releases)
    assert releases[2].at_least(5, 1)
    assert releases[2].before(5, 1, 5)
    assert Release.parse("v5.3.1") == Release(5, 3, 1)
