"""A power cycle is believed when the board's ROM says so."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from bench.boards.board import Board
from bench.builds import Build, VirtualBuild, write_build
from bench.console import Console
from bench.errors import BenchError
from bench.ota.supply import expect_power_on
from bench.server import Authority
from bench.timeline import Timeline
from tests.ota.rig import rigged

BOARD = Board(name="relay-board", chip="esp32s3", driver="serial")

BANNERS = {
    "esp32": b"ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n",
    "esp32s3": b"ESP-ROM:esp32s3-20210327\r\nBuild:Mar 27 2021\r\nrst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)\r\n",
}
BY_SOFTWARE = b"ESP-ROM:esp32s3-20210327\r\nrst:0xc (RTC_SW_CPU_RST),boot:0x8 (SPI_FAST_FLASH_BOOT)\r\n"


def untouched() -> None:
    raise AssertionError("this board must not be reset")


@pytest.mark.parametrize("banner", BANNERS.values(), ids=list(BANNERS))
def test_the_roms_word_is_waited_for(banner: bytes) -> None:
    with Timeline() as timeline:
        console = Console(timeline)
        back = timeline.append("bench", "power", on=True)
        typist = threading.Thread(target=console.feed, args=(banner,))
        typist.start()
        expect_power_on(timeline, BOARD, after=back.index, seconds=30, reset=untouched)
        typist.join()


def test_a_switch_that_did_nothing_is_found_out() -> None:
    with Timeline() as timeline:
        back = timeline.append("bench", "power", on=True)
        with pytest.raises(BenchError, match=r"relay-board: .*its console is silent\. Is it the right switch"):
            expect_power_on(timeline, BOARD, after=back.index, seconds=0.01, reset=untouched)


def test_another_reset_is_not_taken_for_it_nor_a_loss_before() -> None:
    with Timeline() as timeline:
        console = Console(timeline)
        console.feed(BANNERS["esp32s3"])
        back = timeline.append("bench", "power", on=True)
        console.feed(BY_SOFTWARE)
        with pytest.raises(BenchError, match=r"says that it was reset by RTC_SW_CPU_RST\."):
            expect_power_on(timeline, BOARD, after=back.index, seconds=0.01, reset=untouched)


def test_what_the_application_logs_is_not_the_roms_word() -> None:
    with Timeline() as timeline:
        back = timeline.append("bench", "power", on=True)
        Console(timeline).feed(b"I (312) app: rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)\r\n")
        with pytest.raises(BenchError, match="silent"):
            expect_power_on(timeline, BOARD, after=back.index, seconds=0.01, reset=untouched)


def test_a_port_that_went_with_the_power_is_proof_and_the_boot_is_heard_after_a_reset() -> None:
    with Timeline() as timeline:
        console = Console(timeline)
        back = timeline.append("bench", "power", on=True)
        timeline.append("bench", "port_away", seconds=1.5)
        usb = b"ESP-ROM:esp32s3-20210327\r\nrst:0x15 (USB_UART_CHIP_RESET),boot:0x8 (SPI_FAST_FLASH_BOOT)\r\n"
        expect_power_on(timeline, BOARD, after=back.index, seconds=30, reset=lambda: console.feed(usb))
        assert timeline.entries[back.index + 2].kind == "reset"


def test_a_board_that_stays_silent_after_its_port_returned_is_told() -> None:
    with Timeline() as timeline:
        back = timeline.append("bench", "power", on=True)
        timeline.append("bench", "port_away", seconds=1.5)
        with pytest.raises(BenchError, match="silent"):
            expect_power_on(timeline, BOARD, after=back.index, seconds=0.05, reset=lambda: None)


def test_a_board_without_reset_line_is_reset_by_its_supply(tmp_path: Path) -> None:
    authority = Authority.load_or_create(tmp_path / "ca")
    spec = VirtualBuild(chip="esp32s3", app="advanced_https_ota", version="1", ca_pem=authority.ca_pem)
    write_build(spec, tmp_path / "build")
    with rigged(Build.load(tmp_path / "build"), authority) as (ota, attached, timeline):
        ota.wait_for_prompt()
        attached.board = replace(attached.board, reset_by="power")
        before = len(timeline)
        ota.reset()
        ota.expect_boot(reset_reason="POWERON")
        switched = [entry.get("on") for entry in timeline.entries[before:] if entry.kind == "power"]
        assert switched == [False, True]
