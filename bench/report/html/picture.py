"""The picture of one update as data: marks on lanes, bytes over time, and the bands of the slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.report.html.listing import Listing
from bench.report.html.reading import Case
from bench.report.html.slots import bands, starts, unpowered
from bench.report.html.telling import clean, key, short_event
from bench.timeline import Entry, slot_of_subtype

__all__ = ["picture"]

MOST = 1500
"""Marks of one picture."""

_NOT_DRAWN = {("server", "response"), ("server", "progress"), ("server", "closed"), ("bench", "slots")}
"""Entries that are drawn as part of something else, or not at all."""


@dataclass(frozen=True)
class _Mark:
    """One mark: when (and until when), on which lane, what it is, its label, and the row behind it."""

    at: float
    lane: str
    kind: str
    label: str
    row: int | None
    until: float | None = None
    bad: bool = False

    def as_data(self) -> list[object]:
        return [self.at, self.lane, self.kind, clean(self.label)[:60], self.row, self.until, int(self.bad)]


def picture(case: Case, listing: Listing) -> dict[str, object]:
    """The data that the page draws: ``marks``, ``bytes``, ``slots``, ``off``, ``end``, ``left`` (marks left out)."""
    timeline, confirmed_by = case.timeline, case.text("confirmed_by")
    entries, end = timeline.entries, timeline.end
    began = starts(timeline)
    marks = sorted(_marks(entries, listing, began), key=lambda mark: mark.at)
    shown = marks if len(marks) <= MOST else [*marks[: MOST // 3], *marks[-2 * MOST // 3 :]]
    rollback = case.told.get("rollback") is True
    slots = bands(entries, began, rollback=rollback, confirmed_by=confirmed_by, end=end)
    return {
        "end": end,
        "marks": [mark.as_data() for mark in shown],
        "left": len(marks) - len(shown),
        "bytes": _bytes(entries),
        "slots": {clean(slot): [band.as_data() for band in found] for slot, found in slots.items()},
        "off": [[off.began, off.ended] for off in unpowered(entries, end)],
    }


def _marks(entries: Sequence[Entry], listing: Listing, began: Mapping[int, float]) -> list[_Mark]:
    answers = _answers(entries)
    found = []
    for entry in entries:
        if entry.source == "console":
            mark = _of_device(entry, listing, began)
        elif (entry.source, entry.kind) in _NOT_DRAWN:
            mark = None
        elif entry.source == "server":
            mark = _of_server(entry, listing, answers)
        else:
            mark = _of_bench(entry, listing)
        if mark is not None:
            found.append(mark)
    return found


def _of_device(entry: Entry, listing: Listing, began: Mapping[int, float]) -> _Mark | None:
    row = listing.row(entry.index)
    if entry.kind == "event":
        payload = entry.get("payload")
        label = short_event(entry.get("name"))
        if payload is not None:
            label += f" {(_slot(payload) if label == 'UPDATE_BOOT_PARTITION' else None) or payload!s}"
        return _Mark(entry.at, "device", "event", label, row)
    if entry.kind == "boot":
        slot, version = entry.get("slot"), entry.get("app_version")
        runs = f"{slot or 'an application'!s} {version or ''!s}".rstrip() if slot or version else "no application"
        label = f"{entry.get('reset_reason') or 'boot'!s} → {runs}"
        return _Mark(began.get(entry.index, entry.at), "device", "boot", label, row, entry.at)
    if entry.kind == "panic":
        return _Mark(entry.at, "device", "panic", str(entry.get("reason")), row, bad=True)
    level = entry.get("level")
    if entry.kind == "record" and level in ("E", "W"):
        label = f"{entry.get('tag')!s}: {entry.get('message')!s}"
        return _Mark(entry.at, "device", "error" if level == "E" else "warning", label, row, bad=level == "E")
    return None


def _slot(payload: object) -> str | None:
    return slot_of_subtype(payload) if isinstance(payload, int) else None


def _of_server(entry: Entry, listing: Listing, answers: Mapping[object, Entry]) -> _Mark:
    row, kind = listing.row(entry.index), entry.kind
    if kind == "request":
        label, answer = str(entry.get("method")), answers.get(key(entry.get("request")))
        if answer is None:
            return _Mark(entry.at, "server", kind, f"{label}, no answer", row, bad=True)
        whole = answer.get("complete") is True
        label += f" {answer.get('status')!s}" + ("" if whole else " cut short")
        status = answer.get("status")
        bad = not whole or (isinstance(status, int) and status >= 400)
        return _Mark(entry.at, "server", kind, label, row, answer.at, bad)
    if kind == "fault":
        return _Mark(entry.at, "server", kind, str(entry.get("fault")), row, bad=True)
    if kind == "tls":
        sound = entry.get("ok") is True
        return _Mark(entry.at, "server", kind, "TLS" if sound else f"TLS: {entry.get('reason')!s}", row, bad=not sound)
    if kind == "release":
        return _Mark(entry.at, "server", kind, f"published {entry.get('path')!s}", row)
    return _Mark(entry.at, "server", "other", kind, row)


def _of_bench(entry: Entry, listing: Listing) -> _Mark:
    row = listing.row(entry.index)
    if entry.kind == "power":
        on = entry.get("on") is True
        label = "power on" if on else ("power cut" if entry.source == "board" else "power off")
        return _Mark(entry.at, "bench", "power-on" if on else "power-off", label, row, bad=not on)
    labels = {"start": "update started", "flash": "flash written", "boot_loop": "boot loop"}
    known = entry.kind if entry.kind in ("start", "reset", "flash", "finding", "boot_loop") else "other"
    return _Mark(entry.at, "bench", known, labels.get(entry.kind, entry.kind), row, bad=known == "boot_loop")


def _answers(entries: Sequence[Entry]) -> dict[object, Entry]:
    """The answer to each request, by the request's number."""
    return {key(e.get("request")): e for e in entries if e.source == "server" and e.kind == "response"}


def _bytes(entries: Sequence[Entry]) -> dict[str, object]:
    """How images came: ``sent``, for each request a line of points (at, byte); ``written``, the same; ``size``."""
    answers, written, size = _answers(entries), [], 0
    lines: dict[object, list[list[float]]] = {}
    for entry in entries:
        number = key(entry.get("request"))
        if entry.source == "server" and entry.kind == "release":
            size = max(size, _int(entry.get("size")))
        elif entry.source == "server" and entry.kind == "request":
            answer = answers.get(number)
            status = answer.get("status") if answer is not None else None
            if answer is None or (status in (200, 206) and _int(answer.get("sent"))):
                lines[number] = [[entry.at, _offset(entry.get("range")) if status == 206 else 0]]
        elif entry.source == "server" and entry.kind in ("progress", "response") and number in lines:
            lines[number].append([entry.at, lines[number][0][1] + _int(entry.get("sent"))])
        elif entry.kind == "event" and str(entry.get("name")).endswith("_WRITE_FLASH"):
            written.append([entry.at, _int(entry.get("payload"))])
    sent = [line[:MOST] for line in lines.values() if len(line) > 1]
    return {"sent": sent[:MOST], "written": written[:MOST], "size": size}


def _int(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**53 else 0


def _offset(wanted: object) -> int:
    """The first byte of a Range header."""
    number = str(wanted).removeprefix("bytes=").split("-")[0]
    return int(number) if number.isdecimal() and len(number) < 12 else 0
