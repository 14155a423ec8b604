"""What several commands read from their command line: numbers, days; each says what was expected instead."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import date

__all__ = ["assignment", "count", "day", "number", "text"]


def number(word: str) -> int:
    """Decimal, or hexadecimal as 0x8000; not below 0."""
    try:
        found = int(word, 0)
    except ValueError:
        raise ArgumentTypeError(f"{word!r}: expected a number, as 4096 or 0x1000") from None
    if found < 0:
        raise ArgumentTypeError(f"{word!r}: expected a number that is not below 0")
    return found


def count(word: str) -> int:
    """At least 1."""
    found = number(word)
    if found < 1:
        raise ArgumentTypeError(f"{word!r}: expected at least 1")
    return found


def day(word: str) -> date:
    """A day as ISO 8601 writes it."""
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise ArgumentTypeError(f"{word!r}: expected a day as YYYY-MM-DD, e.g. 2026-03-01") from None


def assignment(word: str) -> tuple[str, str]:
    """NAME=VALUE; a name may have hyphens in place of underscores."""
    name, equals, value = word.partition("=")
    if not equals or not name:
        raise ArgumentTypeError(f"{word!r}: expected FIELD=VALUE")
    return name.replace("-", "_"), value


def text(word: str) -> str:
    """Bytes that are no UTF-8 come from the command line as surrogates, which nothing can hold."""
    try:
        word.encode()
    except UnicodeEncodeError:
        raise ArgumentTypeError(f"{word!r}: expected text in UTF-8") from None
    return word
