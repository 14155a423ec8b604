"""One entry of the timeline, and how it is written to and read from a line of JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TypeAlias

import orjson

from bench.errors import FormatError

__all__ = ["Entry", "Value", "from_json", "plain", "to_json", "to_jsonl", "to_line"]

Value: TypeAlias = "bool | int | float | str | bytes | tuple[Value, ...] | Mapping[str, Value] | None"
"""What the data of an entry is made of: immutable, and the same again after a round trip through JSON."""

_BYTES = "$hex"


def _jsonable(value: object) -> object:
    """What JSON has no form for by itself."""
    if isinstance(value, MappingProxyType):
        return value.copy()
    if isinstance(value, bytes):
        return {_BYTES: value.hex()}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a timeline holds plain values, not {type(value).__name__}: {value!r}")


# json.dumps makes an encoder for every call that wants something of its own, which takes longer than the entry.
_encode_any = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False, default=_jsonable).encode


def _encoded(value: object) -> str | None:
    """ASCII JSON by orjson, in a tenth of json's time; None for what it has other bytes for, or none.

    It knows dataclasses: an entry becomes an object of its fields.
    """
    try:
        data = orjson.dumps(value, default=_jsonable)
    except orjson.JSONEncodeError:  # a number of more than 64 bits, half of a surrogate pair
        return None
    return data.decode("ascii") if data.isascii() else None


@dataclass(frozen=True)
class Entry:
    """Something that happened while a scenario ran.

    Attributes:
        index: place in the timeline, from 0
        at: seconds since the timeline's clock started
        source: who saw it: ``console``, ``server``, ``board`` or ``bench``
        kind: what it is: ``record``, ``event``, ``boot``, ``panic``, ``noise``, ``request``, ``fault`` ...
        data: the particulars, read-only
    """

    index: int
    at: float
    source: str
    kind: str
    data: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    def get(self, name: str) -> Value:
        """One particular, None where the entry has none of that name."""
        return self.data.get(name)


def plain(value: object) -> Value:
    """The value in immutable form; TypeError for what a timeline cannot hold, ValueError for NaN and infinity."""
    if isinstance(value, Enum):
        # An IntEnum or a StrEnum is its value; any other is known by its name.
        return plain(value.value) if isinstance(value, int | str) else value.name
    if value is None or isinstance(value, bool | int | str | bytes):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a timeline holds no {value}")
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str) or name.startswith("$"):
                raise TypeError(f"a timeline's names are strings that do not begin with $, not {name!r}")
        return MappingProxyType({name: plain(item) for name, item in value.items()})
    raise TypeError(f"a timeline holds plain values, not {type(value).__name__}: {value!r}")


def to_json(entry: Entry) -> str:
    """One line of ASCII JSON without its newline; keys in a stable order, bytes as ``{"$hex": "..."}``."""
    return _encoded(entry) or _encode_any(vars(entry))


def to_line(values: Mapping[str, object]) -> str:
    """One line of ASCII JSON without its newline: values of a timeline, as `to_json` writes those of an entry."""
    return _encoded(values) or _encode_any(values)


def to_jsonl(entries: Sequence[Entry]) -> str:
    """The line of each entry, with newlines: what `to_json` makes of them, in half its time where all are ASCII.

    They are encoded together and then parted. JSON has a quote in a text escaped, so where they are parted can be
    taken for data only if that holds objects with an index of their own; there would be too many lines then.
    """
    whole = _encoded(list(entries))
    if whole is not None:
        lines = whole[1:-1].replace('},{"index":', '}\n{"index":')
        if lines.count("\n") == len(entries) - 1:
            return lines + "\n"
    return "".join(to_json(entry) + "\n" for entry in entries)


def from_json(line: str, *, line_no: int = 1) -> Entry:
    """The entry that `to_json` wrote; FormatError (offset = place in the line) for anything else."""
    subject = f"timeline, line {line_no}"
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise FormatError(subject, error.pos, error.msg, "one JSON object") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(subject, 0, str(error), "one JSON object") from error
    if not isinstance(fields, dict):
        raise FormatError(subject, 0, type(fields).__name__, "one JSON object")
    index, at, data = fields.get("index"), fields.get("at"), fields.get("data", {})
    source, kind = fields.get("source"), fields.get("kind")
    if isinstance(index, bool) or not isinstance(index, int):
        raise FormatError(subject, 0, f"index {index!r}", "a whole number")
    # math.isfinite would raise for a whole number that is larger than any float.
    if isinstance(at, bool) or not isinstance(at, int | float) or not -math.inf < at < math.inf:
        raise FormatError(subject, 0, f"at {at!r}", "seconds")
    if not isinstance(source, str) or not isinstance(kind, str):
        raise FormatError(subject, 0, f"source {source!r}, kind {kind!r}", "two strings")
    if not isinstance(data, dict):
        raise FormatError(subject, 0, f"data {data!r}", "an object")
    try:
        particulars = {name: plain(_from_jsonable(value)) for name, value in data.items()}
        return Entry(index, float(at), source, kind, MappingProxyType(particulars))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise FormatError(subject, 0, str(error), "plain values") from error


def _from_jsonable(value: object) -> object:
    if isinstance(value, dict):
        if value.keys() == {_BYTES}:
            return bytes.fromhex(value[_BYTES])
        return {name: _from_jsonable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_from_jsonable(item) for item in value]
    return value
