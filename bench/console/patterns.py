"""Lines of a user's own firmware as patterns: text with placeholders, matched whole and in linear time.

``Next boot from {slot}``: everything outside braces stands for itself, ``{any}`` for whatever comes, the others for
values of a bounded form. There are no regular expressions for users to write: a wrong one can take minutes a line.
A pattern is cut at its ``{any}`` into pieces, and the first place where a piece fits is the right one for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["LONGEST", "PLACEHOLDERS", "Pattern"]

LONGEST = 200
"""Characters of a pattern."""

_NUMBER = r"(?<![0-9A-Za-z_])(?:0x[0-9a-fA-F]{1,8}|[0-9]{1,10})(?![0-9A-Za-z_])"

PLACEHOLDERS: Mapping[str, str] = MappingProxyType(
    {
        "bytes": r"(?<![0-9])[0-9]{1,10}(?![0-9])",
        "total": r"(?<![0-9])[0-9]{1,10}(?![0-9])",
        "chip": _NUMBER,
        "revision": _NUMBER,
        "slot": r"(?<![0-9A-Za-z_])(?:factory|test|ota_(?:1[0-5]|[0-9])|0x[0-9a-fA-F]{1,2}|[0-9]{1,2})(?![0-9A-Za-z_])",
        "version": r"\S{1,31}",
    }
)
"""The form of every placeholder but ``{any}``."""

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_LEAST = 3
"""Letters or digits of its own that a pattern must have, or it would match nearly anything."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line; `str()` gives what the user wrote."""

    text: str
    names: frozenset[str]
    """The placeholders that have a value."""
    pieces: tuple[re.Pattern[str], ...]

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern. Raises ValueError, with the mend, for one that is none."""
        if len(text) > LONGEST:
            raise ValueError(f"is longer than {LONGEST} characters; `{{any}}` stands for the rest of a line")
        pieces, names, literal, at = [""], set(), "", 0
        for part in _PART.finditer(text):
            literal += text[at : part.start()]
            pieces[-1] += re.escape(text[at : part.start()])
            at = part.end()
            name = part[1]
            if part[0] in ("{{", "}}"):
                pieces[-1] += re.escape(part[0][0])
            elif name == "any":
                pieces.append("")
            elif name is None or name not in PLACEHOLDERS:
                known = ", ".join(f"{{{one}}}" for one in ("any", *PLACEHOLDERS))
                raise ValueError(f"has {part[0]!r}, which is no placeholder: known are {known}; a brace is `{{{{`")
            elif name in names:
                raise ValueError(f"has {{{name}}} twice; keep one, and `{{any}}` for the other")
            else:
                names.add(name)
                pieces[-1] += f"(?P<{name}>{PLACEHOLDERS[name]})"
        literal += text[at:]
        pieces[-1] += re.escape(text[at:])
        if sum(character.isalnum() for character in literal) < _LEAST:
            raise ValueError(f"must have {_LEAST} letters of its own, or it would match nearly any line")
        pieces[-1] += r"\Z"
        return cls(text, frozenset(names), tuple(re.compile(piece) for piece in pieces))

    def match(self, line: str) -> dict[str, str] | None:
        """The values of its placeholders where the line is this one, else None; blanks at its end do not count."""
        line = line.rstrip()
        values: dict[str, str] = {}
        at = 0
        for number, piece in enumerate(self.pieces):
            found = piece.search(line, at) if number else piece.match(line)
            if found is None:
                return None
            values |= found.groupdict()
            at = found.end()
        return values
