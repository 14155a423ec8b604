"""Matchers for the lines of a user's own firmware."""

from __future__ import annotations

from dataclasses import dataclass

from bench.console.patterns import Pattern
from bench.timeline import Entry, Matcher

__all__ = ["Told"]


@dataclass(frozen=True)
class Told(Matcher):
    """One of these lines: a log record with one of these tags, or a bare line where there are none."""

    tags: frozenset[str]
    patterns: tuple[Pattern, ...]

    def matches(self, entry: Entry) -> bool:
        """Is it one of them?"""
        if entry.source != "console" or entry.kind != ("record" if self.tags else "noise"):
            return False
        if self.tags and entry.get("tag") not in self.tags:
            return False
        line = entry.get("message" if self.tags else "text")
        return isinstance(line, str) and any(pattern.match(line) is not None for pattern in self.patterns)

    def __str__(self) -> str:
        lines = " or ".join(repr(str(pattern)) for pattern in self.patterns)
        return f"told({', '.join(sorted(self.tags))}: {lines})" if self.tags else f"told({lines})"
