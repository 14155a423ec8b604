"""The kinds of value that a settings file can hold; each reads a YAML node or says what is wrong with it and where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Protocol

import yaml

from bench.errors import SettingsError
from bench.settings.record import Record

__all__ = ["Fields", "Flag", "Kind", "ListOf", "Named", "Number", "Place", "Some", "Text", "Whole"]

_SCALARS = (":str", ":int", ":float", ":timestamp")
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")
"""What escapes can put into a text (`"\\uD800"`), and no file name, process or output takes: NUL, half characters."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which file a value stands, as messages name it."""

    path: str
    field: str
    error: type[SettingsError]
    line: int = 1
    """Where its name stands, from 1."""

    def within(self, name: str, key: yaml.Node) -> Place:
        """The place of a field of this one."""
        return Place(self.path, f"{self.field}.{name}" if self.field else name, self.error, _line(key))

    def wrong(self, node: yaml.Node, problem: str) -> SettingsError:
        """The exception that names this place, the line of the node, and what is wrong with it."""
        return self.error(self.path, _line(node), self.field or "file", problem)

    def lacks(self, problem: str) -> SettingsError:
        """The same for something that is not there: the line is that of the place's own name."""
        return self.error(self.path, self.line, self.field or "file", problem)


class Kind(Protocol):
    """What a value may be."""

    @property
    def about(self) -> str:
        """One sentence for the user, shown by editors."""

    def read(self, node: yaml.Node, place: Place) -> object:
        """The value of a node. Raises the place's error where it is none of this kind."""


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text, or one of a few words, or text of a form that `form` (a regular expression) and `told` say."""

    about: str
    choices: tuple[str, ...] = ()
    form: str = ""
    told: str = ""

    def read(self, node: yaml.Node, place: Place) -> str:
        """The text; a number is taken as it is written."""
        if not isinstance(node, yaml.ScalarNode) or not node.tag.endswith(_SCALARS):
            raise place.wrong(node, f"must be text, not {_shown(node)}")
        value = _text(node, place)
        if not value.strip():
            raise place.wrong(node, "must not be empty")
        if self.choices and value not in self.choices:
            known = ", ".join(self.choices)
            raise place.wrong(node, f"is {_cut(value)!r}{_meant(value, self.choices)}; known are {known}")
        if self.form and re.fullmatch(self.form, value) is None:
            raise place.wrong(node, f"must be {self.told}, not {_shown(node)}")
        return value


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    about: str

    def read(self, node: yaml.Node, place: Place) -> bool:
        """The truth value."""
        if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:bool":
            raise place.wrong(node, f"must be true or false, not {_shown(node)}")
        return node.value.lower() in ("true", "yes", "on")


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number between two others, both included; decimal or 0x…."""

    about: str
    least: int
    most: int

    def read(self, node: yaml.Node, place: Place) -> int:
        """The number."""
        wanted = f"must be a whole number from {self.least} to {self.most}"
        if not isinstance(node, yaml.ScalarNode) or not re.fullmatch(r"-?[0-9]{1,18}|0x[0-9a-fA-F]{1,15}", node.value):
            raise place.wrong(node, f"{wanted}, not {_shown(node)}")
        value = int(node.value, 16 if node.value.startswith("0x") else 10)
        if not self.least <= value <= self.most:
            raise place.wrong(node, f"{wanted}, not {value}")
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A number between two others, both included."""

    about: str
    least: float
    most: float

    def read(self, node: yaml.Node, place: Place) -> float:
        """The number."""
        wanted = f"must be a number from {self.least:g} to {self.most:g}"
        plain = isinstance(node, yaml.ScalarNode) and re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", node.value)
        if not plain or not self.least <= float(node.value) <= self.most:
            raise place.wrong(node, f"{wanted}, not {_shown(node)}")
        return float(node.value)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values of one kind."""

    kind: Kind
    about: str
    least: int = 0

    def read(self, node: yaml.Node, place: Place) -> tuple[object, ...]:
        """The values in their order."""
        if not isinstance(node, yaml.SequenceNode):
            raise place.wrong(node, f"must be a list (`[a, b]`), not {_shown(node)}")
        if len(node.value) < self.least:
            raise place.wrong(node, f"must hold at least {self.least}")
        return tuple(self.kind.read(item, place) for item in node.value)


@dataclass(frozen=True, slots=True)
class Some:
    """One value of a kind, or a list of them."""

    kind: Kind
    about: str

    def read(self, node: yaml.Node, place: Place) -> tuple[object, ...]:
        """The values in their order, one at least."""
        if isinstance(node, yaml.SequenceNode):
            return ListOf(self.kind, self.about, least=1).read(node, place)
        return (self.kind.read(node, place),)


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping with the fields that are listed here.

    Of each group in `either` exactly one field must be given; of each in `at_most_one` one or none.
    """

    about: str
    fields: Mapping[str, Kind]
    required: tuple[str, ...] = ()
    either: tuple[tuple[str, ...], ...] = ()
    at_most_one: tuple[tuple[str, ...], ...] = ()

    def read(self, node: yaml.Node, place: Place) -> Record:
        """The values by name."""
        pairs = _pairs(node, place)
        values = {}
        for name, (key, value) in pairs.items():
            if name not in self.fields:
                known = ", ".join(self.fields)
                problem = f"is no field of this place{_meant(name, self.fields)}; known are {known}"
                raise place.within(_cut(name), key).wrong(key, problem)
            values[name] = self.fields[name].read(value, place.within(name, key))
        for name in self.required:
            if name not in values:
                raise place.lacks(f"has no `{name}:`: {self.fields[name].about}")
        for group in self.either:
            if not any(name in values for name in group):
                raise place.lacks(f"needs one of {_listed(group)}")
        for group in (*self.either, *self.at_most_one):
            given = [name for name in group if name in values]
            if len(given) > 1:
                key = pairs[given[1]][0]
                raise place.within(given[1], key).wrong(key, f"cannot stand beside `{given[0]}:`; keep one")
        lines = {name: _line(key) for name, (key, _) in pairs.items()}
        return Record(_line(node), MappingProxyType(values), MappingProxyType(lines))


@dataclass(frozen=True, slots=True)
class Named:
    """A mapping whose names the user chooses, and whose values are all of one kind."""

    kind: Kind
    about: str
    noun: str
    """What it is that has a name: ``board``."""
    least: int = 0
    form: str = field(default=r"[^\x00-\x20\x7f]{1,64}")
    """What a name may look like (a regular expression)."""

    def read(self, node: yaml.Node, place: Place) -> Record:
        """The values by name, in their order."""
        pairs = _pairs(node, place)
        if len(pairs) < self.least:
            raise place.lacks(f"names no {self.noun}")
        values = {}
        for name, (key, value) in pairs.items():
            if re.fullmatch(self.form, name) is None:
                raise place.wrong(key, f"{_cut(name)!r} is no name for a {self.noun}: at most 64 characters, no blanks")
            values[name] = self.kind.read(value, place.within(name, key))
        lines = {name: _line(key) for name, (key, _) in pairs.items()}
        return Record(_line(node), MappingProxyType(values), MappingProxyType(lines))


def _pairs(node: yaml.Node, place: Place) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise place.wrong(node, f"must be a mapping (`name: …`), not {_shown(node)}")
    pairs: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for key, value in node.value:
        name = _name(key, place)
        if name in pairs:
            raise place.within(name, key).wrong(key, "is given twice; keep one")
        pairs[name] = (key, value)
    return pairs


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _name(key: yaml.Node, place: Place) -> str:
    """The name as it is written: to YAML 1.1 `on:` is a truth value, to everybody else a name."""
    if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge" or not key.value.strip():
        raise place.wrong(key, f"must be text, not {_shown(key)}")
    return _text(key, place)


def _text(node: yaml.ScalarNode, place: Place) -> str:
    """The text of a node, where it is one that can be written down again."""
    value = str(node.value)
    if found := _NO_TEXT.search(value):
        raise place.wrong(node, f"holds {found[0]!r}, which is no character; write the one that is meant itself")
    return value


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    value = str(node.value)
    return "nothing" if not value else repr(_cut(value))


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"


def _meant(value: str, known: Iterable[str]) -> str:
    near = get_close_matches(value[:100], list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}:`" for name in names)
