"""Bytes to lines: any chunking of the same bytes gives the same lines, in bounded memory.

A line ends with LF, CRLF or a lone CR (a device that is reset in mid-line starts again after whatever it had
got out, which may be the CR alone). NUL is dropped: it is what a UART reads from a line held low. A line that
never ends is handed out in pieces of `LIMIT` bytes.

The text is Latin-1, one character a byte, so that nothing is lost here; `readable` makes UTF-8 of it.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["LIMIT", "Lines", "Splitter", "readable"]

LIMIT = 4096
"""Longest line, in bytes; ESP-IDF itself prints nothing longer than a few hundred."""


class Lines(NamedTuple):
    """Lines that follow one another.

    Attributes:
        texts: without line ends; a text may still hold lone CRs
        line_no: number of the first, from 1
        step: 1; or 0 where all of them are pieces of that one line
        part: the texts are pieces of a line longer than `LIMIT`
    """

    texts: list[str]
    line_no: int
    step: int = 1
    part: bool = False


class Splitter:
    """Cuts a stream of bytes into lines; holds no more than one unfinished line."""

    def __init__(self) -> None:
        self._tail = ""
        self._long = False
        self._line_no = 1

    def feed(self, data: bytes) -> list[Lines]:
        """The lines that `data` completes."""
        text = data.decode("latin-1")
        if "\0" in text:
            text = text.replace("\0", "")
        found: list[Lines] = []
        end = text.rfind("\n")
        if end >= 0:
            texts = (self._tail + text[:end]).replace("\r\n", "\n").removesuffix("\r").split("\n")
            first = self._line_no
            if self._long:
                # The rest of a line whose head has been handed out already.
                found.append(Lines([texts.pop(0)], first, 0, True))
                first += 1
                self._long = False
            if texts:
                found.append(Lines(texts, first))
            self._line_no = first + len(texts)
            self._tail = text[end + 1 :]
        else:
            self._tail += text
        self._drain(found)
        return found

    def close(self) -> list[Lines]:
        """The line that the stream broke off in, if there is one; `feed` may be called again afterwards."""
        text, self._tail = self._tail.removesuffix("\r"), ""
        part, self._long = self._long, False
        return [Lines([text], self._line_no, 0, part)] if text else []

    def _drain(self, found: list[Lines]) -> None:
        """Hand out what is ended by a lone CR, or too long, without waiting for the line's end."""
        tail = self._tail
        cr = tail.rfind("\r", 0, len(tail) - 1)
        if cr >= 0:
            found.append(Lines([tail[:cr]], self._line_no, 0, self._long))
            tail = tail[cr + 1 :]
            self._long = False
        excess = len(tail) - tail.endswith("\r") - LIMIT
        if excess > 0:
            whole = -(-excess // LIMIT) * LIMIT
            found.append(Lines([tail[i : i + LIMIT] for i in range(0, whole, LIMIT)], self._line_no, 0, True))
            tail = tail[whole:]
            self._long = True
        self._tail = tail


def readable(text: str) -> str:
    """UTF-8 text of Latin-1 `text`; what is not UTF-8 stands as ``\\xNN``."""
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "backslashreplace")
