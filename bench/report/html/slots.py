"""What each slot held while a scenario ran, as bands of time.

The bench reads otadata where that costs the board nothing (a ``slots`` entry of the timeline). Between two readings
the bands follow what the console told: the switch of the boot partition makes a slot new, its boot makes it pending
verify where the build can roll back, the firmware's own words confirm it, and a boot of another slot aborts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.report.html.parting import Parted
from bench.report.html.telling import state_name
from bench.timeline import Entry, slot_of_subtype

__all__ = ["Band", "Off", "bands", "starts", "unpowered"]

_NEW, _PENDING, _VALID, _ABORTED, _UNDEFINED = 0, 1, 2, 4, 0xFFFF_FFFF


class Band(NamedTuple):
    """One slot from one moment to another.

    Attributes:
        began, ended: seconds on the timeline
        state: `esp_ota_img_states_t`; None where nothing is known of it, or otadata does not speak of the slot
        read: was the state read from flash, and not told by the console?
        running: is it this slot that runs?
    """

    slot: str
    began: float
    ended: float
    state: int | None = None
    version: str | None = None
    running: bool = False
    read: bool = False

    def as_data(self) -> list[object]:
        """For the page: began, ended, the state's name, version, running, read."""
        return [self.began, self.ended, state_name(self.state), self.version or "", int(self.running), int(self.read)]


@dataclass(frozen=True)
class Off:
    """The board without power, from one moment to another."""

    began: float
    ended: float


def starts(timeline: Parted) -> dict[int, float]:
    """When each boot began, by the index of its entry: a boot is told when its application has said its name."""
    boots = [(entry, entry.get("line_no")) for entry in timeline.entries if entry.kind == "boot"]
    told = ((entry, timeline.said.get(line) if isinstance(line, int) else None) for entry, line in boots)
    return {entry.index: entry.at if said is None else min(said, entry.at) for entry, said in told}


def unpowered(entries: Sequence[Entry], end: float) -> list[Off]:
    """The times without power."""
    found: list[Off] = []
    since: float | None = None
    for entry in entries:
        if entry.kind == "power" and entry.source in ("bench", "board"):
            if entry.get("on") is True and since is not None:
                found.append(Off(since, entry.at))
                since = None
            elif entry.get("on") is False and since is None:
                since = entry.at
    return [*found, Off(since, end)] if since is not None else found


def bands(
    entries: Sequence[Entry], began: Mapping[int, float], *, rollback: bool, confirmed_by: str, end: float
) -> dict[str, list[Band]]:
    """The bands of every slot by label, in order of time; `began` is what `starts` gives."""
    story = _Story(rollback, confirmed_by)
    for entry in entries:
        story.take(entry, began)
    return story.told(end)


class _Story:
    """The slots as they are at one moment of the timeline."""

    def __init__(self, rollback: bool, confirmed_by: str) -> None:
        self._rollback = rollback
        self._confirmed_by = confirmed_by
        self._now: dict[str, Band] = {}
        self._past: list[Band] = []
        self._running: str | None = None

    def take(self, entry: Entry, began: Mapping[int, float]) -> None:
        """One entry more."""
        match entry.source, entry.kind:
            case "bench", "slots":
                self._read(entry)
            case "console", "boot":
                self._boot(entry, began.get(entry.index, entry.at))
            case "console", "event" if str(entry.get("name")).endswith("_UPDATE_BOOT_PARTITION"):
                payload = entry.get("payload")
                slot = slot_of_subtype(payload) if isinstance(payload, int) else None
                if slot is not None:
                    self._change(slot, entry.at, state=_NEW if self._rollback else _UNDEFINED, read=False)
            case "console", "record" if self._confirmed_by and self._confirmed_by in str(entry.get("message")):
                if self._running is not None and self._rollback:
                    self._change(self._running, entry.at, state=_VALID, read=False)
            case ("console", "panic") | ("bench", "reset"):
                self._stop(entry.at)
            case ("bench" | "board", "power") if entry.get("on") is False:
                self._stop(entry.at)
            case _:
                pass

    def told(self, end: float) -> dict[str, list[Band]]:
        """Everything up to the end."""
        whole = [*self._past, *(band._replace(ended=end) for band in self._now.values())]
        return {
            slot: sorted((b for b in whole if b.slot == slot and b.ended > b.began), key=lambda b: b.began)
            for slot in sorted({band.slot for band in whole})
        }

    def _read(self, entry: Entry) -> None:
        for slot, value in entry.data.items():
            if isinstance(value, Mapping):
                state, version = value.get("state"), value.get("version")
                self._change(
                    slot,
                    entry.at,
                    state=state if isinstance(state, int) else None,
                    version=version if isinstance(version, str) else None,
                    read=True,
                )

    def _boot(self, entry: Entry, began: float) -> None:
        self._stop(began)
        slot, version = entry.get("slot"), entry.get("app_version")
        if not isinstance(slot, str):
            return
        for other, band in tuple(self._now.items()):
            if other != slot and band.state == _PENDING:
                self._change(other, entry.at, state=_ABORTED, read=False)
        now = self._now.get(slot) or Band(slot, entry.at, entry.at)
        state, read = now.state, now.read
        if state == _NEW and self._rollback:
            state, read = _PENDING, False
        known = version if isinstance(version, str) else now.version
        self._running = slot
        self._change(slot, entry.at, state=state, read=read, version=known, running=True)

    def _stop(self, at: float) -> None:
        if self._running is not None:
            self._change(self._running, at, running=False)
            self._running = None

    def _change(self, slot: str, at: float, **news: object) -> None:
        band = self._now.get(slot) or Band(slot, at, at)
        if slot in self._now and all(getattr(band, name) == value for name, value in news.items()):
            return
        at = max(at, band.began)
        self._past.append(band._replace(ended=at))
        new = {**news, "began": at, "ended": at}
        self._now[slot] = band._replace(**new)  # type: ignore[arg-type]  # names and types are Band's at every call above
