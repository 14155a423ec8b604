"""The bootloader from its entry to the jump into an application.

Source: components/bootloader/subproject/main/bootloader_start.c, components/bootloader_support/src/bootloader_init.c
and <chip>/bootloader_<chip>.c, bootloader_flash/src/bootloader_flash_config_<chip>.c.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from bench.flash import Partition, PartitionTable
from bench.flash.partition_table import TABLE_SIZE
from bench.images import BootDefect, Image
from bench.virtual.bootloader.options import Options
from bench.virtual.bootloader.select import INVALID_INDEX, Selection
from bench.virtual.bootloader.table import BootState, read_table
from bench.virtual.bootloader.verify import ImageVerifier
from bench.virtual.emulated_efuse import VIRTUAL_EFUSE_WARNING, Efuses
from bench.virtual.log import Log
from bench.virtual.loops import app_started, hopeless_reset
from bench.virtual.machine import Machine
from bench.virtual.memory_map import MEMORY_MAPS, Range
from bench.virtual.resets import ResetReason

__all__ = ["Loaded", "run_bootloader"]

_TAG = "boot"
_SPEEDS = {0: "40MHz", 1: "26.7MHz", 2: "20MHz", 0xF: "80MHz"}
_MODES = ("QIO", "QOUT", "DIO", "DOUT", "FAST READ", "SLOW READ")
_SIZES_MB = (1, 2, 4, 8, 16, 32, 64, 128)
_TABLE_SEARCHED = 0x20000
_MS_PER_STEP = 2

_SYSTEM_WATCHDOGS = (ResetReason.TG0WDT_SYS, ResetReason.TG1WDT_SYS, ResetReason.RTCWDT_SYS)
_PRO_CPU_WATCHDOGS = (*_SYSTEM_WATCHDOGS, ResetReason.TG0WDT_CPU, ResetReason.RTCWDT_CPU)


@dataclass(frozen=True)
class Loaded:
    """An application that the bootloader has loaded and is about to start."""

    image: Image = field(repr=False)
    partition: Partition
    table: PartitionTable = field(repr=False)
    options: Options


def run_bootloader(machine: Machine, image: Image) -> Loaded:
    """Run the bootloader `image`; where it finds nothing to boot it resets, and does not return."""
    bootloader = _Bootloader(machine, image)
    bootloader.init()
    loaded = bootloader.load()
    if loaded is None:
        machine.clock.sleep(_MS_PER_STEP)
        hopeless_reset(machine, ResetReason.SW_SYS)  # bootloader_reset: esp_rom_software_reset_system
    app_started(machine)
    bootloader.log.info(_TAG, "Disabling RNG early entropy source...", default=True)
    return loaded


class _Bootloader:
    def __init__(self, machine: Machine, image: Image) -> None:
        self._machine = machine
        self._image = image
        self._where = MEMORY_MAPS[machine.chip.name]
        self._options = Options.of(image, machine.library.of(image))
        self._release = self._options.release
        self.log = Log(machine, image, self._release)
        self._efuses = Efuses(
            machine,
            self._release,
            self.log,
            purpose="efuse:bootloader",
            abort=self._abort if self._options.virtual_efuse_in_flash else None,
        )
        # the RAM of an application ends where the bootloader's data begins
        data = tuple(
            Range(one.load_addr, one.load_addr + len(one.data))
            for one in image.segments
            if one.load_addr in self._where.dram
        )
        self._verifier = ImageVerifier(
            machine,
            self.log,
            self._release,
            loads=True,
            bootloader_data=data,
            secure_version_allowed=self._efuses.check_secure_version if self._options.anti_rollback else None,
            defect=self._options.defect,
        )

    def _abort(self) -> NoReturn:
        """abort() of the bootloader: nobody is there but the RTC watchdog."""
        hopeless_reset(self._machine, ResetReason.RTCWDT_RTC)

    # -- bootloader_init

    def init(self) -> None:
        """Banner, chip revision, flash settings; a bootloader for other silicon resets here."""
        machine, log, options = self._machine, self.log, self._options
        chip = machine.chip
        tag = f"boot.{chip.name}"
        if options.virtual_efuse:
            log.warn(tag, VIRTUAL_EFUSE_WARNING, default=True)
        machine.clock.sleep(_MS_PER_STEP)
        log.info(_TAG, f"ESP-IDF {options.release} 2nd stage bootloader", default=True)
        if options.compile_time is not None:
            log.info(_TAG, f"compile time {options.compile_time}", default=True)
        if chip.cores > 1:
            if options.unicore:
                log.warn(_TAG, "Unicore bootloader", default=True)
            else:
                log.info(_TAG, "Multicore bootloader", default=True)
        machine.clock.sleep(_MS_PER_STEP)
        blocks = machine.efuse.blocks
        revision = blocks.chip_revision
        log.info(_TAG, f"chip revision: v{revision // 100}.{revision % 100}", default=True)
        if chip.name != "esp32" and self._release.at_least(5, 4):
            version = blocks.block_version
            log.info(_TAG, f"efuse block revision: v{version // 100}.{version % 100}", default=True)
        if not self._verifier.chip_fits(self._image.header):
            hopeless_reset(machine, ResetReason.SW_SYS)
        self._print_flash_info(tag)
        self._check_wdt_reset(tag)
        log.debug(_TAG, f"Enabling RTCWDT({options.wdt_ms} ms)")
        log.info(_TAG, "Enabling RNG early entropy source...", default=True)

    def _print_flash_info(self, tag: str) -> None:
        header, log = self._image.header, self.log
        log.debug(tag, f"magic {header.magic:02x}")
        log.debug(tag, f"segments {header.segment_count:02x}")
        log.debug(tag, f"spi_mode {header.spi_mode:02x}")
        log.debug(tag, f"spi_speed {header.spi_speed:02x}")
        log.debug(tag, f"spi_size {header.spi_size:02x}")
        name = "Boot SPI Speed" if self._machine.chip.name == "esp32s3" else "SPI Speed     "
        log.info(tag, f"{name} : {_SPEEDS.get(header.spi_speed, '20MHz')}", default=True)
        mode = _MODES[header.spi_mode] if header.spi_mode < len(_MODES) else "DIO"
        log.info(tag, f"SPI Mode       : {mode}", default=True)
        log.info(tag, f"SPI Flash Size : {self._flash_mb}MB", default=True)

    @property
    def _flash_mb(self) -> int:
        size = self._image.header.spi_size
        return _SIZES_MB[size] if size < len(_SIZES_MB) else 2

    def _check_wdt_reset(self, tag: str) -> None:
        """bootloader_check_wdt_reset; the ESP32 also says where its processors were, which this one does not know."""
        reason, log = self._machine.reset_reason, self.log
        pro = reason in _PRO_CPU_WATCHDOGS
        app = self._machine.chip.cores > 1 and reason in _SYSTEM_WATCHDOGS
        for name, bitten in (("PRO", pro), ("APP", app)):
            if bitten:
                message = f"{name} CPU has been reset by WDT."
                log.warn(tag, message, default=True)
                if log.has(message[:-1]) and not log.has(message):
                    log.warn(tag, message[:-1])
        if (pro or app) and self._machine.chip.name == "esp32":
            for name in ("PRO", "APP") if not self._options.unicore else ("PRO",):
                for word in ("reset", "rst"):
                    log.warn(tag, f"WDT {word} info: {name} CPU PC=0x0", default=word == "reset")

    # -- call_start_cpu0

    def load(self) -> Loaded | None:
        """Partition table, selection, image; None where there is nothing to boot."""
        machine, log = self._machine, self.log
        machine.clock.sleep(_MS_PER_STEP)
        state = self._read_table()
        if state is None:
            log.error(_TAG, "load partition table error!", default=True)
            return None
        selection = Selection(machine, self._options, state, self._efuses, self._verifier, log)
        index = selection.start_index()
        if index == INVALID_INDEX:
            return None
        found = selection.load(index)
        if found is None:
            return None
        image, partition = found
        return Loaded(image, partition, state.table, self._options)

    def _read_table(self) -> BootState | None:
        machine = self._machine
        offset = self._options.find_table(
            self._image, machine.chip.bootloader_offset, machine.flash.read(0, _TABLE_SEARCHED)
        )
        # What the header claims beyond the real chip does not exist here either.
        chip_size = min(self._flash_mb << 20, machine.flash.size)
        table = machine.flash.read(offset, TABLE_SIZE)
        any_sum = self._options.defect is BootDefect.ANY_TABLE
        return read_table(table, chip_size, self.log, self._release, self._efuse_partition, any_sum=any_sum)

    def _efuse_partition(self, partition: Partition) -> None:
        if self._options.virtual_efuse_in_flash and self._options.defect is not BootDefect.EMULATED_EFUSES_KEPT:
            self._efuses.init_virtual_mode_in_flash(partition)
