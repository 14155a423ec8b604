"""An application's start-up, from its entry to the call of app_main.

Sources: components/esp_system/port/cpu_start.c, startup.c and startup_funcs.c, components/esp_app_format,
components/efuse/src/esp_efuse_startup.c, components/heap/heap_caps_init.c, components/spi_flash (esp_flash_api.c,
esp_flash_spi_init.c), components/esp_hw_support/sleep_gpio.c, components/freertos/app_startup.c, of ESP-IDF v4.4, v5.1
and v5.3 to v6.0. What an image has not compiled in, it does not say (`bench.virtual.log`); the releases asked for here
only matter where tags or wording differ, and for images without any start-up format.
"""

from __future__ import annotations

from bench.images import revision_text
from bench.virtual import panic
from bench.virtual.emulated_efuse import VIRTUAL_EFUSE_WARNING, Efuses
from bench.virtual.memory_map import MEMORY_MAPS
from bench.virtual.running import Running

__all__ = ["start_up"]

_CPU = "cpu_start"
_CPU_HZ = 160_000_000
_FLASH_NAMES = {0xC8: "gd", 0xEF: "winbond", 0x9D: "issi", 0x20: "generic", 0xC2: "mxic", 0x68: "boya"}
_IO_MODES = ("qio", "qout", "dio", "dout", "fastrd", "slowrd")
_SIZES_MB = (1, 2, 4, 8, 16, 32, 64, 128)
_HEAP_ALIGNMENT = 0x10
_STATIC_DATA = 0x22A0
"""Bytes of .bss behind the initialised data, as in the stock examples: where the heap then begins."""


_Version = tuple[int, int]


def start_up(running: Running) -> None:
    """Say and do all that comes before app_main; returns with app_main called."""
    _Startup(running).run()


class _Startup:
    def __init__(self, running: Running) -> None:
        self._running = running
        self._machine = running.machine
        self._release = running.release
        self._log = running.log
        self._where = MEMORY_MAPS[running.machine.chip.name]
        single = running.machine.chip.cores == 1 or self._log.has("Unicore app")
        self._unicore = single

    def run(self) -> None:
        """call_start_cpu0, start_cpu0, main_task."""
        self._start_cpus()
        self._show_app_info()
        self._init_heap()
        self._init_flash()
        self._init_efuses()
        self._init_sleep()
        self._start_scheduler()

    def _info(self, tag: str, message: str, *, since: _Version = (0, 0), until: _Version = (99, 0)) -> None:
        """A start-up message; the releases only matter to an image without start-up formats of its own."""
        in_release = self._release.at_least(*since) and self._release.before(*until)
        self._log.info(tag, message, default=in_release)

    def _start_cpus(self) -> None:
        entry = self._running.image.header.entry_addr
        self._info(_CPU, "Unicore app" if self._unicore else "Multicore app")
        self._info(_CPU, "Pro cpu up.", until=(5, 2))
        if self._machine.chip.cores > 1:
            if self._unicore:
                self._info(_CPU, "Single core mode")
            else:
                self._info(_CPU, f"Starting app cpu, entry point is 0x{entry + 0x84:08x}", until=(5, 2))
                self._info(_CPU, "App cpu up.", until=(5, 2))
        self._machine.clock.sleep(15)
        rx, tx = self._where.console_pins
        self._info(_CPU, f"GPIO {rx} and {tx} are used as console UART I/O pins", since=(6, 0))
        self._info(_CPU, "Pro cpu start user code")
        # v4.4 leaves out the unit
        unit = " Hz" if self._release.at_least(5) else ""
        self._info(_CPU, f"cpu freq: {_CPU_HZ}{unit}")

    def _show_app_info(self) -> None:
        running, tag = self._running, self._release.app_info_tag
        desc = running.image.app_desc
        self._info(tag, "Application information:")
        if desc is not None:
            self._info(tag, f"Project name:     {desc.project_name}")
            self._info(tag, f"App version:      {desc.version}")
            if running.log.has("Secure version:   %"):
                self._info(tag, f"Secure version:   {desc.secure_version}")
            if desc.compile_time:
                self._info(tag, f"Compile time:     {desc.compile_time}")
            sha = desc.app_elf_sha256.hex()[: self._release.elf_sha_length]
            self._info(tag, f"ELF file SHA256:  {sha}...")
            self._info(tag, f"ESP-IDF:          {desc.idf_ver}")
        self._show_chip_revision()

    def _show_chip_revision(self) -> None:
        header, tag = self._running.image.header, self._release.efuse_info_tag
        blocks = self._machine.efuse.blocks
        limit = header.max_chip_rev_full if header.max_chip_rev_full not in (0, 0xFFFF) else self._where.max_revision
        ignored = self._machine.chip.name != "esp32" and blocks.get("DISABLE_WAFER_VERSION_MAJOR")
        note = "(constraint ignored)" if ignored else ""
        self._info(tag, f"Min chip rev:     {revision_text(header.min_chip_rev_full)}")
        self._info(tag, f"Max chip rev:     {revision_text(limit)} {note}")
        self._info(tag, f"Chip rev:         {revision_text(blocks.chip_revision)}")

    def _init_heap(self) -> None:
        self._info("heap_init", "Initializing. RAM available for dynamic allocation:")
        for region in self._where.heap:
            if not region.in_release(self._release):
                continue
            low = self._end_of_static_data(region.low, region.high) if region.dynamic else region.low
            size = region.high - low
            self._info("heap_init", f"At {low:08X} len {size:08X} ({size // 1024} KiB): {region.name}")

    def _end_of_static_data(self, low: int, high: int) -> int:
        """Where the heap of a region begins that also holds loaded segments."""
        code = low in self._where.iram
        alias = self._where.alias
        ends = [low]
        for segment in self._running.image.segments:
            end = segment.load_addr + len(segment.data)
            if low <= segment.load_addr < high:
                ends.append(end + (0 if code else _STATIC_DATA))
            elif alias is not None and low <= segment.load_addr - alias < high:
                ends.append(end - alias)
        return min(-(-max(ends) // _HEAP_ALIGNMENT) * _HEAP_ALIGNMENT, high)

    def _init_flash(self) -> None:
        machine, log, header = self._machine, self._log, self._running.image.header
        machine.clock.sleep(6)
        name = _FLASH_NAMES.get(machine.chip.flash_id[0], "generic")
        if not log.bare and not log.has(name):
            name = "generic"  # the driver of this vendor is not compiled in
        self._info("spi_flash", f"detected chip: {name}")
        mode = _IO_MODES[header.spi_mode] if header.spi_mode < len(_IO_MODES) else "dio"
        self._info("spi_flash", f"flash io: {mode}")
        size = _SIZES_MB[header.spi_size] if header.spi_size < len(_SIZES_MB) else 2
        real, claimed = machine.flash.size // 1024, size * 1024
        sizes = f"Detected size({real}k) {{}} than the size in the binary image header({claimed}k). "
        if real < claimed:
            log.error("spi_flash", sizes.format("smaller") + "Probe failed.", default=True)
            panic.assert_failed(self._running, "do_core_init startup.c:328", "flash_ret == ESP_OK")
        if real > claimed:
            using = "Using the size in the binary image header."
            log.warn("spi_flash", sizes.format("larger") + using, default=True)

    def _init_efuses(self) -> None:
        running, log = self._running, self._log
        efuses = Efuses(self._machine, self._release, log, purpose="efuse:start_up")
        if log.has("eFuse virtual mode is enabled.") or log.has("Virtual efuses enabled:"):
            log.warn(self._release.efuse_info_tag, VIRTUAL_EFUSE_WARNING, default=True)
            partition = running.table.emul_efuse
            if partition is not None:
                efuses.init_virtual_mode_in_flash(partition)
        desc = running.image.app_desc
        checks = log.has("Incorrect secure version of app")
        if checks and desc is not None and not efuses.check_secure_version(desc.secure_version):
            check = "esp_efuse_check_secure_version(esp_app_get_description()->secure_version) == true"
            expression = f'{check} && "Incorrect secure version of app"'
            panic.assert_failed(running, "do_core_init startup.c:367", expression)

    def _init_sleep(self) -> None:
        if self._machine.chip.name == "esp32" and self._log.bare:
            return  # SOC_GPIO_SUPPORT_SLP_SWITCH: not on this chip
        tag = self._release.sleep_tag
        self._info(tag, "Configure to isolate all GPIO pins in sleep state")
        self._info(tag, "Enable automatic switching of GPIO sleep configuration")

    def _start_scheduler(self) -> None:
        """Early v5.0 still has v4.4's words; where both could be meant, the image decides."""
        app, until = "app_start", (5, 1)
        if self._machine.chip.arch == "xtensa":
            self._info(_CPU, "Starting scheduler on PRO CPU.", until=until)
            if not self._unicore:
                self._info(_CPU, "Starting scheduler on APP CPU.", until=until)
        else:
            self._info(_CPU, "Starting scheduler.", until=until)
        cores = 1 if self._unicore else self._machine.chip.cores
        for core in range(cores):
            self._info(app, f"Starting scheduler on CPU{core}", since=until, until=(5, 2))
        self._machine.clock.sleep(2)
        self._info("main_task", "Started on CPU0", since=until)
        self._info("main_task", "Calling app_main()", since=until)
