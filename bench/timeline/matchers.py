"""Matchers: what a scenario waits for, as values that can say in words what they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from bench.timeline.entries import Entry, Value

__all__ = ["AnyOf", "Boot", "Happening", "Matcher", "Said", "any_of", "booted", "happened", "panicked", "said"]


class Matcher(ABC):
    """Says whether an entry is the one that is meant; its `str()` is how failures name it."""

    @abstractmethod
    def matches(self, entry: Entry) -> bool:
        """Is it this entry?"""

    @abstractmethod
    def __str__(self) -> str: ...


@dataclass(frozen=True)
class Said(Matcher):
    """A log record of the firmware, see `said`."""

    tag: str | None
    text: str | None
    level: str | None

    def matches(self, entry: Entry) -> bool:
        """Is it a record with this tag (whole), level (whole) and text (anywhere in the message)?"""
        if entry.kind != "record" or entry.source != "console":
            return False
        message = entry.get("message")
        return (
            (self.tag is None or entry.get("tag") == self.tag)
            and (self.level is None or entry.get("level") == self.level)
            and (self.text is None or (isinstance(message, str) and self.text in message))
        )

    def __str__(self) -> str:
        return _call("said", {"tag": self.tag, "text": self.text, "level": self.level})


def said(*, tag: str | None = None, text: str | None = None, level: str | None = None) -> Said:
    """A log record: `tag` is the whole tag, `text` a part of the message, `level` one of E W I D V."""
    if tag is None and text is None and level is None:
        raise ValueError("said() needs a tag, a text or a level: any record at all says nothing")
    return Said(tag, text, level)


@dataclass(frozen=True)
class Boot(Matcher):
    """A boot into an application, see `booted`."""

    wanted: Mapping[str, Value]

    def matches(self, entry: Entry) -> bool:
        """Is it a boot with all these particulars?"""
        return entry.kind == "boot" and _holds(entry.data, self.wanted)

    def __str__(self) -> str:
        return _call("booted", self.wanted)


def booted(
    *,
    slot: str | None = None,
    version: str | None = None,
    secure_version: int | None = None,
    reset_reason: str | None = None,
    project_name: str | None = None,
) -> Boot:
    """A boot whose particulars the console could read and that are these; what is None does not matter.

    Args:
        slot: label of the application partition, ``"factory"``, ``"ota_0"`` ...
        version: application version (`esp_app_desc_t.version`)
        secure_version: `esp_app_desc_t.secure_version`
        reset_reason: as the ROM prints it, ``"POWERON"`` ...
        project_name: `esp_app_desc_t.project_name`
    """
    wanted: dict[str, Value] = {
        "slot": slot,
        "app_version": version,
        "secure_version": secure_version,
        "reset_reason": reset_reason,
        "project_name": project_name,
    }
    return Boot({name: value for name, value in wanted.items() if value is not None})


@dataclass(frozen=True)
class Happening(Matcher):
    """Any entry of a source and kind, see `happened`."""

    source: str
    kind: str
    wanted: Mapping[str, Value]

    def matches(self, entry: Entry) -> bool:
        """Is it of this source and kind, with all these particulars?"""
        return entry.source == self.source and entry.kind == self.kind and _holds(entry.data, self.wanted)

    def __str__(self) -> str:
        return _call(f"{self.source} {self.kind}", self.wanted)


def happened(source: str, kind: str, /, **wanted: Value) -> Happening:
    """An entry of that source and kind with these data: ``happened("server", "request", method="HEAD")``."""
    return Happening(source, kind, wanted)


def panicked() -> Happening:
    """A panic of the firmware."""
    return Happening("console", "panic", {})


@dataclass(frozen=True)
class AnyOf(Matcher):
    """Whichever of several comes, see `any_of`."""

    choices: tuple[Matcher, ...]

    def matches(self, entry: Entry) -> bool:
        """Does one of them match?"""
        return any(choice.matches(entry) for choice in self.choices)

    def __str__(self) -> str:
        return " or ".join(str(choice) for choice in self.choices)


def any_of(*choices: Matcher) -> AnyOf:
    """Whichever of these comes first."""
    if not choices:
        raise ValueError("any_of() needs something to choose from")
    return AnyOf(choices)


def _holds(data: Mapping[str, Value], wanted: Mapping[str, Value]) -> bool:
    return all(name in data and data[name] == value for name, value in wanted.items())


def _call(name: str, arguments: Mapping[str, Value]) -> str:
    told = ", ".join(f"{key}={value!r}" for key, value in arguments.items() if value is not None)
    return f"{name}({told})"
