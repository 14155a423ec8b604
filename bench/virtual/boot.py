"""One life of the processor from reset to application: ROM, second-stage bootloader, start-up code, app_main."""

from __future__ import annotations

from typing import NoReturn

from bench.virtual import panic
from bench.virtual.bootloader.start import Loaded, run_bootloader
from bench.virtual.cipher import FlashCipher
from bench.virtual.first_stage import load_bootloader
from bench.virtual.log import Log
from bench.virtual.machine import Machine
from bench.virtual.release import Release
from bench.virtual.running import Running
from bench.virtual.startup import start_up

__all__ = ["run", "run_to_app_main"]


def run(machine: Machine) -> NoReturn:
    """Boot, and be the application. Ends only with a reset (`Restart`) or when the machine is halted."""
    running = run_to_app_main(machine)
    from bench.virtual import apps  # not before there is one to run: personalities bring TLS and HTTP with them

    apps.run(running)


def run_to_app_main(machine: Machine) -> Running:
    """Boot as far as the call of app_main. Where there is nothing to boot it resets or idles, and does not return."""
    machine.flash.cipher = cipher = FlashCipher.of(machine.efuse.blocks)
    bootloader = load_bootloader(machine)
    loaded = run_bootloader(machine, bootloader)
    if cipher is not None:
        machine.flash.cipher = cipher.knowing(loaded.table)
    if not _first_instruction_is_legal(loaded):
        panic.first_instruction(machine, loaded.image, loaded.options.wdt_ms)
    desc = loaded.image.app_desc
    release = Release.parse(desc.idf_ver) if desc is not None else loaded.options.release
    running = Running(
        machine=machine,
        image=loaded.image,
        image_bytes=loaded.image.to_bytes(),
        partition=loaded.partition,
        table=loaded.table,
        release=release,
        log=Log(machine, loaded.image, release),
    )
    start_up(running)
    return running


def _first_instruction_is_legal(loaded: Loaded) -> bool:
    header = loaded.image.header
    segment = loaded.image.segment_at(header.entry_addr)
    if segment is None or header.chip is None:
        return False
    at = header.entry_addr - segment.load_addr
    illegal = header.chip.arch.illegal_instruction
    return not segment.data.startswith(illegal, at)
