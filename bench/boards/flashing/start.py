"""What a board's flash shall hold when a scenario begins: a build's files, and the state that firmware changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from types import MappingProxyType

from bench.builds import Build, FlashFile
from bench.errors import BuildError, UnsafeOperation
from bench.flash import Partition

__all__ = ["ANY", "BLANK", "SECTOR", "Content", "Region", "Start", "digest_of", "regions_of", "start_of"]

SECTOR = 4096
"""Bytes that flash is erased in, at least."""

_TABLE_SIZE = 0x1000


class Content(Enum):
    """What a region shall hold where that is no matter of bytes."""

    BLANK = "blank"
    """0xFF throughout, as erased."""
    ANY = "any"
    """Whatever it holds: it is neither read nor written."""


BLANK, ANY = Content.BLANK, Content.ANY

Wanted = bytes | Content


@dataclass(frozen=True)
class Start:
    """The state of a board before its first boot. Where nothing is said of a partition, the build's file for it counts.

    Args:
        slots: application partitions by label; the one that the build is flashed to is always the build's application,
            the other OTA slots are blank where nothing is said of them and the build has no file
        otadata: None: the build's own file for it, and blank where it has none
        nvs: None: the build's own file for it, and nobody's business where it has none: on a real board Wi-Fi
            credentials may be in it
        emul_efuse: the emulated eFuses (CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH); None: as otadata
    """

    slots: Mapping[str, Wanted] = field(default_factory=lambda: MappingProxyType({}))
    otadata: Wanted | None = None
    nvs: Wanted | None = None
    emul_efuse: Wanted | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the flash that shall hold something.

    Args:
        name: the partition's label, or bootloader, or partition-table
        offset: bytes from the start of flash, a multiple of `SECTOR`
        size: bytes
        data: what it shall hold; None: blank
        encrypted: a board with flash encryption is to encrypt it when it is written
    """

    name: str
    offset: int
    size: int
    data: bytes | None = field(repr=False)
    encrypted: bool = False

    @property
    def end(self) -> int:
        """The offset behind its last byte."""
        return self.offset + self.size

    def content(self, offset: int, size: int) -> bytes:
        """The bytes that shall stand at an offset in flash."""
        at = offset - self.offset
        return b"\xff" * size if self.data is None else self.data[at : at + size]


def start_of(build: Build) -> Start:
    """The start of a scenario where nothing else is said.

    NVS holds nothing but the build's file for it where firmware keeps the state of an unfinished download there
    (CONFIG_EXAMPLE_ENABLE_OTA_RESUMPTION): it would go on with the download of the last scenario.
    """
    nvs = build.partition_table.by_label("nvs")
    if nvs is None or not build.enabled("EXAMPLE_ENABLE_OTA_RESUMPTION"):
        return Start()
    held = bytearray(b"\xff" * nvs.size)
    for file in _files_in(build, nvs):
        at, data = file.offset - nvs.offset, file.path.read_bytes()
        held[at : at + len(data)] = data
    return Start(nvs=bytes(held) if held.strip(b"\xff") else BLANK)


def regions_of(build: Build, start: Start) -> tuple[Region, ...]:
    """What the flash shall hold, in the order of offsets; everything else stays as it is.

    Raises:
        BuildError: the start names a partition that there is not, or says more than fits
        UnsafeOperation: a file of the build reaches out of its partition, and writing it would erase more
    """
    places = tuple(_places(build))
    regions = {region.offset: region for region in _of_files(build, places)}
    for partition, wanted in _stated(build, start):
        for file in _files_in(build, partition):
            regions.pop(file.offset, None)
        if wanted is BLANK:
            regions[partition.offset] = Region(partition.label, partition.offset, partition.size, None)
        elif isinstance(wanted, bytes):
            data = _padded(wanted)
            if len(data) > partition.size:
                raise BuildError(
                    f"{build.path}: {len(data)} bytes do not fit into {partition.label} ({partition.size})"
                )
            regions[partition.offset] = Region(partition.label, partition.offset, len(data), data)
    return tuple(regions[offset] for offset in sorted(regions))


def digest_of(regions: Iterable[Region]) -> str:
    """SHA-256 of where what shall stand in flash, in hex: the same for builds that write the same."""
    digest = sha256()
    for region in regions:
        digest.update(f"{region.offset} {region.size} {region.encrypted} {region.data is None};".encode())
        digest.update(b"" if region.data is None else region.data)
    return digest.hexdigest()


def _stated(build: Build, start: Start) -> Iterator[tuple[Partition, Wanted]]:
    """What the start says of partitions, and what holds of those that neither it nor a file of the build decides."""
    table = build.partition_table
    for label in start.slots:
        named = table.by_label(label)
        if named is None or not named.is_app:
            raise BuildError(f"{build.path}: its partition table has no application partition {label!r}")
    apps = (partition for partition in table.partitions if partition.is_app)
    said: list[tuple[Partition | None, Wanted | None, Content]] = [
        *((app, start.slots.get(app.label), BLANK if app in table.ota_slots else ANY) for app in apps),
        (table.otadata, start.otadata, BLANK),
        (table.by_label("nvs"), start.nvs, ANY),
        (table.emul_efuse, start.emul_efuse, BLANK),
    ]
    for partition, wanted, otherwise in said:
        if partition is None or partition.offset == build.app_offset:
            continue
        if wanted is not None:
            yield partition, wanted
        elif not any(_files_in(build, partition)):
            yield partition, otherwise


def _files_in(build: Build, partition: Partition) -> Iterator[FlashFile]:
    """The files that the build has for a partition."""
    return (file for file in build.flash_files if partition.offset <= file.offset < partition.end)


def _places(build: Build) -> Iterator[tuple[str, int, int]]:
    """Every place that is the build's: name, offset and the offset behind it."""
    table_at = build.partition_table_offset
    yield "bootloader", build.bootloader_offset, table_at
    yield "partition-table", table_at, table_at + _TABLE_SIZE
    for partition in build.partition_table.partitions:
        yield partition.label, partition.offset, partition.end


def _of_files(build: Build, places: Iterable[tuple[str, int, int]]) -> Iterator[Region]:
    for file in build.flash_files:
        data = _padded(file.path.read_bytes())
        erased_to = file.offset + len(data) + -len(data) % SECTOR
        inside = (name for name, begin, end in places if begin <= file.offset and erased_to <= end)
        name = next(inside, None)
        if name is None or file.offset % SECTOR:
            raise UnsafeOperation(
                f"{file.path}: is to be written to 0x{file.offset:x}, and flash is erased from "
                f"0x{file.offset - file.offset % SECTOR:x} to 0x{erased_to:x} for it: that is not within one partition "
                "of the build; mend the partition table or flasher_args.json"
            )
        yield Region(name, file.offset, len(data), data, file.encrypted)


def _padded(data: bytes) -> bytes:
    """As esptool writes it: flash is written in words."""
    return data + b"\xff" * (-len(data) % 4)
