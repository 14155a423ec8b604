"""The reader of a console: bytes in, items out, whatever the chunks (no I/O, no clock, flat memory)."""

from __future__ import annotations

from bench.console.boots import BOOT_TAGS, BootReader, is_rom
from bench.console.events import EVENT_TAG, event_of
from bench.console.held import Held
from bench.console.items import Item, Noise, Record
from bench.console.lines import LIMIT, Lines, Splitter, readable
from bench.console.panics import PanicReader, brownout
from bench.console.records import SUSPECT, WHOLE, milliseconds, pieces
from bench.console.speech import STOCK, Speech

__all__ = ["ConsoleReader"]

_BROWNOUT_TAGS = frozenset({"BOD", "brownout"})
_TAGS = BOOT_TAGS | _BROWNOUT_TAGS | {EVENT_TAG}


class ConsoleReader:
    """Reads one console.

    `feed` returns what the bytes completed, `close` what the console broke off in. An event follows the record
    that tells of it. A boot comes when it is complete: after the records of its banner, and before the first
    record of the application's own, be it only a line that the speech knows. The lines of a panic become one `Panic`;
    the lines of a banner are noise or records as well as part of the boot.

    Args:
        speech: what the firmware's own lines mean, where it is no stock application
    """

    def __init__(self, speech: Speech = STOCK) -> None:
        self._speech = speech
        self._tags = _TAGS | speech.tags
        self._held = Held(speech) if speech.versions else None
        self._splitter = Splitter()
        self._boots = BootReader()
        self._panics = PanicReader()
        # A boot or a panic is under way: every record concerns it.
        self._busy = False

    def feed(self, data: bytes) -> list[Item]:
        """The items that `data` completes."""
        items: list[Item] = []
        for lines in self._splitter.feed(data):
            if lines.step:
                self._lines(lines, items)
            else:
                for text in lines.texts:
                    self._line(text, lines.line_no, items, part=lines.part)
        return items if self._held is None else self._held.pass_on(items)

    def close(self) -> list[Item]:
        """The items that the end of the console completes: an unfinished line, a boot, a panic."""
        items: list[Item] = []
        for lines in self._splitter.close():
            for text in lines.texts:
                self._line(text, lines.line_no, items, part=lines.part, cut=True)
        panic = self._panics.end()
        if panic is not None:
            items.append(panic)
        boot = self._boots.end()
        if boot is not None:
            items.append(boot)
        self._busy = False
        return items if self._held is None else [*self._held.pass_on(items), *self._held.release()]

    def _lines(self, lines: Lines, items: list[Item]) -> None:
        """The hot loop: nearly every line is one whole record, of a tag that nobody waits for."""
        whole, suspect, append, tags = WHOLE.match, SUSPECT.search, items.append, self._tags
        line_no = lines.line_no
        for text in lines.texts:
            match = whole(text)
            if match is not None and len(text) <= LIMIT:
                level, time, tag, message, reset = match.groups()
                # Only what no colour reset ends can have been overwritten by anything but a record.
                if (reset is None or ") " in message) and suspect(message):
                    self._line(text, line_no, items)
                else:
                    if not text.isascii():
                        tag, message = readable(tag), readable(message)
                    record = Record(level, milliseconds(time), tag, message, line_no)
                    if self._busy or tag in tags:
                        self._record(record, items)
                    else:
                        append(record)
            elif text:
                self._line(text, line_no, items)
            line_no += 1

    def _line(self, text: str, line_no: int, items: list[Item], *, part: bool = False, cut: bool = False) -> None:
        """Any line, with lone CRs or not; `part`: it goes on with a line too long to be a record."""
        segments = text.split("\r")
        for number, segment in enumerate(segments):
            last = number == len(segments) - 1
            long = len(segment) > LIMIT or (part and number == 0)
            for begin in range(0, len(segment), LIMIT):
                piece = segment[begin : begin + LIMIT]
                for item in pieces(piece, line_no, cut=cut and last, part=long):
                    if isinstance(item, Record):
                        self._record(item, items)
                    else:
                        self._noise(item, items)

    def _record(self, record: Record, items: list[Item]) -> None:
        panic = self._panics.end()
        if panic is not None:
            items.append(panic)
        if self._boots.open or record.tag in BOOT_TAGS:
            boot = self._boots.works() if self._works(record) else self._boots.record(record)
            if boot is not None:
                items.append(boot)
        items.append(record)
        told = record.tag in self._speech.tags and self._told(record, items)
        if record.tag == EVENT_TAG and not told:  # a dialect may have the stock application's tag, and name its events
            event = event_of(record)
            if event is not None:
                items.append(event)
        elif record.tag in _BROWNOUT_TAGS:
            panic = brownout(record)
            if panic is not None:
                items.append(panic)
        self._busy = self._boots.open

    def _noise(self, noise: Noise, items: list[Item]) -> None:
        text = noise.text.strip()
        if self._panics.open and not is_rom(text):
            panic = self._panics.feed(text, noise.line_no)
        elif self._panics.starts(text):
            boot = self._boots.end()
            if boot is not None:
                items.append(boot)
            panic = self._panics.feed(text, noise.line_no)
        else:
            panic = self._panics.end()
            if panic is not None:
                items.append(panic)
            boot = self._boots.works() if self._works(noise) else self._boots.noise(text, noise.line_no)
            if boot is not None:
                items.append(boot)
            items.append(noise)
            if self._speech.bare:
                self._told(noise, items)
            self._busy = self._boots.open
            return
        if panic is not None:
            items.append(panic)
        self._busy = self._boots.open or self._panics.open

    def _works(self, item: Record | Noise) -> bool:
        """Does a line of the user's own firmware tell, in the midst of a boot, that this is over?

        Firmware whose own lines are all that it logs says nothing else behind the bootloader.
        """
        return self._boots.open and (self._speech.bare or bool(self._speech.tags)) and self._speech.means(item)

    def _told(self, item: Record | Noise, items: list[Item]) -> bool:
        """The event that a line of the user's own firmware tells of, behind that line. Did it tell of one?"""
        event = self._speech.event_of(item)
        if event is not None:
            items.append(event)
        return event is not None
