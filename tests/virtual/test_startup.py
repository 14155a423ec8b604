"""Start-up of real and of made images on all chips, and how they die before and after app_main."""

from __future__ import annotations

import json
import re

import pytest

from bench.images import Image
from bench.virtual import boot, panic
from bench.virtual.chips import CHIPS
from bench.virtual.machine import ResetReason, Restart
from bench.virtual.running import Running
from tests.reference import reference
from tests.virtual.booting import Bench, app_image, bootloader_image, strings

WATCHDOG_MS = 9000


def _messages(console: str) -> list[str]:
    """`tag: message` of every log line, in order."""
    return re.findall(r"[EWI] \([^)]*\) (.*?)(?:\x1b\[0m)?\r\n", console)


@pytest.mark.parametrize(
    ("name", "chip", "release", "tail"),
    [
        ("hello_world_esp32c3", "esp32c3", "v6.0-dev-2079-g3655d4cdca",
         ["main_task: Started on CPU0", "main_task: Calling app_main()"]),
        ("hello_world_esp32", "esp32", "v5.0.1-751-g96c4ec8df2",
         ["cpu_start: Starting scheduler on PRO CPU.", "cpu_start: Starting scheduler on APP CPU."]),
        ("hello_world_esp32_flash_enc", "esp32", "v5.1-dev-3208-g7e386b7abc-dirty",
         ["main_task: Started on CPU0", "main_task: Calling app_main()"]),
    ],
)  # fmt: skip
def test_real_builds_boot(name: str, chip: str, release: str, tail: list[str]) -> None:
    """As their flasher_args.json says, even where the partition table is not at 0x8000."""
    build = reference(f"builds/{name}/build")
    bench = Bench(chip)
    for offset, file in json.loads((build / "flasher_args.json").read_text())["flash_files"].items():
        bench.put(int(offset, 0), (build / file).read_bytes())
    running = bench.boot()
    assert isinstance(running, Running)
    assert running.image_bytes == (build / "hello_world.bin").read_bytes()
    assert (running.partition.label, str(running.release)) == ("factory", release)
    messages = _messages(bench.console)
    assert messages[-2:] == tail
    expected = [
        f"boot: ESP-IDF {release} 2nd stage bootloader",
        f"boot.{chip}: SPI Flash Size : 2MB",
        "boot: Enabling RNG early entropy source...",
        "boot: Partition Table:",
        "boot:  0 nvs              WiFi data        01 02",
        "boot: End of partition table",
        "esp_image: segment 0: paddr=",
        "boot: Loaded app from partition at offset 0x",
        "boot: Disabling RNG early entropy source...",
    ]
    positions = [next(at for at, line in enumerate(messages) if line.startswith(want)) for want in expected]
    assert positions == sorted(positions)


def test_a_real_image_of_version_5_5_boots_in_its_own_form() -> None:
    """The stock example, built for the ESP32 without colours, under a coloured v5.0 bootloader."""
    image = reference("images/esp32-advanced_https_ota-v5.5-dev.bin").read_bytes()
    build = reference("builds/hello_world_esp32/build")
    bench = Bench("esp32")
    bench.put(0x1000, (build / "bootloader/bootloader.bin").read_bytes())
    bench.put(0x8000, (build / "partition_table/partition-table.bin").read_bytes())
    bench.put(0x10000, image)
    running = bench.boot()
    assert isinstance(running, Running)
    own = bench.console.partition("Disabling RNG early entropy source...\x1b[0m\r\n")[2]
    assert "\x1b" not in own
    messages = _messages(own)
    assert messages[0] == "cpu_start: Multicore app"
    assert "app_init: Project name:     advanced_https_ota" in messages
    assert "efuse_init: Chip rev:         v3.1" in messages
    assert not any("cpu up" in message for message in messages)
    assert messages[-1] == "main_task: Calling app_main()"


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("release", ["v4.4.8", "v5.1.4", "v5.3.1", "v5.5", "v6.0"])
def test_wording_differs_by_release_and_chip(chip: str, release: str) -> None:
    bench = Bench(chip)
    bench.put_bootloader(bootloader_image(chip, idf_ver=release))
    bench.put_slot("ota_0", app_image(chip, idf_ver=release))
    bench.booted()
    messages = _messages(bench.console)
    new = release >= "v5.3"
    dual = chip != "esp32c3"
    assert ("boot: Multicore bootloader" in messages) is dual
    assert (f"{'app_init' if new else 'cpu_start'}: Application information:") in messages
    assert ("cpu_start: Pro cpu up." in messages) is not new
    assert ("cpu_start: App cpu up." in messages) is (dual and not new)
    assert ("cpu_start: Multicore app" if dual else "cpu_start: Unicore app") in messages
    assert ("app_start: Starting scheduler on CPU1" in messages) is (dual and release == "v5.1.4")
    assert any(message.startswith("sleep") for message in messages) is (chip != "esp32")
    assert (f"boot.{chip}: Boot SPI Speed : 80MHz" in messages) is (chip == "esp32s3")
    assert ("boot: efuse block revision: v1.3" in messages) is (chip != "esp32" and release >= "v5.4")
    assert ("\x1b[0;32mI (" in bench.console) is (release < "v5.4")
    last = "main_task: Calling app_main()"
    if release == "v4.4.8":
        last = "cpu_start: Starting scheduler on APP CPU." if dual else "cpu_start: Starting scheduler."
    assert messages[-1] == last


@pytest.mark.parametrize(
    ("chip", "line"),
    [
        ("esp32", "rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)"),
        ("esp32c3", "rst:0xc (RTC_SW_CPU_RST),boot:0x8 (SPI_FAST_FLASH_BOOT)"),
        ("esp32s3", "rst:0xc (RTC_SW_CPU_RST),boot:0x8 (SPI_FAST_FLASH_BOOT)"),
    ],
)
def test_the_rom_s_banner(chip: str, line: str) -> None:
    bench = Bench(chip)
    image = bootloader_image(chip)
    bench.put_bootloader(image)
    bench.put_slot("ota_0", app_image(chip))
    bench.boot(ResetReason.SW_CPU)
    lines = bench.console.split("\r\n")
    at = lines.index(line)
    if chip == "esp32":
        assert lines[:at] == ["ets Jul 29 2019 12:21:46", ""]
        assert lines[at + 1] == "configsip: 0, SPIWP:0xee"
        assert lines[at + 2] == "clk_drv:0x00,q_drv:0x00,d_drv:0x00,cs0_drv:0x00,hd_drv:0x00,wp_drv:0x00"
        loads = [f"load:0x{one.load_addr:08x},len:{len(one.data)}" for one in image.segments]
    else:
        assert lines[at + 1] == "SPIWP:0xee"
        loads = [f"load:0x{one.load_addr:08x},len:0x{len(one.data):x}" for one in image.segments]
    first = lines.index(loads[0])
    assert lines[first - 1] == "mode:DIO, clock div:1"
    assert lines[first : first + 3] == [*loads, f"entry 0x{image.header.entry_addr:08x}"]


@pytest.mark.parametrize(
    ("chip", "reason", "said"),
    [
        ("esp32c3", ResetReason.TG0WDT_SYS, ["boot.esp32c3: PRO CPU has been reset by WDT."]),
        ("esp32c3", ResetReason.RTCWDT_RTC, []),
        ("esp32", ResetReason.TG1WDT_SYS,
         ["boot.esp32: PRO CPU has been reset by WDT.", "boot.esp32: APP CPU has been reset by WDT.",
          "boot.esp32: WDT reset info: PRO CPU PC=0x0", "boot.esp32: WDT reset info: APP CPU PC=0x0"]),
    ],
)  # fmt: skip
def test_the_bootloader_tells_of_watchdogs(chip: str, reason: ResetReason, said: list[str]) -> None:
    bench = Bench(chip)
    bench.put_bootloader(bootloader_image(chip))
    bench.put_slot("ota_0", app_image(chip))
    bench.booted(reason)
    assert [message for message in _messages(bench.console) if "WDT" in message] == said


def test_a_flash_smaller_than_the_image_says_is_fatal() -> None:
    bench = Bench()
    bench.put_bootloader(bootloader_image())
    bench.put_slot("ota_0", app_image().with_flash_size("16MB"))
    assert bench.boot() is ResetReason.SW_CPU
    sizes = "Detected size(8192k) smaller than the size in the binary image header(16384k). Probe failed."
    assert f"spi_flash: {sizes}" in bench.console
    assert "assert failed: do_core_init startup.c:328 (flash_ret == ESP_OK)\r\n" in bench.console


def test_an_application_checks_its_secure_version_itself() -> None:
    """A build with anti-rollback under a bootloader without it: the start-up code refuses."""
    bench = Bench()
    bench.put_bootloader(bootloader_image())
    bench.put_slot("ota_0", app_image(secure_version=1, rodata=strings("Incorrect secure version of app")))
    bench.machine.efuse.advance_secure_version(2)
    assert bench.boot() is ResetReason.SW_CPU
    assert "Incorrect secure version of app" in bench.console


# -- dying


@pytest.mark.parametrize("chip", CHIPS)
def test_an_image_that_crashes_at_boot_says_no_word(chip: str) -> None:
    """The ROM reports it, and the RTC watchdog that the bootloader armed ends it after 9 s."""
    bench = Bench(chip)
    bench.put_bootloader(bootloader_image(chip))
    image = app_image(chip).crashing_at_boot()
    bench.put_slot("ota_0", image)
    assert bench.boot() is ResetReason.RTCWDT_RTC
    assert bench.machine.clock.now_ms() >= WATCHDOG_MS
    after = bench.console.partition("Disabling RNG early entropy source...")[2]
    assert "cpu_start" not in after
    entry = f"0x{image.header.entry_addr:08x}"
    if chip == "esp32":
        zeros = "".join(f", {name}=0x00000000" for name in ("epc2", "epc3", "excvaddr", "depc"))
        assert f"\r\nFatal exception (0): IllegalInstruction\r\nepc1={entry}{zeros}\r\n" in after
    else:
        assert "Guru Meditation Error: Core 0 panic'ed (Illegal" in after
        assert entry in after
    bench.read_console()
    bench.boot(ResetReason.RTCWDT_RTC)
    name = "RTCWDT_RTC_RESET" if chip == "esp32" else "RTCWDT_RTC_RST"
    assert f"rst:0x10 ({name}),boot:" in bench.console


@pytest.mark.parametrize("chip", ["esp32", "esp32s3"])
def test_abort_on_xtensa_prints_a_backtrace_and_no_registers(chip: str) -> None:
    bench = Bench(chip)
    bench.put_bootloader(bootloader_image(chip))
    bench.put_slot("ota_0", app_image(chip))
    running = bench.boot()
    assert isinstance(running, Running)
    bench.read_console()
    with pytest.raises(Restart) as end:
        panic.abort(running)
    assert end.value.reason is ResetReason.SW_CPU
    frame = r"0x40[0-9a-f]{6}:0x3f[0-9a-f]{6}"
    pattern = (
        r"\r\nabort\(\) was called at PC 0x4[0-9a-f]{7} on core 0\r\n"
        rf"\r\n\r\nBacktrace: (?:{frame} ){{4}}{frame}\r\n"
        r"(?:\r\n)+ELF file SHA256: 0001020304050607\r\n\r\nRebooting\.\.\.\r\n"
    )
    assert re.fullmatch(pattern, bench.console)


@pytest.mark.parametrize("chip", ["esp32", "esp32s3"])
def test_illegal_instruction_on_xtensa(chip: str) -> None:
    bench = Bench(chip)
    bench.put_bootloader(bootloader_image(chip))
    bench.put_slot("ota_0", app_image(chip))
    running = bench.boot()
    assert isinstance(running, Running)
    bench.read_console()
    with pytest.raises(Restart):
        panic.illegal_instruction(running)
    lines = bench.console.split("\r\n")
    assert lines[0] == "Guru Meditation Error: Core  0 panic'ed (IllegalInstruction). Exception was unhandled."
    assert re.fullmatch(r"Memory dump at 0x[0-9a-f]{8}: [0-9a-f]{8} [0-9a-f]{8} [0-9a-f]{8}", lines[1])
    assert lines[2] == "Core  0 register dump:"
    assert re.fullmatch(r"PC      : 0x\S{8}  PS      : 0x\S{8}  A0      : 0x\S{8}  A1      : 0x\S{8}  ", lines[3])
    assert re.match(r"EXCVADDR: 0x", lines[8])


def test_crash_loops_slow_down_only_after_a_while() -> None:
    """In virtual time a crash costs nothing; a loop of them must not occupy the host."""
    bench = Bench()
    bench.put_bootloader(bootloader_image())
    bench.put_slot("ota_0", app_image().crashing_at_boot())
    for _ in range(5):
        assert bench.boot() is ResetReason.RTCWDT_RTC
    assert bench.machine.rtc == {"crashes since power-on": 5}


def test_unknown_applications_boot_and_idle() -> None:
    """boot.run hands over to the applications; one that nobody knows does nothing at all."""
    import threading

    from bench.virtual.machine import PowerLost

    bench = Bench()
    bench.put_bootloader(bootloader_image())
    bench.put_slot("ota_0", app_image())
    ended: list[type[BaseException]] = []

    def live() -> None:
        try:
            boot.run(bench.machine)
        except PowerLost as loss:
            ended.append(type(loss))

    thread = threading.Thread(target=live)
    thread.start()
    while not bench.machine.supply.idle and thread.is_alive():
        thread.join(0.001)
    bench.machine.supply.set_power(False)
    thread.join(5)
    assert ended == [PowerLost]
    assert "main_task: Calling app_main()" in bench.console


def test_images_without_a_description_boot_too() -> None:
    """A PADDING segment first, and no esp_app_desc_t: as some bare-metal projects build them."""
    image = Image.build(
        chip_id=5,
        entry_addr=0x40380004,
        segments=[(0x3FC8C800, bytes(64)), (0x40380000, bytes(range(1, 129)))],
    )
    bench = Bench()
    bench.put_bootloader(bootloader_image(idf_ver="v5.3.1"))
    bench.put_slot("ota_0", image)
    running = bench.boot()
    assert isinstance(running, Running)
    assert (running.release.major, running.release.minor) == (5, 3)
