"""An `Ota` on a board that is nothing but a script and an array of bytes: what firmware does that no model can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import cast

from bench.boards.board import Board
from bench.boards.drivers import Supply
from bench.builds import Build
from bench.flash import OtaData, OtaImgState, PartitionTable, SelectEntry
from bench.ota import Dialect, Firmware, FlashView, Ota
from bench.server import Authority, OtaServer
from bench.timeline import Entry, Timeline
from bench.timeline.events import EventStep
from bench.timeline.matchers import Said

__all__ = ["ByHand", "by_hand"]


class ByHand:
    """The board: it tells what it is made to tell, and does what stands in its scripts.

    `when_told` is what it does with a line that is typed, `when_reset` what it does at a reset.
    """

    def __init__(self, timeline: Timeline, dialect: Dialect) -> None:
        self.timeline = timeline
        self._dialect = dialect
        self.flash = bytearray(b"\xff" * 0x400000)
        self.when_told: Callable[[bytes], object] = lambda data: None  # noqa: ARG005
        self.when_reset: Callable[[], object] = lambda: None
        self.verdict: tuple[str, str | None] = ("none", None)

    def write(self, data: bytes) -> None:
        """A line is typed, or a frame sent."""
        self.when_told(data)

    def reset(self) -> None:
        """EN is pulsed."""
        self.when_reset()

    def boots(self, slot: str, version: str, *, waits: bool = True) -> None:
        """It boots an application, and comes to its prompt."""
        self.timeline.append("console", "boot", slot=slot, app_version=version, reset_reason="POWERON")
        if waits:
            assert isinstance(self._dialect.prompt, Said)
            self.says(str(self._dialect.prompt.text))

    def says(self, text: str, *, level: str = "I", tag: str = "") -> Entry:
        """A log record, of the application itself where no tag is given."""
        return self.timeline.append("console", "record", level=level, tag=tag or self._dialect.tag, message=text)

    def tells(self, *steps: EventStep) -> None:
        """Events of an update."""
        for step in steps:
            self.timeline.append("console", "event", name=step.event, payload=step.payload)

    def panics(self) -> None:
        """It dies."""
        self.timeline.append("console", "panic", reason="Guru Meditation Error: Core  0 panic'ed (Load access fault)")

    def selects(self, table: PartitionTable, number: int, state: OtaImgState) -> None:
        """Otadata comes to select this OTA slot in this state, and the one before it as valid."""
        entries = (SelectEntry.for_seq(1, OtaImgState.VALID), SelectEntry.for_seq(number + 1, state))
        partition = table.otadata
        assert partition is not None
        self.flash[partition.offset : partition.offset + partition.size] = OtaData(entries).to_bytes()


@contextmanager
def by_hand(
    build: Build,
    authority: Authority,
    *,
    dialect: Dialect | None = None,
    table: PartitionTable | None = None,
    looking: Callable[[ByHand], AbstractContextManager[object]] | None = None,
) -> Iterator[tuple[Ota, ByHand]]:
    """An `Ota` on such a board, which has not booted yet; it is patient for a second."""
    with Timeline() as timeline, OtaServer(timeline, authority) as server:
        firmware = Firmware(build)
        board = ByHand(timeline, dialect or firmware.dialect)
        for file in build.flash_files:
            data = file.path.read_bytes()
            board.flash[file.offset : file.offset + len(data)] = data
        described = Board(name="by hand", chip=build.target, driver="virtual")
        ota = Ota(
            firmware=firmware,
            dialect=dialect or firmware.dialect,
            device=board,
            supply=cast(Supply, SimpleNamespace(board=described)),  # its power is never switched
            flash=FlashView(
                table or build.partition_table,
                lambda offset, length: bytes(board.flash[offset : offset + length]),
                chip=build.target,
                looking=None if looking is None else lambda: looking(board),
            ),
            server=server,
            timeline=timeline,
            verdict=lambda: board.verdict,
            patience=1.0,
        )
        yield ota, board
