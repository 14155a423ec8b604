"""An expectation that was not met, as data: what was wanted, what came of each step, and where the timeline left it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from bench.timeline.entries import Entry

__all__ = ["Fate", "Unmet", "Wanted"]

Fate: TypeAlias = Literal["came", "here", "left out", "awaited", "never"]
"""What became of a step: it came; it was due where the expectation failed; it could be left out, and was; it would
have come later; it must never come."""

_MARKS: Mapping[Fate, str] = MappingProxyType(
    {"came": "   ok", "here": ">> ..", "left out": "   --", "awaited": "   ..", "never": "   !!"}
)


@dataclass(frozen=True)
class Wanted:
    """One step of an expectation.

    Attributes:
        text: the step, in words
        entry: the newest entry that was this step; None where none was
        times: how many entries were
    """

    text: str
    fate: Fate
    entry: Entry | None = None
    times: int = 1

    def __str__(self) -> str:
        line = f"{_MARKS[self.fate]} {self.text}"
        if self.fate == "here":
            return f"{line}   <- here"
        if self.entry is None:
            return line
        often = f", {self.times} times" if self.times > 1 else ""
        return f"{line}   #{self.entry.index}, {self.entry.at:.3f} s{often}"


@dataclass(frozen=True)
class Unmet:
    """An expectation that was not met.

    Attributes:
        wanted: its steps, in order
        instead: what came in place of the step that was due, in words
        index: of the entry where the timeline left it; None where nothing came
    """

    wanted: tuple[Wanted, ...]
    instead: str
    index: int | None = None

    def as_data(self) -> dict[str, object]:
        """The same for JSON: ``wanted`` (``text``, ``fate``, ``index``, ``times``), ``instead``, ``index``."""
        steps = [
            {"text": step.text, "fate": step.fate, "index": step.entry.index if step.entry else None}
            | ({"times": step.times} if step.times > 1 else {})
            for step in self.wanted
        ]
        return {"wanted": steps, "instead": self.instead, "index": self.index}
