"""Verification of an application image in flash, with all that it says on the way.

Source: components/bootloader_support/src/esp_image_format.c and bootloader_common_loader.c, the same code in the
bootloader (which loads) and in applications (which only verify: esp_ota_end, esp_ota_set_boot_partition).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bench.errors import FormatError
from bench.images import AppDesc, BootDefect, Defect, Image, ImageHeader, SegmentHeader
from bench.images.segment import Segment, segment_checksum
from bench.virtual.log import Log
from bench.virtual.machine import Machine
from bench.virtual.memory_map import MEMORY_MAPS, Range
from bench.virtual.release import Release
from bench.virtual.resets import ResetReason

__all__ = ["ImageVerifier", "Signatures"]

_TAG = "esp_image"
_COMMON = "boot_comm"
_MAX_SEGMENTS = 16
_SIXTEEN_MB = 0x1000000
_MMU_PAGE = 0x10000
_HASH = 32
_BYTES_PER_MS = 8192
"""As on real consoles: verifying takes about 0.1 s a megabyte."""


class _Refused(Exception):
    """The image is invalid; the reason has been said."""


class Signatures(Protocol):
    """What is verified of an image's signature, where that was compiled in."""

    def room(self, length: int) -> int:
        """Bytes that padding and signature take behind an image of this length."""

    def verify(self, offset: int, length: int) -> bool:
        """Is the image of that length at that offset of flash signed by a trusted key? Says what it does."""


@dataclass(frozen=True)
class ImageVerifier:
    """esp_image_verify and bootloader_load_image.

    Args:
        machine: flash, chip and reset reason
        log: where to say what is found
        release: of the program that verifies, for the words
        loads: the bootloader copies segments to RAM, applications do not
        bootloader_data: RAM that holds the bootloader's own data
        secure_version_allowed: is asked, at the end, whether an application of that secure version may run
        signatures: how the signature behind an image is verified; None: not at all
        defect: which promise the program that verifies breaks
    """

    machine: Machine
    log: Log
    release: Release
    loads: bool = False
    bootloader_data: tuple[Range, ...] = ()
    secure_version_allowed: Callable[[int], bool] | None = None
    signatures: Signatures | None = None
    defect: Defect | BootDefect | None = None

    def verify(self, offset: int, size: int, *, silent: bool = False) -> Image | None:
        """The image at `offset` of flash; None where it is invalid, with the reason said.

        Args:
            offset: of the partition in flash
            size: of the partition, bytes
            silent: say nothing (but, as ESP-IDF does, a wrong chip)
        """
        try:
            return self._verify(offset, size, silent)
        except _Refused:
            return None

    def _verify(self, offset: int, size: int, silent: bool) -> Image:
        if size > _SIXTEEN_MB:
            self._refuse(f"partition size 0x{size:x} invalid, larger than 16MB", silent)
        header = ImageHeader.parse(self._read(offset, ImageHeader.SIZE))
        self._check_header(offset, header, silent)
        segments: list[Segment] = []
        end = offset + ImageHeader.SIZE
        for index in range(header.segment_count):
            segments.append(self._segment(index, offset, end, silent))
            end += SegmentHeader.SIZE + len(segments[-1].data)
        checksum_at = (end - offset) | 0xF
        computed = segment_checksum(segments)
        stored = self._read(offset + checksum_at, 1)[0]
        if computed != stored and self.defect not in (Defect.SKIP_CHECKSUM, BootDefect.ANY_IMAGE):
            self._refuse(f"Checksum failed. Calculated 0x{computed:x} read 0x{stored:x}", silent)
        length = checksum_at + 1 + (_HASH if header.hash_appended else 0)
        full = length + (self.signatures.room(length) if self.signatures else 0)
        if full > size:
            self._refuse(f"Image length {full} doesn't fit in partition length {size}", silent)
        data = self._read(offset, length)
        intact = not header.hash_appended or hashlib.sha256(data[:-_HASH]).digest() == data[-_HASH:]
        if self.defect in (Defect.SKIP_HASH, BootDefect.SKIP_HASH, BootDefect.ANY_IMAGE):
            intact = True
        if self.signatures is not None:
            self._check_signature(self.signatures, offset, length, intact)
        elif not intact:
            self._fail("Image hash failed - image is corrupt")
        image = Image.parse(data, subject=f"image in flash at 0x{offset:x}")
        if self.loads and self.secure_version_allowed is not None:
            desc = image.app_desc
            if desc is None or not self.secure_version_allowed(desc.secure_version):
                raise _Refused
        return image

    # -- the parts

    def _check_signature(self, signatures: Signatures, offset: int, length: int, intact: bool) -> None:
        """verify_secure_boot_signature: said even when silent; the hash is only looked at where the signature fails."""
        self.log.info(_TAG, "Verifying image signature...")
        if signatures.verify(offset, length):
            return
        self.log.error(_TAG, "Secure boot signature verification failed")
        self.log.info(_TAG, "Calculating simple hash to check for corruption...")
        if intact or self.defect is Defect.DAMAGE_NOT_TOLD:
            self.log.warn(_TAG, "image valid, signature bad")
        else:
            self.log.error(_TAG, "Image hash failed - image is corrupt")
            self.log.warn(_TAG, "image corrupted on flash")
        raise _Refused

    def _check_header(self, offset: int, header: ImageHeader, silent: bool) -> None:
        if header.magic != ImageHeader.MAGIC:
            self._refuse(f"image at 0x{offset:x} has invalid magic byte (nothing flashed here?)", silent)
        self._check_chip(header, application=True)
        if header.segment_count > _MAX_SEGMENTS:
            message = f"image at 0x{offset:x} segment count {header.segment_count} exceeds max {_MAX_SEGMENTS}"
            self._refuse(message, silent)

    def chip_fits(self, header: ImageHeader) -> bool:
        """bootloader_check_bootloader_validity: is a bootloader with this header for this chip and revision?"""
        try:
            self._check_chip(header, application=False)
        except _Refused:
            return False
        return True

    def _check_chip(self, header: ImageHeader, *, application: bool) -> None:
        """bootloader_common_check_chip_validity: said even when silent."""
        chip = self.machine.chip
        if header.chip_id != chip.chip_id and self.defect is not Defect.TRUST_ANY_CHIP:
            self._fail(f"mismatch chip ID, expected {chip.chip_id}, found {header.chip_id}", tag=_COMMON)
        blocks = self.machine.efuse.blocks
        revision = blocks.chip_revision
        refused = False
        if revision < header.min_chip_rev_full and self.defect is not Defect.TRUST_LATER_REVISION:
            self._say_revision(">=", header.min_chip_rev_full, revision)
            refused = True
        limit = header.max_chip_rev_full if self.defect is not Defect.TRUST_EARLIER_REVISION else 0
        ignored = chip.name != "esp32" and blocks.get("DISABLE_WAFER_VERSION_MAJOR")
        if self.defect is Defect.ANY_REVISION_REFUSED and limit == 65535:
            limit = 1
        if application and limit not in (0, 65535) and revision > limit and not ignored:
            self._say_revision("<=", limit, revision)
            refused = True
        if refused:
            raise _Refused

    def _say_revision(self, relation: str, wanted: int, found: int) -> None:
        want, have = f"v{wanted // 100}.{wanted % 100}", f"v{found // 100}.{found % 100}"
        if self.log.has("chip revision check failed.") or (self.log.bare and self.release.at_least(5, 5)):
            message = f"chip revision check failed. Required {relation} {want}, found {have}."
        else:
            message = f"Image requires chip rev {relation} {want}, but chip is {have}"
        self.log.error(_COMMON, message, default=True)

    def _segment(self, index: int, image_at: int, at: int, silent: bool) -> Segment:
        header = SegmentHeader.parse(self._read(at, SegmentHeader.SIZE))
        address, length, data_at = header.load_addr, header.data_len, at + SegmentHeader.SIZE
        where = MEMORY_MAPS[self.machine.chip.name]
        if length & 3 or length >= _SIXTEEN_MB:
            self._refuse(f"invalid segment length 0x{length:x}", silent)
        mapped = where.is_mapped(address)
        if mapped and data_at % _MMU_PAGE != address % _MMU_PAGE:
            message = f"Segment {index} load address 0x{address:08x}, doesn't match data 0x{data_at:08x}"
            self._refuse(message, silent)
        deep_sleep = self.machine.reset_reason is ResetReason.DEEPSLEEP
        load = self.loads and where.is_loaded(address, deep_sleep=deep_sleep)
        if not silent:
            doing = "load" if load else "map" if mapped else ""
            place = f"paddr={data_at:08x} vaddr={address:08x} size={length:05x}h ({length:6d}) {doing}"
            self.log.info(_TAG, f"segment {index}: {place}", default=True)
        if load and (reason := where.refusal(address, address + length, self.bootloader_data)):
            self._fail(f"Segment {index} 0x{address:08x}-0x{address + length:08x} invalid: {reason}")
        data = self._read(data_at, length)
        self.machine.clock.sleep(length / _BYTES_PER_MS)
        if index == 0:
            self._check_block_revision(data)
        return Segment(address, data, at - image_at)

    def _check_block_revision(self, data: bytes) -> None:
        """bootloader_common_check_efuse_blk_validity, from ESP-IDF v5.4 on."""
        if self.release.before(5, 4) or self.machine.chip.name == "esp32":
            return
        try:
            desc = AppDesc.parse(data)
        except FormatError:
            return
        blocks = self.machine.efuse.blocks
        revision = blocks.block_version
        for relation, limit, bad in (
            (">=", desc.min_efuse_blk_rev_full, revision < desc.min_efuse_blk_rev_full),
            ("<=", desc.max_efuse_blk_rev_full, revision > desc.max_efuse_blk_rev_full),
        ):
            if limit in (0, 65535) or not bad or (relation == "<=" and blocks.get("DISABLE_BLK_VERSION_MAJOR")):
                continue
            want, have = f"v{limit // 100}.{limit % 100}", f"v{revision // 100}.{revision % 100}"
            self._fail(f"Image requires efuse blk rev {relation} {want}, but chip is {have}", tag=_COMMON)

    def _read(self, at: int, length: int) -> bytes:
        """Flash content; beyond the chip there is nothing, which reads as erased."""
        flash = self.machine.flash
        inside = max(0, min(length, flash.size - at))
        found = flash.read(at, inside) if inside else b""
        return found.ljust(length, b"\xff")

    def _refuse(self, message: str, silent: bool) -> None:
        """FAIL_LOAD."""
        if not silent:
            self.log.error(_TAG, message, default=True)
        raise _Refused

    def _fail(self, message: str, tag: str = _TAG) -> None:
        self.log.error(tag, message, default=True)
        raise _Refused
