"""Small images to test with, and the real ones of the reference data."""

from __future__ import annotations

from pathlib import Path

from bench.images import AppDesc, BootloaderDesc, Image, behaviour_field, chip_by_name
from tests.reference import reference

REAL_IMAGES = (
    "images/esp32-advanced_https_ota-v5.5-dev.bin",
    "images/esp32p4-simple_ota-v6.0-dev.bin",
    "images/esp32c3-user_app-v4.4.1.bin",
    "builds/hello_world_esp32/build/hello_world.bin",
    "builds/hello_world_esp32/build/bootloader/bootloader.bin",
    "builds/hello_world_esp32_flash_enc/build/hello_world.bin",
    "builds/hello_world_esp32_flash_enc/build/bootloader/bootloader.bin",
    "builds/hello_world_esp32c3/build/hello_world.bin",
    "builds/hello_world_esp32c3/build/bootloader/bootloader.bin",
)
REAL_APPS = tuple(name for name in REAL_IMAGES if "bootloader" not in name)

APP_DESC = AppDesc(
    version="1",
    project_name="advanced_https_ota",
    secure_version=3,
    time="12:34:56",
    date="Jan  2 2024",
    idf_ver="v5.3.1",
    app_elf_sha256=bytes(range(32)),
)

_DROM = {"esp32": 0x3F400020, "esp32s3": 0x3C000020, "esp32c3": 0x3C000020}
_IRAM = {"esp32": 0x40080400, "esp32s3": 0x40374000, "esp32c3": 0x40380000}


def real(name: str) -> bytes:
    """The bytes of one real image; skips where the reference data is absent."""
    return Path(reference(name)).read_bytes()


def small_app(chip: str = "esp32s3", *, hash_appended: bool = True) -> Image:
    """An application of a few hundred bytes with a behaviour field and its entry point in the second segment."""
    code = bytes(0x40 + n % 64 for n in range(60))
    return Image.build(
        chip_id=chip_by_name(chip).chip_id,
        entry_addr=_IRAM[chip] + 12,
        segments=[(_DROM[chip], APP_DESC.to_bytes() + behaviour_field() + b"rodata!!"), (_IRAM[chip], code)],
        min_chip_rev_full=1,
        max_chip_rev_full=399,
        hash_appended=hash_appended,
    )


def small_bootloader() -> Image:
    """A bootloader for the ESP32-C3 that describes itself."""
    desc = BootloaderDesc(version=1, idf_ver="v5.3.1", date_time="Jan  2 2024 12:34:56")
    return Image.build(
        chip_id=5, entry_addr=0x403CC710, segments=[(0x3FCD5820, desc.to_bytes()), (0x403CC710, b"code")]
    )
