"""The board after a cut: does it run, on an image it was allowed to run, and does the next update succeed?

What runs is taken from the console alone, read as any board's; whether it may run, from the flash alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bench.builds import Build
from bench.console import Boot, ConsoleReader
from bench.errors import BenchError, FormatError
from bench.flash import OtaData, Partition
from bench.flash.emul_efuse import emulated_efuses
from bench.flash.nvs import Nvs
from bench.images import Image
from bench.sweep.bench_top import BenchTop
from bench.sweep.cuts import Cut
from bench.sweep.record import Change, Recording, put, watched
from bench.virtual.door import CutPlan, Phase

__all__ = ["Broken", "Checker", "Offer", "Outcome"]

_NAMESPACE, _URL_KEY, _LENGTH_KEY = "ota_resumption", "nvs_ota_url", "nvs_ota_wr_len"
"""Where advanced_https_ota keeps the place of a download, in KiB (main/advanced_https_ota_example.c, since v5.5)."""


class Broken(AssertionError):
    """A promise that the board does not keep after a cut."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An update that is offered after the cut.

    Attributes:
        url: where it is served
        version: what runs when it is installed
        size: bytes of the image
        goes_on: where the board has kept the place of this download, it must go on from there
    """

    url: str
    version: str
    size: int
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a board after one cut, or two.

    Attributes:
        version: what ran after the cut
        operations: of flash and eFuses in the recovery and the next update: where a second cut can fall
        broken: the promise that was not kept; empty where all were
        console: what was said from the cut on, where something was broken
        went_on: did an update go on from a place that was kept before the cut?
    """

    version: str
    operations: int
    broken: str = ""
    console: bytes = b""
    went_on: bool = False


class Checker:
    """Holds one board, and brings it to where a cut leaves it, again and again.

    Args:
        recording: the life that is cut
        build: what the board was flashed with
        allowed: the versions that may run after the cut
        offers: what the board is told after the cut, one update after the other
    """

    def __init__(self, recording: Recording, build: Build, allowed: Sequence[str], offers: Sequence[Offer]) -> None:
        self._recording = recording
        self._build = build
        self._allowed = allowed
        self._offers = offers
        self._top = BenchTop(build.target)
        self._done = 0
        """How many operations of the life the board's flash holds now."""
        self._judged_last: tuple[int, Outcome] | None = None
        """After how many operations it was judged last, and the outcome."""
        self._undo: list[Change] = []
        """What stood wherever the board has written since the cut, in the order of the writes."""

    def __enter__(self) -> Self:
        self._recording.start.put_into(self._top)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._top.machine.close()

    @property
    def top(self) -> BenchTop:
        """The board itself."""
        return self._top

    def outcome(self, cut: Cut, again: Cut | None = None) -> Outcome:
        """What becomes of the board after this cut, and after a second one in its recovery or the updates behind it.

        Before an operation and after the one before it the board holds the same: that is judged once.

        Raises:
            BenchError: recovery and updates do not have as many operations as the second cut wants
        """
        with self.cut_at(cut):
            if again is not None or cut.phase is Phase.MIDDLE:
                return self._judged(again)
            if self._judged_last is None or self._judged_last[0] != self._done:
                self._judged_last = self._done, self._judged(None)
            return self._judged_last[1]

    @contextmanager
    def cut_at(self, cut: Cut) -> Iterator[BenchTop]:
        """The board as the cut leaves it; what it does within is undone at the end."""
        self._go_to(cut)
        with self._undone():
            if cut.phase is Phase.MIDDLE:
                for change in self._recording.operations[cut.operation - 1].half:
                    put(self._top, change)
            yield self._top

    # -- the board as the cut leaves it

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Whatever is written within is taken back at the end."""
        self._undo.clear()
        try:
            with watched(self._top, lambda before, _: self._undo.append(before)):
                yield
        finally:
            for change in reversed(self._undo):
                put(self._top, change)

    def _go_to(self, cut: Cut) -> None:
        """Bring flash and eFuses to where the life stood just before the operation of the cut, or just after it."""
        wanted = cut.operation if cut.phase is Phase.AFTER else cut.operation - 1
        if wanted < self._done:
            self._recording.start.put_into(self._top)
            self._done = 0
        for operation in self._recording.operations[self._done : wanted]:
            for change in operation.whole:
                put(self._top, change)
        self._done = wanted

    # -- what it then does

    def _judged(self, again: Cut | None) -> Outcome:
        top, door, version, went_on = self._top, self._top.machine.flash.door, "", False
        door.renew()
        top.forget()
        try:
            allowed = list(self._allowed)
            if again is not None:
                allowed += self._second_cut(again)
                door.renew()
            version = self._runs("after the cut", allowed)[1]
            for offer in self._offers:
                if offer.version != version:
                    went_on |= self._updates(offer)
        except Broken as broken:
            return Outcome(version, door.operations, str(broken), bytes(top.console))
        return Outcome(version, door.operations, went_on=went_on)

    def _updates(self, offer: Offer) -> bool:
        """Install what is offered; whether that went on from a place that had been kept."""
        kept, written = self._kept(offer), len(self._undo)
        slot, version = self._runs(f"after the update to {offer.version}", (offer.version,), offer.url)
        if not kept:
            return False
        partition = self._build.partition_table.by_label(slot)
        assert partition is not None
        places = [one.offset - partition.offset for one in self._undo[written:] if not one.efuse]
        first = min((place for place in places if 0 <= place < partition.size), default=kept)
        if first < kept:
            raise Broken(
                f"the update to {version} writes the image from 0x{first:x} on, where the board had kept 0x{kept:x}"
                " bytes of it: it does not go on from there"
            )
        return True

    def _kept(self, offer: Offer) -> int:
        """How many bytes of the image the board knows to be in flash, 0 where it has to begin from the start.

        Where all of them are there, nothing is left that could be asked for: that download may begin again.
        """
        partition = self._build.partition_table.by_label("nvs")
        if not offer.goes_on or partition is None:
            return 0
        nvs = Nvs(self._read(partition))
        if nvs.get_string(_NAMESPACE, _URL_KEY) != offer.url:
            return 0
        kept = (nvs.get_number(_NAMESPACE, _LENGTH_KEY) or 0) * 1024
        return kept if kept < offer.size else 0

    def _second_cut(self, again: Cut) -> list[str]:
        """Recover and update until the power fails for the second time; the versions that were on their way.

        Raises:
            BenchError: it never failed: there is no such operation, so the pair would count for nothing
        """
        top, door = self._top, self._top.machine.flash.door
        door.plan(CutPlan("*", again.phase, again.operation))
        top.live()
        offered: list[str] = []
        for offer in self._offers:
            if door.fired:
                break
            top.live(offer.url)
            offered.append(offer.version)
        if not door.fired:
            raise BenchError(f"the second cut, {again}, never fell: all that follows has {door.operations} operations")
        return offered

    def _runs(self, when: str, allowed: Sequence[str], *lines: str) -> tuple[str, str]:
        """Let the board live; slot and version of the application that waits in the end, if that is as it must be."""
        top = self._top
        from_ = len(top.console)
        top.live(*lines)
        boots = _boots(bytes(top.console[from_:]))
        if top.looped:
            raise Broken(f"{when} the board resets for ever, and runs nothing")
        if not boots or boots[-1].app_version is None:
            raise Broken(f"{when} no application boots")
        slot, version = boots[-1].slot or "", boots[-1].app_version
        if version not in allowed:
            raise Broken(f"{when} version {version!r} runs from {slot}, and not {' or '.join(allowed)}")
        self._may_run(when, slot)
        self._is_chosen(when, slot)
        return slot, version

    def _may_run(self, when: str, slot: str) -> None:
        """The running image is whole, and its secure version not below that of the eFuses."""
        partition = self._build.partition_table.by_label(slot)
        if partition is None:
            raise Broken(f"{when} it runs from {slot!r}, which the partition table does not have")
        try:
            image = Image.parse(self._read(partition))
            problems = image.check()
        except FormatError as error:
            raise Broken(f"{when} {slot} runs, but holds no image: {error}") from error
        if problems:
            raise Broken(f"{when} {slot} runs, but its image is damaged: {problems[0]}")
        least = self._secure_version()
        secure_version = image.app_desc.secure_version if image.app_desc is not None else 0
        if self._build.enabled("BOOTLOADER_APP_ANTI_ROLLBACK") and secure_version < least:
            raise Broken(f"{when} {slot} runs with secure version {secure_version}, below the eFuses' {least}")

    def _is_chosen(self, when: str, slot: str) -> None:
        """otadata names the slot that runs; or, holding no valid entry, leaves the choice to the bootloader."""
        table = self._build.partition_table
        assert table.otadata is not None
        labels = [partition.label for partition in table.ota_slots]
        active = OtaData.parse(self._read(table.otadata)).active
        if active is not None and slot in labels and labels[active.slot(len(labels))] != slot:
            raise Broken(f"{when} {slot} runs, but otadata names {labels[active.slot(len(labels))]}")

    def _secure_version(self) -> int:
        machine, partition = self._top.machine, self._build.partition_table.emul_efuse
        if self._build.enabled("EFUSE_VIRTUAL_KEEP_IN_FLASH") and partition is not None:
            emulated = emulated_efuses(self._build.target, self._read(partition))
            return 0 if emulated is None else emulated.secure_version
        return machine.efuse.blocks.secure_version

    def _read(self, partition: Partition) -> bytes:
        return self._top.machine.flash.peek(partition.offset, partition.size)


def _boots(console: bytes) -> list[Boot]:
    reader = ConsoleReader()
    return [item for item in (*reader.feed(console), *reader.close()) if isinstance(item, Boot)]
