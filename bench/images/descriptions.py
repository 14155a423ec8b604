"""What an image says about itself: `esp_app_desc_t` and `esp_bootloader_desc_t`.

Sources: components/esp_app_format/include/esp_app_desc.h (in v4.4: bootloader_support's esp_app_format.h, without
the eFuse block and MMU fields, which were reserved zeros there) and, since ESP-IDF v5.2,
components/esp_bootloader_format/include/esp_bootloader_desc.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from bench.errors import FormatError

__all__ = ["AppDesc", "BootloaderDesc", "pack_text"]


def pack_text(text: str, size: int, field: str) -> bytes:
    """`text` as a NUL-padded C array of `size` bytes.

    Raises:
        FormatError: it is longer than the array, or has a NUL in it, or bytes of a command line that are no UTF-8
    """
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise FormatError(field, 0, repr(text), "text in UTF-8") from None
    if len(data) > size or b"\0" in data:
        raise FormatError(field, 0, f"{text!r} ({len(data)} bytes)", f"at most {size} bytes and no NUL")
    return data.ljust(size, b"\0")


def _text(field: bytes) -> str:
    # Firmware may hold anything here; a version that is no UTF-8 is shown escaped rather than refused.
    return field.partition(b"\0")[0].decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class AppDesc:
    """`esp_app_desc_t`, 256 bytes, at the start of the first segment of an application image.

    Text is read up to its first NUL. `mmu_page_size` is a power of two's exponent, 0 for "the chip's own".
    """

    SIZE: ClassVar[int] = 256
    MAGIC: ClassVar[int] = 0xABCD5432
    _LAYOUT: ClassVar[struct.Struct] = struct.Struct("<II8s32s32s16s16s32s32sHHB3s72s")
    SECURE_VERSION_AT: ClassVar[int] = 4
    VERSION_AT: ClassVar[int] = 16
    PROJECT_NAME_AT: ClassVar[int] = 48
    IDF_VER_AT: ClassVar[int] = 112

    version: str
    project_name: str
    secure_version: int = 0
    time: str = ""
    date: str = ""
    idf_ver: str = ""
    app_elf_sha256: bytes = bytes(32)
    min_efuse_blk_rev_full: int = 0
    max_efuse_blk_rev_full: int = 0
    mmu_page_size: int = 0
    reserv1: bytes = bytes(8)
    reserv3: bytes = bytes(3)
    reserv2: bytes = bytes(72)

    @classmethod
    def parse(cls, data: bytes, *, subject: str = "esp_app_desc_t") -> AppDesc:
        """Read the first 256 bytes of `data`.

        Raises:
            FormatError: too short, or the magic word is not 0xABCD5432
        """
        if len(data) < cls.SIZE:
            raise FormatError(subject, len(data), f"the end after {len(data)} bytes", f"{cls.SIZE} bytes")
        (magic, secure, reserv1, version, project, time, date, idf_ver, elf, blk_min, blk_max, mmu, reserv3,
         reserv2) = cls._LAYOUT.unpack_from(data)  # fmt: skip
        if magic != cls.MAGIC:
            raise FormatError(subject, 0, f"magic word 0x{magic:08x}", f"0x{cls.MAGIC:08x}")
        return cls(
            version=_text(version),
            project_name=_text(project),
            secure_version=secure,
            time=_text(time),
            date=_text(date),
            idf_ver=_text(idf_ver),
            app_elf_sha256=elf,
            min_efuse_blk_rev_full=blk_min,
            max_efuse_blk_rev_full=blk_max,
            mmu_page_size=mmu,
            reserv1=reserv1,
            reserv3=reserv3,
            reserv2=reserv2,
        )

    def to_bytes(self) -> bytes:
        """The 256 bytes, text NUL-padded.

        Raises:
            FormatError: a text or number that does not fit its field
        """
        try:
            return self._LAYOUT.pack(
                self.MAGIC,
                self.secure_version,
                self.reserv1,
                pack_text(self.version, 32, "esp_app_desc_t.version"),
                pack_text(self.project_name, 32, "esp_app_desc_t.project_name"),
                pack_text(self.time, 16, "esp_app_desc_t.time"),
                pack_text(self.date, 16, "esp_app_desc_t.date"),
                pack_text(self.idf_ver, 32, "esp_app_desc_t.idf_ver"),
                self.app_elf_sha256,
                self.min_efuse_blk_rev_full,
                self.max_efuse_blk_rev_full,
                self.mmu_page_size,
                self.reserv3,
                self.reserv2,
            )
        except struct.error as error:
            raise FormatError("esp_app_desc_t", 0, f"{self}", f"numbers that fit their fields ({error})") from None

    @property
    def compile_time(self) -> str:
        """Date and time of compilation as the build wrote them, e.g. ``"Jun  8 2023 12:51:54"``; may be empty."""
        return f"{self.date} {self.time}".strip()


@dataclass(frozen=True)
class BootloaderDesc:
    """`esp_bootloader_desc_t`, 80 bytes, at the start of the first segment of a bootloader since ESP-IDF v5.2."""

    SIZE: ClassVar[int] = 80
    MAGIC: ClassVar[int] = 80
    _LAYOUT: ClassVar[struct.Struct] = struct.Struct("<B2sBI32s24s16s")

    version: int
    idf_ver: str
    date_time: str = ""
    secure_version: int = 0
    reserved: bytes = bytes(2)
    reserved2: bytes = bytes(16)

    @classmethod
    def parse(cls, data: bytes, *, subject: str = "esp_bootloader_desc_t") -> BootloaderDesc:
        """Read the first 80 bytes of `data`.

        The magic is one byte only, so the ESP-IDF version must also look like one: printable and NUL-terminated.

        Raises:
            FormatError: too short, another magic byte, or no ESP-IDF version where it should stand
        """
        if len(data) < cls.SIZE:
            raise FormatError(subject, len(data), f"the end after {len(data)} bytes", f"{cls.SIZE} bytes")
        magic, reserved, secure, version, idf_ver, date_time, reserved2 = cls._LAYOUT.unpack_from(data)
        if magic != cls.MAGIC:
            raise FormatError(subject, 0, f"magic byte {magic}", f"{cls.MAGIC}")
        text, _, rest = idf_ver.partition(b"\0")
        if not text or rest.strip(b"\0") or not all(0x20 <= byte < 0x7F for byte in text):
            raise FormatError(subject, 8, f"{idf_ver!r}", "an ESP-IDF version, NUL-terminated")
        return cls(
            version=version,
            idf_ver=_text(idf_ver),
            date_time=_text(date_time),
            secure_version=secure,
            reserved=reserved,
            reserved2=reserved2,
        )

    def to_bytes(self) -> bytes:
        """The 80 bytes, text NUL-padded.

        Raises:
            FormatError: a text or number that does not fit its field
        """
        try:
            return self._LAYOUT.pack(
                self.MAGIC,
                self.reserved,
                self.secure_version,
                self.version,
                pack_text(self.idf_ver, 32, "esp_bootloader_desc_t.idf_ver"),
                pack_text(self.date_time, 24, "esp_bootloader_desc_t.date_time"),
                self.reserved2,
            )
        except struct.error as error:
            raise FormatError(
                "esp_bootloader_desc_t", 0, f"{self}", f"numbers that fit their fields ({error})"
            ) from None
