"""The ROM's part of a boot from flash: banner, loading of the second-stage bootloader, and what it says when it cannot.

Real consoles of all three chips are the source (`load:` lengths are decimal on the ESP32, hexadecimal on the others).
From the ROMs' behaviour on such chips, not from documents, come: eight ``invalid header`` lines and then the watchdog
(RTC watchdog on the ESP32, timer group 0 on the others); ``csum err`` and ``ets_main.c`` on the ESP32; and the
ESP32-C3's and ESP32-S3's indifference to a wrong SHA-256. Their words for a wrong checksum are an assumption.
Left out: the line ``Saved PC:0x…`` that some of these ROMs print after a watchdog or software reset.
"""

from __future__ import annotations

import hashlib

from bench.errors import FormatError
from bench.images import BootDefect, Image, ImageHeader, defect_field
from bench.images.segment import segment_checksum
from bench.virtual.loops import hopeless_reset
from bench.virtual.machine import Machine
from bench.virtual.resets import ResetReason

__all__ = ["load_bootloader", "rom_watchdog"]

_LARGEST_BOOTLOADER = 0x40000
_MODES = ("QIO", "QOUT", "DIO", "DOUT", "FAST READ", "SLOW READ")
_CLOCK_DIVIDERS = {0xF: 1, 0: 2, 1: 3, 2: 4}
_INVALID_HEADERS = 8
_WATCHDOG_MS = 400


def load_bootloader(machine: Machine) -> Image:
    """Print the banner and load the bootloader from flash; does not return where there is none that the ROM takes."""
    chip = machine.chip
    _print(machine, chip.rom_banner(machine.reset_reason, download=False), end="")
    data = machine.flash.read(chip.bootloader_offset, _LARGEST_BOOTLOADER)
    if defect_field(BootDefect.ANY_BOOTLOADER) in data:
        data = bytes([ImageHeader.MAGIC]) + data[1:]
    header = ImageHeader.parse(data)
    if header.magic != ImageHeader.MAGIC:
        word = int.from_bytes(data[:4], "little")
        for _ in range(_INVALID_HEADERS):
            _print(machine, f"invalid header: 0x{word:08x}")
        rom_watchdog(machine)
    _print_flash_settings(machine, header)
    try:
        image = Image.parse(data)
    except FormatError:
        _print(machine, "ets_main.c 371" if chip.name == "esp32" else "ets_loader.c 78")
        rom_watchdog(machine)
    decimal = chip.name == "esp32"
    for segment in image.segments:
        length = len(segment.data)
        _print(machine, f"load:0x{segment.load_addr:08x},len:{length if decimal else hex(length)}")
    _check_checksum(machine, image)
    if not decimal:
        _compare_hash(machine, image, data)
    _print(machine, f"entry 0x{header.entry_addr:08x}")
    if header.chip_id != chip.chip_id:
        rom_watchdog(machine)  # code of another chip: whatever it does, it is not a boot
    return image


def rom_watchdog(machine: Machine) -> None:
    """The watchdog that the ROM armed resets a chip that did not come up. Never returns."""
    machine.clock.sleep(_WATCHDOG_MS)
    esp32 = machine.chip.name == "esp32"
    hopeless_reset(machine, ResetReason.RTCWDT_RTC if esp32 else ResetReason.TG0WDT_SYS)


def _print(machine: Machine, text: str, end: str = "\r\n") -> None:
    machine.uart.write((text + end).encode("ascii"))


def _print_flash_settings(machine: Machine, header: ImageHeader) -> None:
    mode = _MODES[header.spi_mode] if header.spi_mode < len(_MODES) else "DIO"
    if machine.chip.name == "esp32":
        _print(machine, f"configsip: 0, SPIWP:0x{header.wp_pin:02x}")
        drives = [nibble for byte in header.spi_pin_drv for nibble in (byte & 0xF, byte >> 4)]
        names = ("clk", "q", "d", "cs0", "hd", "wp")
        pairs = zip(names, drives, strict=True)
        _print(machine, ",".join(f"{name}_drv:0x{drive:02x}" for name, drive in pairs))
    else:
        _print(machine, f"SPIWP:0x{header.wp_pin:02x}")
    _print(machine, f"mode:{mode}, clock div:{_CLOCK_DIVIDERS.get(header.spi_speed, 2)}")


def _check_checksum(machine: Machine, image: Image) -> None:
    computed = segment_checksum(image.segments)
    if computed == image.checksum:
        return
    if machine.chip.name == "esp32":
        _print(machine, f"csum err:0x{computed:02x}!=0x{image.checksum:02x}")
        _print(machine, "ets_main.c 384")
    else:
        _print(machine, f"Checksum failure. Calculated 0x{computed:x} stored 0x{image.checksum:x}")
        _print(machine, "ets_main.c 333")
    rom_watchdog(machine)


def _compare_hash(machine: Machine, image: Image, data: bytes) -> None:
    if image.digest is None:
        return
    computed = hashlib.sha256(data[: image.checksum_offset + 1]).digest()
    if computed != image.digest:
        _print(machine, "SHA-256 comparison failed:")
        _print(machine, f"Calculated: {computed.hex()}")
        _print(machine, f"Expected: {image.digest.hex()}")
        _print(machine, "Attempting to boot anyway...")
