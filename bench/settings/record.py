"""The values of one mapping in a settings file, with the line that it starts on and typed access to each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["Record"]


@dataclass(frozen=True, slots=True)
class Record:
    """What was read by a `Fields` or `Named`: every value has been checked against its kind already."""

    line: int
    values: Mapping[str, object]
    lines: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """On which line each field's name stands (from 1)."""

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def text(self, name: str, default: str = "") -> str:
        """A `Text` field."""
        value = self.values.get(name, default)
        assert isinstance(value, str)
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """A `Flag` field."""
        value = self.values.get(name, default)
        assert isinstance(value, bool)
        return value

    def whole(self, name: str, default: int = 0) -> int:
        """A `Whole` field."""
        value = self.values.get(name, default)
        assert isinstance(value, int)
        return value

    def number(self, name: str, default: float = 0.0) -> float:
        """A `Number` field."""
        value = self.values.get(name, default)
        assert isinstance(value, float)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A `ListOf(Text)` field; empty where it is not given."""
        value = self.values.get(name, ())
        assert isinstance(value, tuple)
        return value

    def records(self, name: str) -> tuple[Record, ...]:
        """A `ListOf(Fields)` field; empty where it is not given."""
        value = self.values.get(name, ())
        assert isinstance(value, tuple)
        return value

    def record(self, name: str) -> Record | None:
        """A `Fields` or `Named` field; None where it is not given."""
        value = self.values.get(name)
        assert value is None or isinstance(value, Record)
        return value
