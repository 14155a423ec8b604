"""Faults of what is sent: something else than the image, a compressed one, and too much around it.
Another file or a page comes before the compression, and both before ranges, lengths and what happens on the way.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace

from bench.server.faults.base import Fault, Phase
from bench.server.files import file_plan
from bench.server.plan import Asked, File, Plan

__all__ = ["Gzip", "HtmlPage", "ManyHeaders"]

_LINE = 1000
"""Bytes of the longest line of padding, with its end."""


@dataclass(frozen=True)
class HtmlPage(Fault):
    """an HTML page with status 200 instead of the image, as a captive portal or a login page sends

    Attributes:
        size: bytes of the page
    """

    name = "html-page"
    phase = Phase.FILE
    size: int = 4096

    def __post_init__(self) -> None:
        if self.size < 64:
            raise ValueError(f"a page is at least 64 bytes, not {self.size}")

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """The page, whole, instead of the file."""
        if plan.file is None:
            return plan
        head, foot = b"<!DOCTYPE html>\n<html><body>Please log in.\n", b"</body></html>\n"
        page = head + b" " * (self.size - len(head) - len(foot)) + foot
        file = File(memoryview(page), etag="", kind="text/html; charset=utf-8")
        return file_plan(asked, file, chunked=plan.chunked).fires(self)


@dataclass(frozen=True)
class Gzip(Fault):
    """the body is compressed, and `Content-Encoding: gzip` says so, though nobody asked for it"""

    name = "gzip"
    phase = Phase.CODING

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """The file compressed; a part is one of the compressed file, which has an entity tag of its own."""
        if plan.file is None:
            return plan
        packed = gzip.compress(bytes(plan.file.data), compresslevel=1, mtime=0)
        etag = f'{plan.file.etag[:-1]}-gzip"' if plan.file.etag else ""
        file = replace(plan.file, data=memoryview(packed), etag=etag, coding="gzip")
        return replace(file_plan(asked, file, chunked=plan.chunked), opening=plan.opening).fires(self)


@dataclass(frozen=True)
class ManyHeaders(Fault):
    """a header block of so many bytes around the usual headers

    Attributes:
        size: bytes that are added, at least one line of 16
    """

    name = "many-headers"
    phase = Phase.HEADERS
    size: int = 8192

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"a header block is at least one byte, not {self.size}")

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002
        """The plan with those headers."""
        count = -(-self.size // _LINE)
        sizes = [self.size // count + (line < self.size % count) for line in range(count)]
        headers = tuple(_padding(line, size) for line, size in enumerate(sizes))
        return replace(plan, headers=(*plan.headers, *headers)).fires(self)


def _padding(number: int, size: int) -> tuple[str, str]:
    """A header whose line, with the colon, the space and the CRLF, has so many bytes, where a line can be as short."""
    name = f"X-Padding-{number}"
    return name, "x" * max(1, size - len(f"{name}: \r\n"))
