"""Dialect files: how a user's own firmware tells what it does, and how it is told its URL.

Documented in docs/dialects.md. Paths in it: none; the path *of* it is relative to the current folder on a command
line, and to the root folder of the project in boards.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from bench.console.dialects import Sign
from bench.console.patterns import Pattern
from bench.console.speech import PAYLOADS, Speech
from bench.errors import DialectError
from bench.ota.dialect import Dialect, Place, stock_lines
from bench.ota.dialect_fields import DIALECT
from bench.ota.told import Told
from bench.settings import Document, Record

__all__ = ["load_dialect", "parse_dialect"]

_FILE = Document("dialect file", DialectError)

_SIGNS = (
    ("prompt", Sign.ALIVE),
    ("given_up", Sign.REFUSED),
    ("success", Sign.REPORTED),
    ("confirmed", Sign.CONFIRMED),
)
_OF_NVS = ("namespace", "key")
_PREFIX = "ESP_HTTPS_OTA_"


def load_dialect(path: Path) -> Dialect:
    """Read a dialect file. Raises `DialectError` for anything that is not a valid one."""
    return _Reader(str(path), _FILE.load(path, DIALECT)).dialect()


def parse_dialect(data: bytes, *, path: str = "dialect.yaml") -> Dialect:
    """Parse the bytes of a dialect file; `path` is used in messages only."""
    return _Reader(path, _FILE.parse(data, path, DIALECT)).dialect()


class _Reader:
    """What no description of single fields can check, and the making of the dialect."""

    def __init__(self, path: str, record: Record) -> None:
        self._path = path
        self._record = record
        self._like = record.text("like", "advanced_https_ota")
        self._tags = frozenset(record.texts("tags"))

    def dialect(self) -> Dialect:
        lines = {name: self._patterns("lines", name) for name in self._names("lines")}
        events = [(name, pattern) for name in self._names("events") for pattern in self._patterns("events", name)]
        for pattern in lines.get("version", ()):
            if "version" not in pattern.names:
                raise self._wrong("lines", "version", f"{str(pattern)!r} has no {{version}}: put it where it stands")
        speech = Speech(
            name=self._record.text("project_name"),
            tags=self._tags,
            events=tuple((_PREFIX + name, pattern) for name, pattern in events),
            signs=tuple((sign, pattern) for name, sign in _SIGNS for pattern in lines.get(name, ())),
            versions=lines.get("version", ()),
        )
        payloads = {_PREFIX + name for name, pattern in events if PAYLOADS.get(_PREFIX + name, "") in pattern.names}
        return Dialect(
            tag=min(self._tags, default=""),
            prompt=self._told(lines["prompt"]),
            given_up=self._told(lines["given_up"]),
            success=self._told(lines["success"]),
            confirmed=self._told(lines["confirmed"]) if "confirmed" in lines else None,
            events=frozenset(_PREFIX + name for name, _ in events),
            payloads=frozenset(payloads),
            name=self._path,
            project_name=self._record.text("project_name"),
            like=self._like,
            can=frozenset(self._record.texts("can")),
            place=self._place(),
            speech=speech,
            instead=self._instead(),
        )

    def _names(self, section: str) -> tuple[str, ...]:
        record = self._record.record(section)
        return () if record is None else tuple(record)

    def _patterns(self, section: str, name: str) -> tuple[Pattern, ...]:
        record = self._record.record(section)
        assert record is not None
        patterns = []
        for text in record.texts(name):
            try:
                patterns.append(Pattern.parse(text))
            except ValueError as error:
                raise self._wrong(section, name, f"{text[:60]!r} {error}") from None
        return tuple(patterns)

    def _told(self, patterns: tuple[Pattern, ...]) -> Told:
        return Told(self._tags, patterns)

    def _place(self) -> Place:
        url = self._record.record("url")
        assert url is not None
        source = url.text("from")
        for name in url:
            allowed = {"nvs": (*_OF_NVS, "partition"), "compiled_in": ("embedded",)}.get(source, ())
            if name != "from" and name not in allowed:
                raise self._wrong("url", name, f"means nothing to a URL from {source}; remove the line")
        if source == "nvs":
            for name in _OF_NVS:
                if name not in url:
                    problem = f"a URL from nvs needs `{name}:`: where the firmware looks for it"
                    raise DialectError(self._path, self._record.lines["url"], "url", problem)
        return Place(source, url.text("embedded"), url.text("partition", "nvs"), url.text("namespace"), url.text("key"))

    def _instead(self) -> Mapping[str, Told]:
        """By the stock application's line; a name that begins none of its lines would never be asked for."""
        known = stock_lines(self._like)
        for text in self._names("instead"):
            if not any(line.startswith(text) for line in known):
                near = get_close_matches(text, known, n=1, cutoff=0.4)
                meant = f" (did you mean {near[0]!r}?)" if near else ""
                raise self._wrong("instead", text, f"begins no line of {self._like}{meant}")
        return MappingProxyType({text: self._told(self._patterns("instead", text)) for text in self._names("instead")})

    def _wrong(self, section: str, name: str, problem: str) -> DialectError:
        record = self._record.record(section)
        assert record is not None
        return DialectError(self._path, record.lines[name], f"{section}.{name[:40]}", problem)
