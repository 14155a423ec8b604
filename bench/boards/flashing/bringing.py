"""Bringing a board to its start: ask it for the MD5 of each region, and erase and write only what differs.

What the board holds is never remembered: between two scenarios an update over the air, a power cut or somebody at the
desk may have changed it. A region that does not agree is asked for in chunks; chunks that shall be blank are erased,
the others written, and the whole region is asked for again in the end.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from esptool import FatalError  # type: ignore[import-untyped]  # esptool ships no types

from bench.boards.board import Board
from bench.boards.flashing.loader import ATTEMPTS, Loader, Reachable, in_loader, over
from bench.boards.flashing.start import SECTOR, Region, Start, regions_of
from bench.boards.safety import burnt_by, refuse_unsafe, refuse_unsafe_image
from bench.builds import Build
from bench.errors import FlashingFailed, FormatError
from bench.images import Image
from bench.images.derive import with_header
from bench.images.header import FLASH_SIZES, SPI_MODES

__all__ = ["Brought", "bring", "bring_connected", "bring_to_start", "recover"]

CHUNK = 64 * 1024
"""Bytes whose MD5 is asked for at once where a region differs; also what flash chips erase fastest."""

_SLOW = 115200
"""Bit/s that a wire is tried with that has failed at its usual speed."""

Progress = Callable[[int, int], None]
"""Called with how many of the bytes that must be written have been."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What it took to bring a board to its start."""

    written: int
    """Bytes."""
    erased: int
    """Bytes that were not blank and had to be."""
    kept: int
    """Bytes that stood there already."""
    changed: tuple[str, ...]
    """Names of the regions that differed."""
    seconds: float


@dataclass(frozen=True, slots=True)
class _Plan:
    """What differs."""

    writes: tuple[tuple[int, bytes], ...]
    erasures: tuple[tuple[int, int], ...]
    encrypted: tuple[tuple[int, bytes], ...]
    changed: tuple[Region, ...]

    @property
    def size(self) -> int:
        """Bytes to be written."""
        return sum(len(data) for _, data in (*self.writes, *self.encrypted))


def bring_to_start(
    attachment: Reachable,
    build: Build,
    start: Start,
    *,
    allow_efuse: bool = False,
    erase_all: bool = False,
    power_cycle: Callable[[], None] | None = None,
    attempts: int = ATTEMPTS,
    progress: Progress | None = None,
) -> Brought:
    """Bring a board to a start, from whatever state it is found in; it is left in download mode.

    A wire that fails at its usual speed is tried once more, slowly: what was written by then is found written.

    Args:
        attachment: the board
        build: what shall run on it
        start: what else its flash shall hold
        allow_efuse: the command line says that eFuses may be burnt; see `bench.boards.safety`
        erase_all: erase the whole chip first, also what no partition of the build covers
        power_cycle: takes the board's power away and gives it back, where that can be done
        attempts: how often it is reset into download mode, each time a little differently, before that is given up
        progress: is told how far the writing is

    Raises:
        BoardLost, BoardBusy: it cannot be reached; says what was tried
        FlashingFailed: a command failed, or the flash does not hold what was written
        UnsafeOperation: the build or an image of the start burns eFuses, or a file would be written over what is not
            the build's own; nothing was written
    """
    regions = _safe_regions(build, start, attachment.board, allowed=allow_efuse)
    usual = attachment.board.flash_baud
    first: FlashingFailed | None = None
    for speed in (usual, _SLOW) if usual > _SLOW else (usual,):
        try:
            with in_loader(
                attachment, baud=speed, power_cycle=power_cycle, attempts=attempts, force=_guarded(build)
            ) as loader:
                return bring(loader, regions, build.flash_settings, erase_all=erase_all, progress=progress)
        except FlashingFailed as error:
            first = error if first is None else FlashingFailed(f"{first}\nThen, more slowly: {error}")
    assert first is not None, "every way out of the loop but a failure returns"
    raise first


def bring_connected(
    esp: Any,
    attachment: Reachable,
    build: Build,
    start: Start,
    *,
    allow_efuse: bool = False,
    erase_all: bool = False,
    progress: Progress | None = None,
    echo: Callable[[str], object] | None = None,
) -> Brought:
    """The same over an `ESPLoader` that is connected to the board already; its port stays open.

    Args:
        esp: esptool's object; in the ROM's loader, or in the stub
        echo: gets what esptool writes
    """
    regions = _safe_regions(build, start, attachment.board, allowed=allow_efuse)
    with over(esp, attachment, baud=attachment.board.flash_baud, echo=echo, force=_guarded(build)) as loader:
        return bring(loader, regions, build.flash_settings, erase_all=erase_all, progress=progress)


def _safe_regions(build: Build, start: Start, board: Board, *, allowed: bool) -> tuple[Region, ...]:
    """What the flash shall hold; `UnsafeOperation` where that could burn eFuses, be it the build's or the start's."""
    refuse_unsafe(build, board, allowed=allowed)
    regions = regions_of(build, start)
    for region in regions:
        if region.data is not None:
            refuse_unsafe_image(region.data, board, allowed=allowed, what=f"what {region.name} is to hold at the start")
    return regions


def _guarded(build: Build) -> bool:
    """esptool refuses to erase boards whose secure boot or flash encryption is on; such a build has it on."""
    return bool(burnt_by(build))


def recover(attachment: Reachable, *, power_cycle: Callable[[], None] | None = None, attempts: int = ATTEMPTS) -> str:
    """Get a board into download mode from whatever state it is in, and say what it is; nothing is written.

    Returns:
        its MAC address and the size of its flash, for a person to read

    Raises:
        BoardLost, BoardBusy, FlashingFailed: as `bring_to_start`
    """
    with in_loader(attachment, power_cycle=power_cycle, attempts=attempts) as loader:
        size = f"{loader.flash_size // (1 << 20)} MiB of flash" if loader.flash_size else "flash of unknown size"
        return f"{attachment.board.chip}, MAC {loader.mac}, {size}"


def bring(
    loader: Loader,
    regions: tuple[Region, ...],
    settings: Mapping[str, str],
    *,
    erase_all: bool = False,
    progress: Progress | None = None,
) -> Brought:
    """The same for a board that is in download mode.

    Args:
        loader: the board
        regions: what it shall hold
        settings: flash mode, frequency and size for the bootloader's header, as esptool knows them
    """
    began = time.monotonic()
    if erase_all:
        loader.erase_all()
    wanted = tuple(_as_written(region, loader, settings) for region in regions)
    _check_size(wanted, loader)
    plan = _plan(wanted, loader)
    for offset, size in plan.erasures:
        loader.erase(offset, size)
    loader.told.progress = _Meter(plan, progress) if progress is not None else None
    if plan.writes:
        loader.write(plan.writes)
    if plan.encrypted:
        loader.write(plan.encrypted, encrypted=True)
    loader.told.progress = None
    if progress is not None and plan.size:
        progress(plan.size, plan.size)
    _verify(plan, loader)
    erased = sum(size for _, size in plan.erasures)
    return Brought(
        written=plan.size,
        erased=erased,
        kept=sum(region.size for region in wanted) - plan.size - erased,
        changed=tuple(region.name for region in plan.changed),
        seconds=time.monotonic() - began,
    )


def _as_written(region: Region, loader: Loader, settings: Mapping[str, str]) -> Region:
    """What will stand there: plain or encrypted as the board has it, the bootloader with its flash settings."""
    region = replace(region, encrypted=region.encrypted and loader.encrypts)
    if region.name != "bootloader" or region.data is None:
        return region
    return replace(region, data=_with_settings(region.data, loader, settings))


def _with_settings(data: bytes, loader: Loader, settings: Mapping[str, str]) -> bytes:
    """A bootloader as `esptool write-flash` writes it: mode, frequency and size stand in its header.

    A build has them there already, but for the size where it is to be detected.
    """
    mode, frequency, size = (settings.get(f"flash_{name}", "keep") for name in ("mode", "freq", "size"))
    if size == "detect":
        size = f"{loader.flash_size // (1 << 20)}MB" if loader.flash_size else "4MB"
    try:
        image = Image.parse(data)
    except FormatError:
        return data
    fields: dict[str, int | bytes] = {}
    if mode in SPI_MODES:
        fields["spi_mode"] = SPI_MODES.index(mode)
    if frequency != "keep":
        fields["spi_speed"] = loader.frequency_code(frequency)
    if size in FLASH_SIZES:
        fields["spi_size"] = FLASH_SIZES.index(size)
    changed = any(getattr(image.header, name) != value for name, value in fields.items())
    return with_header(image, **fields).to_bytes() if changed else data


def _check_size(regions: tuple[Region, ...], loader: Loader) -> None:
    last = max(regions, key=lambda region: region.end)
    if loader.flash_size and last.end > loader.flash_size:
        raise FatalError(
            f"{last.name} ends at 0x{last.end:x}, and the board has 0x{loader.flash_size:x} bytes of flash: "
            "take another board, or build for its flash size"
        )


def _plan(regions: tuple[Region, ...], loader: Loader) -> _Plan:
    writes: list[tuple[int, bytes]] = []
    erasures: list[tuple[int, int]] = []
    encrypted: list[tuple[int, bytes]] = []
    changed = []
    for region in regions:
        if region.encrypted and region.data is not None:
            encrypted.append((region.offset, region.data))  # what stands there is another matter each time
            changed.append(region)
            continue
        differing = tuple(_differing(region, loader))
        if differing:
            changed.append(region)
        for offset, size in _joined(differing, region):
            data = region.content(offset, size)
            if data.strip(b"\xff"):
                writes.append((offset, data))
            else:
                erasures.append((offset, size + -size % SECTOR))
    return _Plan(tuple(writes), tuple(erasures), tuple(encrypted), tuple(changed))


def _differing(region: Region, loader: Loader) -> Iterator[tuple[int, int]]:
    """The chunks of a region that the board holds otherwise: offset and size."""
    if _agrees(region, region.offset, region.size, loader):
        return
    if region.size <= CHUNK:
        yield region.offset, region.size
        return
    for offset in range(region.offset, region.end, CHUNK):
        size = min(CHUNK, region.end - offset)
        if not _agrees(region, offset, size, loader):
            yield offset, size


def _joined(chunks: tuple[tuple[int, int], ...], region: Region) -> list[tuple[int, int]]:
    """Neighbours as one, blank ones apart from the others."""
    joined: list[tuple[int, int]] = []
    for offset, size in chunks:
        blank = not region.content(offset, size).strip(b"\xff")
        if joined:
            before, length = joined[-1]
            if before + length == offset and blank is not bool(region.content(before, length).strip(b"\xff")):
                joined[-1] = (before, length + size)
                continue
        joined.append((offset, size))
    return joined


def _agrees(region: Region, offset: int, size: int, loader: Loader) -> bool:
    expected = hashlib.md5(region.content(offset, size), usedforsecurity=False).hexdigest()
    return loader.md5(offset, size) == expected


def _verify(plan: _Plan, loader: Loader) -> None:
    for region in plan.changed:
        if not region.encrypted and not _agrees(region, region.offset, region.size, loader):
            raise FatalError(
                f"{region.name} at 0x{region.offset:x} does not hold what was written: the flash chip may be worn out, "
                "write-protected, or its supply too weak"
            )


class _Meter:
    """esptool tells its progress anew for each piece; the bench's is of all of them."""

    def __init__(self, plan: _Plan, tell: Progress) -> None:
        self._sizes = [len(data) for _, data in (*plan.writes, *plan.encrypted)]
        self._total = plan.size
        self._tell = tell
        self._piece = 0
        self._last = (0, 0)

    def __call__(self, done: int, of: int) -> None:
        """So much of a piece went over the wire; its length there depends on how well it compresses."""
        before, length = self._last
        if before and (of != length or done < before) and self._piece < len(self._sizes) - 1:
            self._piece += 1
        self._last = (done, of)
        behind = sum(self._sizes[: self._piece])
        self._tell(behind + (self._sizes[self._piece] * done // of if of else 0), self._total)
