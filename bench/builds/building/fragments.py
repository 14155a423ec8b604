"""The sdkconfig fragments of `fragments.toml`: which symbols one sets, for an application, a chip and a release."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from bench.builds.releases import Line, line_of
from bench.builds.sdkconfig import Sdkconfig, Value, as_lines

__all__ = ["FRAGMENTS", "Aim", "Fragment", "Row"]

_FIRST: Line = (0, 0)
_LAST: Line = (99, 0)


@dataclass(frozen=True)
class Aim:
    """What a build is made of: the application's project name, the chip, and the release line of ESP-IDF."""

    app: str
    chip: str
    line: Line


@dataclass(frozen=True)
class Row:
    """One symbol with its value, and where it applies; empty `apps` and `chips` mean all."""

    symbol: str
    value: Value
    since: Line
    until: Line
    apps: frozenset[str]
    chips: frozenset[str]

    def applies(self, aim: Aim) -> bool:
        """Does a build for this aim set the symbol?"""
        return (
            self.since <= aim.line <= self.until
            and (not self.apps or aim.app in self.apps)
            and (not self.chips or aim.chip in self.chips)
        )


@dataclass(frozen=True)
class Fragment:
    """One fragment: its name, what it is for, and its rows."""

    name: str
    about: str
    rows: tuple[Row, ...]

    def symbols(self, aim: Aim) -> Sdkconfig:
        """The symbols without CONFIG_ that it sets for this aim; empty where it has nothing to say there."""
        return MappingProxyType({row.symbol: row.value for row in self.rows if row.applies(aim)})

    def text(self, aim: Aim) -> str:
        """The fragment as ESP-IDF reads it (SDKCONFIG_DEFAULTS)."""
        return "\n".join([f"# {self.name}: {self.about}", *as_lines(self.symbols(aim))]) + "\n"


def _row(data: Mapping[str, Any]) -> Row:
    (symbol,) = (name for name in data if name.isupper())
    return Row(
        symbol=symbol,
        value=data[symbol],
        since=line_of(data["since"]) if "since" in data else _FIRST,
        until=line_of(data["until"]) if "until" in data else _LAST,
        apps=frozenset(data.get("apps", ())),
        chips=frozenset(data.get("chips", ())),
    )


@cache  # the file is part of the package and never changes
def _read() -> Mapping[str, Fragment]:
    data = tomllib.loads(files(__package__).joinpath("fragments.toml").read_text("utf-8"))
    return MappingProxyType(
        {name: Fragment(name, one["about"], tuple(map(_row, one["symbols"]))) for name, one in data.items()}
    )


FRAGMENTS: Mapping[str, Fragment] = _read()
"""Every fragment, by name."""
