"""The Range header of RFC 9110, section 14: one range of bytes, or nothing that can be served as one."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["UNSATISFIABLE", "Span", "Unsatisfiable", "asked_span"]

_SPEC = re.compile(r"(?P<first>[0-9]*)-(?P<last>[0-9]*)", re.ASCII)
_DIGITS = 18  # more digits than any file has bytes: read as "beyond the end", and never turned into huge integers


@dataclass(frozen=True)
class Span:
    """Bytes `first` up to and without `stop`; never empty."""

    first: int
    stop: int

    def content_range(self, size: int) -> str:
        """The Content-Range header for this part of `size` bytes."""
        return f"bytes {self.first}-{self.stop - 1}/{size}"


@dataclass(frozen=True)
class Unsatisfiable:
    """A well-formed range that holds no byte of the file: 416."""


UNSATISFIABLE = Unsatisfiable()


def asked_span(header: str | None, size: int) -> Span | Unsatisfiable | None:
    """What a Range header asks of a file of `size` bytes.

    None where the whole file is to be served: without the header, with one that is malformed or of another unit
    (section 14.2: ignored), and with several ranges, which this server does not serve.
    """
    if header is None:
        return None
    unit, equals, ranges = header.partition("=")
    match = _SPEC.fullmatch(ranges.strip(" \t"))
    if not equals or unit.strip(" \t").lower() != "bytes" or match is None:
        return None
    first, last = _number(match["first"]), _number(match["last"])
    if first is None and last is None:
        return None
    if first is None:
        assert last is not None
        return Span(max(0, size - last), size) if last and size else UNSATISFIABLE
    if last is not None and last < first:
        return None
    if first >= size:
        return UNSATISFIABLE
    return Span(first, size if last is None else min(last + 1, size))


def _number(digits: str) -> int | None:
    if not digits:
        return None
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS
