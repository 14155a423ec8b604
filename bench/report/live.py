"""What a board is doing right now: entries of a timeline in, one line to look at out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from bench.timeline import Entry, Value

__all__ = ["Standing", "advance", "as_json", "from_json", "told"]

_FIRST_BYTE = re.compile(r"bytes=(\d+)-")


@dataclass(frozen=True)
class Standing:
    """One scenario on one board, as far as it has come.

    Attributes:
        board: name of the board, or of its pool while none is held
        scenario: name of the scenario
        began: when, in seconds since the epoch: several processes look at it
        phase: what is done, in a word or three
        done: bytes that were flashed, or downloaded, so far
        size: bytes that there are to be flashed or downloaded; 0 where that is not known
        events: OTA events so far
        boots: how often it booted so far
        sizes: bytes of every release by its path
        first: where in the release the bytes begin that are being downloaded, for a download may come in parts
    """

    board: str
    scenario: str
    began: float
    phase: str = "getting ready"
    done: int = 0
    size: int = 0
    events: int = 0
    boots: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    first: int = 0

    def flashing(self, done: int, size: int) -> Standing:
        """So many bytes of so many are in flash."""
        return replace(self, phase="flashing", done=done, size=size)


def advance(standing: Standing, entry: Entry) -> Standing:
    """The standing after that entry; the same object where it says nothing that is shown."""
    if entry.source == "console":
        return _of_console(standing, entry)
    return _of_server(standing, entry) if entry.source == "server" else _of_bench(standing, entry)


def _of_console(standing: Standing, entry: Entry) -> Standing:
    if entry.kind == "event":
        name = str(entry.get("name")).removeprefix("ESP_HTTPS_OTA_")
        phase = {"ABORT": "aborted", "UPDATE_BOOT_PARTITION": "switching slots", "FINISH": "finishing"}.get(name)
        return replace(standing, events=standing.events + 1, phase=phase or standing.phase)
    if entry.kind == "boot":
        known = [str(entry.get(name)) for name in ("slot", "app_version") if entry.get(name) is not None]
        return replace(standing, boots=standing.boots + 1, phase=" ".join(["booted", *known]))
    return replace(standing, phase="panicked") if entry.kind == "panic" else standing


def _of_server(standing: Standing, entry: Entry) -> Standing:
    if entry.kind == "release":
        path, size = str(entry.get("path")), _number(entry.get("size"))
        return replace(standing, sizes={**standing.sizes, path: size})
    if entry.kind == "request" and entry.get("method") == "GET":
        size = standing.sizes.get(str(entry.get("path")), 0)
        asked = _FIRST_BYTE.match(str(entry.get("range")))
        first = int(asked[1]) if asked is not None and int(asked[1]) < size else 0
        return replace(standing, phase="downloading", first=first, done=first, size=size)
    if entry.kind in ("progress", "response") and standing.phase == "downloading":
        done = standing.first + _number(entry.get("sent"))
        over = entry.kind == "response" and (done >= standing.size or entry.get("complete") is not True)
        phase = "downloading" if not over else "downloaded" if entry.get("complete") is True else "cut off"
        return replace(standing, phase=phase, done=done)
    return standing


_PHASES = {
    "flashed": "flashed",
    "start": "update started",
    "reset": "reset",
    "flash": "programmed",
    "look": "reading flash",
    "port_away": "port was away",
    "board_lost": "lost",
    "boot_loop": "boot loop",
}


def _of_bench(standing: Standing, entry: Entry) -> Standing:
    if entry.kind == "power":
        return replace(standing, phase="power on" if entry.get("on") is True else "power off")
    if entry.kind == "flashed":
        return replace(standing, phase=_PHASES[entry.kind], done=0, size=0)
    phase = _PHASES.get(entry.kind)
    return standing if phase is None else replace(standing, phase=phase)


def _number(value: Value) -> int:
    return value if isinstance(value, int) else 0


def told(standing: Standing, now: float) -> str:
    """The standing on a line of plain text; `now` in seconds since the epoch."""
    parts = [standing.phase]
    if standing.done or standing.size:
        parts.append(bytes_told(standing))
    parts += [counted(standing.events, "event"), counted(standing.boots, "boot"), f"{now - standing.began:.0f} s"]
    return shown(f"{standing.board}: {standing.scenario}: {', '.join(part for part in parts if part)}")


def shown(text: str) -> str:
    """The text without what would move a cursor: versions come from devices."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def bytes_told(standing: Standing) -> str:
    """How many bytes of how many."""
    kib = f"{standing.done // 1024}"
    return f"{kib}/{standing.size // 1024} KiB" if standing.size else f"{kib} KiB"


def counted(number: int, what: str) -> str:
    """``1 event``, ``2 events``; nothing for none."""
    return f"{number} {what}{'s' if number != 1 else ''}" if number else ""


def as_json(standing: Standing) -> str:
    """For another process, on one line."""
    return json.dumps(asdict(standing))


def from_json(text: str) -> Standing:
    """What `as_json` wrote; ValueError for anything else."""
    wanted = Standing("", "", 0.0)
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a standing: {error}") from None
    if not isinstance(given, dict) or given.keys() != asdict(wanted).keys():
        raise ValueError(f"not a standing: {str(given)[:80]}")
    for name, value in given.items():
        kind = type(getattr(wanted, name))
        if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool):
            raise ValueError(f"not a standing: {name} {value!r}")
    return Standing(**given)
