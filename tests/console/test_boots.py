"""Boots: every chip's banner, and boots of which a part is missing."""

from __future__ import annotations

import pytest

from bench.console import Record
from tests.console.consoles import Device, boots, read

ESP32_ROM = (
    "ets Jul 29 2019 12:21:46\n\nrst:{reason},boot:0x13 (SPI_FAST_FLASH_BOOT)\nconfigsip: 0, SPIWP:0xee\n"
    "clk_drv:0x00,q_drv:0x00,d_drv:0x00,cs0_drv:0x00,hd_drv:0x00,wp_drv:0x00\nmode:DIO, clock div:2\n"
    "load:0x3fff0030,len:7176\nho 0 tail 12 room 4\nload:0x40078000,len:15564\nentry 0x400805f0\n"
)


FLASH = "boot:0x8 (SPI_FAST_FLASH_BOOT)"
BANNERS = {
    "esp32": (ESP32_ROM.format(reason="0x1 (POWERON_RESET)"), "POWERON_RESET"),
    "esp32 rev 0": (
        ESP32_ROM.replace("Jul 29 2019 12:21:46", "Jun  8 2016 00:22:57").format(reason="0xc (SW_CPU_RESET)"),
        "SW_CPU_RESET",
    ),
    "esp32s2": (
        f"ESP-ROM:esp32s2-rc4-20191025\nBuild:Oct 25 2019\nrst:0x1 (POWERON),{FLASH}\nentry 0x4004c190\n",
        "POWERON",
    ),
    "esp32s3": (
        f"ESP-ROM:esp32s3-20210327\nBuild:Mar 27 2021\nrst:0x8 (TG1WDT_SYS_RST),{FLASH}\n"
        "Saved PC:0x40378ee4\nentry 0x403c98d0\n",
        "TG1WDT_SYS_RST",
    ),
    "esp32c6": (
        "ESP-ROM:esp32c6-20220919\nBuild:Sep 19 2022\nrst:0xc (SW_CPU),boot:0xc (SPI_FAST_FLASH_BOOT)\n"
        "entry 0x4086c410\n",
        "SW_CPU",
    ),
    "esp32h2": (
        f"ESP-ROM:esp32h2-20221101\nBuild:Nov  1 2022\nrst:0x5 (DSLEEP),{FLASH}\nentry 0x408460e0\n",
        "DSLEEP",
    ),
    "esp32p4": (
        "ESP-ROM:esp32p4-eco2-20240710\nBuild:Jul 10 2024\nrst:0x1 (POWERON),boot:0x30f (SPI_FAST_FLASH_BOOT)\n"
        "entry 0x4ff29ed0\n",
        "POWERON",
    ),
}


@pytest.mark.parametrize(("banner", "reason"), BANNERS.values(), ids=BANNERS.keys())
def test_the_banner_of_every_chip(banner: str, reason: str) -> None:
    device = Device().raw(banner).bootloader("ota_1").description("1.2.3", secure=7)
    [boot] = boots(read(device.console))
    assert boot.reset_reason == reason
    assert (boot.partition_offset, boot.slot, boot.app_version) == (0x210000, "ota_1", "1.2.3")
    assert (boot.secure_version, boot.idf_version, boot.bootloader_version) == (7, "v5.3.1", "v5.1.4")
    assert (boot.project_name, boot.line_no) == ("advanced_https_ota", 1)


def test_a_boot_comes_before_the_first_record_of_the_application() -> None:
    items = read(Device().boot("factory", "1").console)
    names = [type(item).__name__ for item in items]
    first = items[names.index("Boot") + 1]
    assert isinstance(first, Record)
    assert first.tag == "heap_init"


@pytest.mark.parametrize("missing", ["rom", "bootloader", "description", "rom and bootloader", "rom and description"])
def test_boots_of_which_a_part_is_missing_count(missing: str) -> None:
    device = Device()
    for version, slot in (("1", "factory"), ("2", "ota_0"), ("2", "ota_0")):
        if "rom" not in missing:
            device.rom()
        if "bootloader" not in missing:
            device.bootloader(slot)
        if "description" not in missing:
            device.description(version)
        device.main()
    found = boots(read(device.console))
    assert len(found) == 3
    assert [boot.reset_reason for boot in found] == [None if "rom" in missing else "POWERON"] * 3
    assert [boot.slot for boot in found] == ([None] * 3 if "bootloader" in missing else ["factory", "ota_0", "ota_0"])
    assert [boot.app_version for boot in found] == ([None] * 3 if "description" in missing else ["1", "2", "2"])


def test_a_console_opened_in_the_middle_of_a_boot() -> None:
    console = Device().boot("ota_0", "2").console
    [boot] = boots(read(console[console.index(b"End of partition") :]))
    assert (boot.partition_offset, boot.slot, boot.app_version) == (0x110000, None, "2")
    assert not boots(read(console[console.index(b"Calling app_main") :]))


def test_a_boot_cut_short_tells_what_it_had_said() -> None:
    device = Device().rom().bootloader("ota_0")
    [boot] = boots(read(device.console))
    assert (boot.slot, boot.app_version) == ("ota_0", None)


ETS = "ets Jun  8 2016 00:22:57\n\n"
ESP32_DOWNLOAD = "rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\n"
EMPTY_FLASH = "rst:0x10 (RTCWDT_RTC_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\ninvalid header: 0xffffffff\n"


@pytest.mark.parametrize(
    "console",
    [
        Device().rom(boot="0x0 (DOWNLOAD(USB/UART0))").raw("waiting for download\n").console,
        Device().raw(ETS + ESP32_DOWNLOAD + "waiting for download\n").console,
        Device().raw((ETS + EMPTY_FLASH) * 5).console,
        Device().raw("ESP-ROM:esp32c3-api1-20210207\nBuild:Feb  7 2021\n").console,
        Device().log("I", "my_boot", "Loaded app from partition at offset 0x10000").console,
        Device().raw("Loaded app from partition at offset 0x10000\n").console,
    ],
)
def test_what_never_left_the_rom_is_no_boot(console: bytes) -> None:
    assert not boots(read(console))


def test_download_mode_between_boots() -> None:
    device = Device().boot("factory", "1").rom(boot="0x0 (DOWNLOAD(USB/UART0))").raw("waiting for download\n")
    assert len(boots(read(device.boot("factory", "1").console))) == 2


def test_a_bootloader_that_talks_much_does_not_end_the_boot() -> None:
    device = Device().rom().log("I", "boot", "ESP-IDF v5.1.4 2nd stage bootloader")
    for number in range(200):
        device.log("D", "esp_image", f"free data page_count 0x{number:08x}")
    device.log("I", "boot", "Loaded app from partition at offset 0x110000").description("3")
    [boot] = boots(read(device.console))
    assert (boot.partition_offset, boot.app_version) == (0x110000, "3")


def test_the_slot_is_named_by_its_subtype_whatever_its_label() -> None:
    device = Device().rom().log("I", "boot", "ESP-IDF v5.1.4 2nd stage bootloader")
    device.log("I", "boot", " 2 app_with_a_long_ OTA app          00 11 00210000 00100000")
    device.log("I", "boot", "Loaded app from partition at offset 0x210000")
    assert [boot.slot for boot in boots(read(device.console))] == ["ota_1"]


def test_fast_boot_out_of_deep_sleep() -> None:
    device = Device().rom("0x5 (DSLEEP)").log("I", "boot", "ESP-IDF v5.1.4 2nd stage bootloader")
    device.log("I", "boot", "Fast booting app from partition at offset 0x110000").main()
    assert [(b.reset_reason, b.partition_offset) for b in boots(read(device.console))] == [("DSLEEP", 0x110000)]
