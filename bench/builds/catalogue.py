"""The log strings of ESP-IDF, by component, as data: which are compiled in for which release, chip and option.

The files lie under `strings/app` and `strings/bootloader`. In them a string's key is its log level (E, W, I, D), or
P for text that is printed without a log prefix; `since` and `until` name release lines, `chips` targets, and `when`
the options it needs (`!option`: needs it off). Formats are those of the C sources with the PRI macros resolved as
they are for ESP-IDF's compilers.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from bench.builds.releases import Line, line_of

__all__ = ["LEVELS", "FormatString", "Vocabulary", "vocabulary"]

LEVELS = {"error": "EP", "warn": "EWP", "info": "EWIP", "debug": "EWIDP"}
"""CONFIG_LOG_DEFAULT_LEVEL by name, and the letters of the strings that it compiles in."""

_FIRST: Line = (0, 0)
_LAST: Line = (99, 0)


@dataclass(frozen=True)
class FormatString:
    """One C format string and what it takes to have it compiled in.

    Args:
        level: E, W, I, D, or P for text without a log prefix
        text: the format, without colour, timestamp, tag and newline of the log macros
        since: first release line that has it
        until: last release line that has it
        chips: targets that have it; empty for all
        when: options that must be on (or, with `!`, off)
    """

    level: str
    text: str
    since: Line
    until: Line
    chips: frozenset[str]
    when: tuple[str, ...]

    def compiled(self, line: Line, chip: str, options: frozenset[str], level: str) -> bool:
        """Whether a build of this release line, chip, options and log level has the string."""
        return (
            self.level in LEVELS[level]
            and self.since <= line <= self.until
            and (not self.chips or chip in self.chips)
            and all((name.removeprefix("!") in options) != name.startswith("!") for name in self.when)
        )


@dataclass(frozen=True)
class Vocabulary:
    """One component's strings and the tags it logs them under."""

    tags: tuple[str, ...]
    strings: tuple[FormatString, ...]


@cache  # the files are part of the package and never change
def vocabulary(group: str, component: str) -> Vocabulary:
    """What one component says.

    Args:
        group: ``"app"`` or ``"bootloader"``
        component: the file's name without ``.toml``
    """
    text = files("bench.builds").joinpath("strings", group, f"{component}.toml").read_text("utf-8")
    data = tomllib.loads(text)
    strings = [_format_string(row) for source in data["source"] for row in source["strings"]]
    return Vocabulary(tuple(data["tags"]), tuple(strings))


def _format_string(row: dict[str, Any]) -> FormatString:
    (level,) = row.keys() & set("EWIDP")
    when = row.get("when", ())
    return FormatString(
        level=level,
        text=row[level],
        since=line_of(row["since"]) if "since" in row else _FIRST,
        until=line_of(row["until"]) if "until" in row else _LAST,
        chips=frozenset(_listed(row.get("chips", ()))),
        when=tuple(_listed(when)),
    )


def _listed(value: str | Iterable[str]) -> Iterable[str]:
    return (value,) if isinstance(value, str) else value
