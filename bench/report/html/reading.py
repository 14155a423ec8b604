"""The evidence of one run as it lies on disk, read with whatever is wrong with it said and nothing believed.

A page is most wanted where things went wrong, so nothing that can be in a file stops it: a line that is cut, a file
that is missing, an outcome that was never written are told on the page, in the scenario's own place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import BenchError
from bench.report.html.parting import LONGEST_RUN, Parted, part, told_console
from bench.report.html.untrusted import DEEPEST, is_deep, parse

__all__ = ["OUTCOMES", "Case", "RunFacts", "cases", "run_facts"]

OUTCOMES = ("failed", "error", "unfinished", "unknown", "passed", "skipped")
"""How a scenario can have ended, in the order in which somebody wants to see them."""

_MOST_BYTES = 64 << 20
"""Of one file; what is longer is read up to here."""


@dataclass(frozen=True)
class Case:
    """One scenario on one board, as its folder tells it.

    Attributes:
        outcome: one of `OUTCOMES`: ``unfinished`` where the scenario never came to its end, ``unknown`` where what it
            left does not say
        told: `outcome.json`, empty where there is none
        console: the bytes of the console; where they are missing, what the timeline has of them
        damage: what is wrong with the evidence, one sentence each
        left_out: what is sound, and more than a page can hold, one sentence each
        files: names of what lies in the folder
    """

    board: str
    name: str
    folder: Path
    outcome: str
    told: Mapping[str, object]
    timeline: Parted = field(default_factory=Parted)
    console: bytes = b""
    images: tuple[Mapping[str, object], ...] = ()
    damage: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    files: frozenset[str] = frozenset()

    def text(self, name: str) -> str:
        """A particular of the outcome as text; empty where it is none."""
        value = self.told.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> float | None:
        """A particular of the outcome as a number."""
        value = self.told.get(name)
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LONGEST_RUN
        return float(value) if number else None  # type: ignore[arg-type]  # `number` says that it is one

    @property
    def kind(self) -> str:
        """``model``, ``emulator`` or ``hardware``; empty where the evidence does not say."""
        if self.told.get("virtual") is True:
            return "model"
        if self.told.get("emulated") is True:
            return "emulator"
        return "hardware" if self.told.get("virtual") is False else ""


@dataclass(frozen=True)
class RunFacts:
    """What `run.json` says of the run as a whole; nothing at all for a run that left none."""

    told: Mapping[str, object] = field(default_factory=dict)
    damage: tuple[str, ...] = ()

    @property
    def interrupted(self) -> bool:
        """Was it broken off, or did it never come to its end?"""
        return bool(self.told.get("interrupted")) or ("started" in self.told and "ended" not in self.told)


def run_facts(folder: Path) -> RunFacts:
    """What is known of the run."""
    path = folder / "run.json"
    if not path.exists():
        return RunFacts()
    told, damage = _object(path)
    return RunFacts(told, (damage,) if damage else ())


def cases(folder: Path) -> Iterator[Case]:
    """Every scenario of the run, by board and name; each is read when it is asked for."""
    for board in sorted(path for path in _folders(folder) if path.name != "pytest-embedded"):
        for scenario in sorted(_folders(board)):
            files = frozenset(entry.name for entry in _listed(scenario))
            if files & {"outcome.json", "timeline.jsonl", "console.raw"}:
                yield _case(board.name, scenario, files)


def _folders(folder: Path) -> list[Path]:
    return [folder / entry.name for entry in _listed(folder) if entry.is_dir() and not entry.name.startswith(".")]


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError as error:
        raise BenchError(f"{folder} cannot be read: {error.strerror or error}") from None


def _case(board: str, folder: Path, files: frozenset[str]) -> Case:
    damage: list[str] = []
    outcome, told = "unfinished", dict[str, object]()
    if "outcome.json" in files:
        told, problem = _object(folder / "outcome.json")
        named = told.get("outcome")
        outcome = named if isinstance(named, str) and named in OUTCOMES else "unknown"
        if problem or outcome == "unknown":
            damage.append(problem or f"outcome.json does not tell an outcome: {str(named)[:80]}")
    ran = outcome != "skipped" and told.get("evidence") is not False
    left_out: list[str] = []
    lines = _timeline(folder / "timeline.jsonl", damage, left_out) if ran else b""
    timeline = _parted(lines, told.get("confirmed_by"), damage)
    console = _shown(folder / "console.raw", damage, left_out) if ran else b""
    console = console if console is not None else told_console(lines)
    images = tuple(_images(folder / "images.json", damage)) if ran else ()
    sentences = tuple(damage), tuple(left_out)
    return Case(board, folder.name, folder, outcome, told, timeline, console, images, *sentences, files)


def _timeline(path: Path, damage: list[str], left_out: list[str]) -> bytes:
    """The lines of a timeline."""
    before = len(left_out)
    data = _shown(path, damage, left_out)
    if data is None:
        return b""
    if len(left_out) > before:  # its last line is only begun
        return data[: data.rfind(b"\n") + 1]
    return data


def _parted(data: bytes, confirmed_by: object, damage: list[str]) -> Parted:
    parted, broken = part(data, confirmed_by if isinstance(confirmed_by, str) else "")
    if broken:
        where = ", ".join(map(str, broken[:5])) + (" …" if len(broken) > 5 else "")
        damage.append(f"timeline.jsonl: {len(broken)} lines are damaged and left out (line {where})")
    return parted


def _images(path: Path, damage: list[str]) -> Iterator[Mapping[str, object]]:
    told = _json(path, damage)
    for image in told if isinstance(told, list) else ():
        if isinstance(image, dict):
            yield image
    if told is not None and not isinstance(told, list):
        damage.append("images.json is not a list of images")


def _object(path: Path) -> tuple[dict[str, object], str]:
    """The JSON object in a file; an empty one and what is wrong with it otherwise."""
    damage: list[str] = []
    told = _json(path, damage)
    if isinstance(told, dict):
        return told, ""
    return {}, damage[0] if damage else f"{path.name} is no JSON object"


def _json(path: Path, damage: list[str]) -> object:
    data = _bytes(path, damage)
    if data is None:
        return None
    try:
        told = parse(data)
    except ValueError as error:
        damage.append(f"{path.name} is damaged: {error}")
        return None
    if is_deep(told):
        damage.append(f"{path.name} is damaged: it is nested more than {DEEPEST} deep")
        return None
    return told


def _shown(path: Path, damage: list[str], left_out: list[str]) -> bytes | None:
    """As much of a file as a page holds."""
    data = _bytes(path, damage)
    if data is None or len(data) <= _MOST_BYTES:
        return data
    left_out.append(f"{path.name} is larger than {_MOST_BYTES >> 20} MiB: what lies behind that is left out")
    return data[:_MOST_BYTES]


def _bytes(path: Path, damage: list[str]) -> bytes | None:
    """A file; of one that is longer than a page holds a byte more than that."""
    try:
        with path.open("rb") as file:
            return file.read(min(os.fstat(file.fileno()).st_size, _MOST_BYTES) + 1)
    except FileNotFoundError:
        damage.append(f"{path.name} is missing")
    except OSError as error:
        damage.append(f"{path.name} cannot be read: {error.strerror or error}")
    return None
