"""Secrets hidden in a stream of bytes, wherever the chunks are cut."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["Redactor"]


class Redactor:
    """Puts the name of a secret in its place: ``[wifi password]``.

    The end of a chunk that may be the beginning of a secret is held back until the next chunk, or `close`, decides.
    No secret holds a line end, so a line that is complete is never held back. A secret of fewer than four bytes is not
    looked for: it would stand everywhere.
    """

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        known = {value: name.encode() for name, value in secrets.items() if len(value) >= 4}
        self._names = known
        self._held = b""
        # The longest first: a secret may begin with another.
        ordered = sorted(known, key=len, reverse=True)
        self._any = re.compile(b"|".join(map(re.escape, ordered))) if ordered else None

    def feed(self, data: bytes) -> bytes:
        """The bytes that are decided, with every secret replaced."""
        if self._any is None:
            return data
        text, told = self._held + data, bytearray()
        while True:
            decided = len(text) - self._undecided(text)
            found = self._any.search(text)
            if found is None or found.start() >= decided:
                break
            told += text[: found.start()] + self._name(found)
            text = text[found.end() :]
        self._held = text[decided:]
        return bytes(told + text[:decided])

    def close(self) -> bytes:
        """What was held back, for nothing follows it."""
        held, self._held = self._held, b""
        return held if self._any is None else self._any.sub(self._name, held)

    def _name(self, found: re.Match[bytes]) -> bytes:
        return b"[" + self._names[found.group()] + b"]"

    def _undecided(self, text: bytes) -> int:
        """How many bytes at the end are the beginning of a secret, at most."""
        return max((_overlap(text, secret) for secret in self._names), default=0)


def _overlap(text: bytes, secret: bytes) -> int:
    for length in range(min(len(secret) - 1, len(text)), 0, -1):
        if text.endswith(secret[:length]):
            return length
    return 0
