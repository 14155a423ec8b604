"""A virtual machine without a board around it, and small images for it: what the boot tests have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.flash import OtaData, Partition, PartitionTable
from bench.images import AppDesc, BootloaderDesc, Image, ImageHeader, chip_by_name
from bench.virtual import boot
from bench.virtual.machine import Machine, ResetReason, Restart
from bench.virtual.running import Running

__all__ = ["AR_CSV", "TWO_OTA_CSV", "Bench", "app_image", "bootloader_image", "strings"]

TWO_OTA_CSV = """
nvs, data, nvs, 0x9000, 0x4000
otadata, data, ota, 0xd000, 0x2000
phy_init, data, phy, 0xf000, 0x1000
ota_0, app, ota_0, 0x20000, 0x20000
ota_1, app, ota_1, 0x40000, 0x20000
"""
AR_CSV = """
otadata, data, ota, 0xd000, 0x2000
emul_efuse, data, efuse, 0xf000, 0x2000
ota_0, app, ota_0, 0x20000, 0x20000
ota_1, app, ota_1, 0x40000, 0x20000
"""
_PLACES = {
    # dram and iram of an application, dram and iram of a bootloader, flash-mapped data
    "esp32": (0x3FFB0000, 0x40080000, 0x3FFF0030, 0x40080400, 0x3F400020),
    "esp32c3": (0x3FC8C800, 0x40380000, 0x3FCD5820, 0x403CC710, 0x3C000020),
    "esp32s3": (0x3FC92000, 0x40374000, 0x3FCE3820, 0x403C9700, 0x3C000020),
}
_CODE = bytes(range(1, 129))


def strings(*texts: str) -> bytes:
    """Read-only data: NUL-terminated strings."""
    return b"".join(text.encode() + b"\0" for text in texts)


def app_image(
    chip: str = "esp32c3",
    *,
    version: str = "1",
    secure_version: int = 0,
    idf_ver: str = "v5.1.4",
    rodata: bytes = b"",
    min_chip_rev_full: int = 0,
    max_chip_rev_full: int = 0xFFFF,
    project_name: str = "somebody_s_app",
) -> Image:
    """A small application: description and `rodata` mapped, a little data and code loaded."""
    dram, iram, _, _, drom = _PLACES[chip]
    desc = AppDesc(
        version=version,
        project_name=project_name,
        secure_version=secure_version,
        idf_ver=idf_ver,
        date="Nov 20 2026",
        time="12:00:00",
        app_elf_sha256=bytes(range(32)),
    )
    return Image.build(
        chip_id=chip_by_name(chip).chip_id,
        entry_addr=iram + 4,
        segments=[(drom, desc.to_bytes() + rodata), (dram, bytes(64)), (iram, _CODE)],
        min_chip_rev_full=min_chip_rev_full,
        max_chip_rev_full=max_chip_rev_full,
    )


def bootloader_image(
    chip: str = "esp32c3",
    *,
    idf_ver: str = "v5.1.4",
    options: Sequence[str] = (),
    flash_size: str = "4MB",
) -> Image:
    """A bootloader that has nothing in it but its description and the strings of its options."""
    _, _, dram, iram, _ = _PLACES[chip]
    desc = BootloaderDesc(version=1, idf_ver=idf_ver, date_time="Nov 20 2026 12:00:00")
    return Image.build(
        chip_id=chip_by_name(chip).chip_id,
        entry_addr=iram,
        segments=[(dram, desc.to_bytes() + strings(*options)), (iram, _CODE)],
        flash_size=flash_size,
    )


@dataclass
class Bench:
    """One machine, its console, and hands for its flash; `efuse` is a file that holds other eFuses than delivered."""

    chip: str = "esp32c3"
    table: PartitionTable = field(default_factory=lambda: PartitionTable.from_csv(TWO_OTA_CSV))
    efuse: Path | None = None
    machine: Machine = field(init=False)
    _console: bytearray = field(init=False, default_factory=bytearray)

    def __post_init__(self) -> None:
        self.machine = Machine.assemble(self.chip, efuse=self.efuse, console=self._console.extend)

    def put(self, at: int, data: bytes) -> None:
        self.machine.flash.poke(at, data)

    def put_bootloader(self, image: Image) -> None:
        self.put(self.machine.chip.bootloader_offset, image.to_bytes())
        self.put(0x8000, self.table.to_bytes())

    def slot(self, label: str) -> Partition:
        partition = self.table.by_label(label)
        assert partition is not None, f"the table has no {label}"
        return partition

    def put_slot(self, label: str, data: bytes | Image) -> None:
        raw = data.to_bytes() if isinstance(data, Image) else data
        self.put(self.slot(label).offset, raw)

    @property
    def otadata(self) -> OtaData:
        partition = self.slot("otadata")
        return OtaData.parse(self.machine.flash.peek(partition.offset, partition.size))

    @otadata.setter
    def otadata(self, value: OtaData) -> None:
        self.put_slot("otadata", value.to_bytes())

    def boot(self, reason: ResetReason = ResetReason.POWERON) -> Running | ResetReason:
        """One life: the application that was booted, or how it ended."""
        self.machine.reset_reason = reason
        self.machine.clock.restart()
        try:
            return boot.run_to_app_main(self.machine)
        except Restart as restart:
            return restart.reason

    def booted(self, reason: ResetReason = ResetReason.POWERON) -> str:
        """The label of the partition that was booted."""
        running = self.boot(reason)
        assert isinstance(running, Running), f"ended with {running!r} after\n{self.console}"
        return running.partition.label

    @property
    def console(self) -> str:
        return self._console.decode()

    def read_console(self) -> str:
        """What was printed since the last reading."""
        text = self.console
        self._console.clear()
        return text

    def header(self, label: str) -> ImageHeader:
        return ImageHeader.parse(self.machine.flash.peek(self.slot(label).offset, ImageHeader.SIZE))
