"""What several commands read from their command line: numbers, days; each says what was expected instead."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import date

__all__ = ["assignment", "count", "day", "number"]


def number(text: str) -> int:
    """Decimal, or hexadecimal as 0x8000; not below 0."""
    try:
        found = int(text, 0)
    except ValueError:
        raise ArgumentTypeError(f"{text!r}: expected a number, as 4096 or 0x1000") from None
    if found < 0:
        raise ArgumentTypeError(f"{text!r}: expected a number that is not below 0")
    return found


def count(text: str) -> int:
    """At least 1."""
    found = number(text)
    if found < 1:
        raise ArgumentTypeError(f"{text!r}: expected at least 1")
    return found


def day(text: str) -> date:
    """A day as ISO 8601 writes it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r}: expected a day as YYYY-MM-DD, e.g. 2026-03-01") from None


def assignment(text: str) -> tuple[str, str]:
    """NAME=VALUE; a name may have hyphens in place of underscores."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ArgumentTypeError(f"{text!r}: expected FIELD=VALUE")
    return name.replace("-", "_"), value
