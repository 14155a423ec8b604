"""One ESP-IDF image, application or bootloader, as an immutable value: parse, compose, derive, seal, check.

Layout (components/bootloader_support/src/esp_image_format.c): a 24-byte header, up to 16 segments (8-byte header
and data, a multiple of 4), zeros up to the last byte of a 16-byte block, which is the checksum, then where the
header says so the SHA-256 of everything before it, then whatever was put behind (a signature, erased flash).

`Image.parse` judges the structure only, so that an image with a broken checksum can be looked at and published;
`Image.check` lists what a bootloader would find broken in it. Every `with_…` and `crashing_at_boot` returns a sealed
image. Lengths never change, `app_elf_sha256` is left alone and so are trailing bytes: a signature in them is stale.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from bench.errors import FormatError
from bench.images.behaviour import behaviour_field, locate
from bench.images.chips import chip_by_id
from bench.images.descriptions import AppDesc, BootloaderDesc, pack_text
from bench.images.header import FLASH_SIZES, MAX_SEGMENTS, ImageHeader, SegmentHeader
from bench.images.segment import Segment, segment_checksum

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Image", "Problem"]

_SUBJECT = "ESP-IDF image"
_ENCRYPTED_MAGIC = bytes.fromhex("cfb68807")


@dataclass(frozen=True)
class Problem:
    """Something a bootloader would refuse in a well-formed image: its name, where, what stands there and should."""

    name: str
    offset: int
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.name} at offset 0x{self.offset:x}: found {self.found}; expected {self.expected}"


@dataclass(frozen=True)
class Image:
    """An image's parts, in their order in the file; `to_bytes` is their plain concatenation.

    Attributes:
        padding: between the last segment and the checksum, 0 to 15 bytes, normally zero
        checksum: as stored; `check` compares it
        digest: the appended SHA-256 as stored, or None where the header says there is none
        trailing: everything behind
    """

    MAX_SEGMENTS: ClassVar[int] = MAX_SEGMENTS

    header: ImageHeader
    segments: tuple[Segment, ...]
    padding: bytes
    checksum: int
    digest: bytes | None
    trailing: bytes = b""

    # -- reading and writing ---------------------------------------------------------------------------------

    @classmethod
    def parse(cls, data: bytes, *, subject: str = _SUBJECT) -> Image:
        """Take an image apart; `parse(data).to_bytes() == data` for whatever it accepts.

        Raises:
            FormatError: wrong magic, more than 16 segments, a segment length that is no multiple of 4 or 16 MiB and
                more, or an end before checksum or hash; with the offset and what was found
        """
        data = bytes(data)
        header = ImageHeader.parse(data, subject=subject)
        if header.magic != ImageHeader.MAGIC:
            raise FormatError(subject, 0, _first_bytes(data), f"the image magic 0x{ImageHeader.MAGIC:02x}")
        if header.segment_count > MAX_SEGMENTS:
            raise FormatError(subject, 1, f"{header.segment_count} segments", f"at most {MAX_SEGMENTS}")
        segments: list[Segment] = []
        end = ImageHeader.SIZE
        for index in range(header.segment_count):
            segment = Segment.parse(data, end, number=index, subject=subject)
            segments.append(segment)
            end = segment.end
        checksum_at = end | 0xF
        if checksum_at >= len(data):
            raise FormatError(subject, len(data), "the end of the data", f"the checksum byte at 0x{checksum_at:x}")
        behind = checksum_at + 1
        digest = data[behind : behind + 32] if header.hash_appended else None
        if digest is not None and len(digest) < 32:
            raise FormatError(subject, len(data), f"{len(digest)} bytes of the SHA-256", "32 bytes behind the checksum")
        return cls(
            header=header,
            segments=tuple(segments),
            padding=data[end:checksum_at],
            checksum=data[checksum_at],
            digest=digest,
            trailing=data[behind + len(digest or b"") :],
        )

    @classmethod
    def build(
        cls,
        *,
        chip_id: int,
        entry_addr: int,
        segments: Iterable[Segment | tuple[int, bytes]],
        flash_size: str = "4MB",
        min_chip_rev_full: int = 0,
        max_chip_rev_full: int = 0xFFFF,
        hash_appended: bool = True,
        mmu_page_size: int | None = None,
    ) -> Image:
        """Compose and seal an image; segment data is zero-padded to a multiple of 4.

        Args:
            segments: in the order of the file; ``(load address, data)`` will do, offsets are worked out here
            mmu_page_size: in bytes; where given, padding segments (load address 0) are put in front of each segment
                that is mapped from flash, so that its offset and address agree modulo this, as the MMU demands

        Raises:
            FormatError: too many segments, one too long, or a number that its field cannot hold
        """
        chip = chip_by_id(chip_id)
        placed: list[Segment] = []
        end = ImageHeader.SIZE
        for given in segments:
            load_addr, data = (given.load_addr, given.data) if isinstance(given, Segment) else given
            data += bytes(-len(data) % 4)
            if mmu_page_size is not None and chip is not None and chip.is_mapped(load_addr):
                placed += _padding_before(load_addr, end, mmu_page_size)
                end = placed[-1].end if placed else end
            placed.append(Segment(load_addr, data, end))
            end = placed[-1].end
        if len(placed) > MAX_SEGMENTS:
            raise FormatError(_SUBJECT, 1, f"{len(placed)} segments", f"at most {MAX_SEGMENTS}")
        header = ImageHeader(
            segment_count=len(placed),
            entry_addr=entry_addr,
            chip_id=chip_id,
            spi_speed=next(iter(chip.frequencies)) if chip else 0xF,
            spi_size=_flash_size_code(flash_size),
            min_chip_rev_full=min_chip_rev_full,
            max_chip_rev_full=max_chip_rev_full,
            hash_appended=int(hash_appended),
        )
        return cls(header, tuple(placed), bytes(end ^ (end | 0xF)), 0, None).seal()

    def to_bytes(self) -> bytes:
        """The whole file."""
        return self._sealed_part() + (self.digest or b"") + self.trailing

    def _sealed_part(self) -> bytes:
        parts = [self.header.to_bytes()]
        for segment in self.segments:
            parts += [SegmentHeader(segment.load_addr, len(segment.data)).to_bytes(), segment.data]
        return b"".join([*parts, self.padding, bytes([self.checksum])])

    # -- what it says about itself ---------------------------------------------------------------------------

    @cached_property
    def app_desc(self) -> AppDesc | None:
        """The application description at the start of the first segment; None where its magic is not there."""
        return _app_desc(self.segments)

    @cached_property
    def bootloader_desc(self) -> BootloaderDesc | None:
        """The bootloader description at the start of the first segment; None in applications and before v5.2."""
        return _bootloader_desc(self.segments)

    @property
    def checksum_offset(self) -> int:
        """Offset of the checksum byte; the appended SHA-256 stands at the next."""
        return (self.segments[-1].end if self.segments else ImageHeader.SIZE) + len(self.padding)

    @property
    def length(self) -> int:
        """Bytes up to and with the SHA-256, without what trails behind: the bootloader's `image_len`."""
        return self.checksum_offset + 1 + len(self.digest or b"")

    def segment_at(self, address: int) -> Segment | None:
        """The segment that is loaded or mapped where `address` points to."""
        for segment in self.segments:
            if segment.load_addr and segment.load_addr <= address < segment.load_addr + len(segment.data):
                return segment
        return None

    # -- sealing ---------------------------------------------------------------------------------------------

    def seal(self) -> Image:
        """The same image with checksum and (where the header says so) SHA-256 recomputed."""
        summed = replace(self, checksum=segment_checksum(self.segments), digest=None)
        if not self.header.hash_appended:
            return summed
        return replace(summed, digest=hashlib.sha256(summed._sealed_part()).digest())

    def check(self) -> tuple[Problem, ...]:
        """What a bootloader would find broken: ``"checksum"``, ``"sha256"``; empty for a sealed image."""
        problems = []
        computed = segment_checksum(self.segments)
        if computed != self.checksum:
            problems.append(
                Problem("checksum", self.checksum_offset, f"0x{self.checksum:02x}", f"0x{computed:02x} (computed)")
            )
        if self.digest is not None:
            digest = hashlib.sha256(self._sealed_part()).digest()
            if digest != self.digest:
                problems.append(
                    Problem("sha256", self.checksum_offset + 1, self.digest.hex(), f"{digest.hex()} (computed)")
                )
        return tuple(problems)

    # -- deriving: each returns a new, sealed image ----------------------------------------------------------

    def with_version(self, version: str) -> Image:
        """Another application version, at most 31 bytes."""
        return self._with_app_text(AppDesc.VERSION_AT, version, "version")

    def with_project_name(self, project_name: str) -> Image:
        """Another project name, at most 31 bytes."""
        return self._with_app_text(AppDesc.PROJECT_NAME_AT, project_name, "project_name")

    def with_idf_ver(self, idf_ver: str) -> Image:
        """Another ESP-IDF version, at most 31 bytes."""
        return self._with_app_text(AppDesc.IDF_VER_AT, idf_ver, "idf_ver")

    def with_secure_version(self, secure_version: int) -> Image:
        """Another secure version, unsigned 32 bits."""
        if not 0 <= secure_version < 1 << 32:
            raise FormatError("esp_app_desc_t.secure_version", 0, str(secure_version), "an unsigned 32-bit number")
        return self._with_app_bytes(AppDesc.SECURE_VERSION_AT, secure_version.to_bytes(4, "little"))

    def with_chip_id(self, chip_id: int) -> Image:
        """For another chip, as far as the header says so; code and addresses stay."""
        return replace(self, header=replace(self.header, chip_id=chip_id)).seal()

    def with_min_chip_rev_full(self, revision: int) -> Image:
        """Minimal chip revision, major * 100 + minor; the legacy `min_chip_rev` stays."""
        return replace(self, header=replace(self.header, min_chip_rev_full=revision)).seal()

    def with_max_chip_rev_full(self, revision: int) -> Image:
        """Maximal chip revision, major * 100 + minor."""
        return replace(self, header=replace(self.header, max_chip_rev_full=revision)).seal()

    def with_flash_size(self, flash_size: str) -> Image:
        """Another flash size in the header, e.g. ``"8MB"``."""
        return replace(self, header=replace(self.header, spi_size=_flash_size_code(flash_size))).seal()

    def crashing_at_boot(self) -> Image:
        """A valid image whose application dies at its first instruction, on any board.

        The instruction at the entry point becomes an illegal one.

        Raises:
            FormatError: the chip is unknown, or no segment holds the entry point
        """
        chip = self.header.chip
        if chip is None:
            raise FormatError(_SUBJECT, 12, f"chip id {self.header.chip_id}", "a chip whose instructions are known")
        entry = self.header.entry_addr
        segment = self.segment_at(entry)
        if segment is None:
            raise FormatError(_SUBJECT, 4, f"entry point 0x{entry:08x}", "an address inside a segment")
        illegal = chip.arch.illegal_instruction
        return self.with_patch(self.segments.index(segment), entry - segment.load_addr, illegal)

    def with_behaviour(self, value: str) -> Image:
        """Virtual firmware told to behave as `value` says (see `bench.images.behaviour.Behaviour`).

        Raises:
            FormatError: `value` is no behaviour, or this image was not written by the bench
        """
        field = behaviour_field(value)
        place = locate(self)
        if place is None:
            raise FormatError(_SUBJECT, 0, "no behaviour field", "virtual firmware, as `bench build-virtual` writes it")
        return self.with_patch(*place, field)

    def with_patch(self, segment: int, at: int, data: bytes) -> Image:
        """`data` written over what stands at offset `at` of the data of segment number `segment`.

        Raises:
            FormatError: it would reach outside that segment
        """
        old = self.segments[segment]
        if not 0 <= at <= len(old.data) - len(data):
            raise FormatError(
                _SUBJECT,
                old.data_offset + at,
                f"segment {segment} of {len(old.data)} bytes",
                f"room for {len(data)} bytes at 0x{at:x} of it",
            )
        new = replace(old, data=old.data[:at] + data + old.data[at + len(data) :])
        return replace(self, segments=(*self.segments[:segment], new, *self.segments[segment + 1 :])).seal()

    def _with_app_text(self, at: int, text: str, field: str) -> Image:
        # The C side reads these as strings, so ESP-IDF's build keeps one byte for the NUL; so do we.
        return self._with_app_bytes(at, pack_text(text, 31, f"esp_app_desc_t.{field}") + b"\0")

    def _with_app_bytes(self, at: int, data: bytes) -> Image:
        if self.app_desc is None:
            raise FormatError(_SUBJECT, 32, "no esp_app_desc_t", f"an application (magic 0x{AppDesc.MAGIC:08x})")
        return self.with_patch(0, at, data)


def _padding_before(load_addr: int, end: int, page: int) -> list[Segment]:
    """What has to stand at `end` so that a segment behind it lies in the file as it lies in its page."""
    gap = (load_addr - end - SegmentHeader.SIZE) % page
    if load_addr % 4:
        raise FormatError(_SUBJECT, end, f"load address 0x{load_addr:08x}", "a multiple of 4 for a mapped segment")
    return [Segment(0, bytes((gap - SegmentHeader.SIZE) % page), end)] if gap else []


def _app_desc(segments: tuple[Segment, ...]) -> AppDesc | None:
    try:
        return AppDesc.parse(segments[0].data) if segments else None
    except FormatError:
        return None


def _bootloader_desc(segments: tuple[Segment, ...]) -> BootloaderDesc | None:
    try:
        return BootloaderDesc.parse(segments[0].data) if segments else None
    except FormatError:
        return None


def _flash_size_code(flash_size: str) -> int:
    if flash_size not in FLASH_SIZES:
        raise FormatError("flash size", 0, repr(flash_size), "one of " + ", ".join(FLASH_SIZES))
    return FLASH_SIZES.index(flash_size)


def _first_bytes(data: bytes) -> str:
    if data.startswith(_ENCRYPTED_MAGIC):
        return "the magic of a pre-encrypted image (esp_encrypted_img)"
    if not data[: ImageHeader.SIZE].strip(b"\xff"):
        return "erased flash (0xff)"
    return f"0x{data[0]:02x}"
