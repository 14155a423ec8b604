"""Faults of ranges (RFC 9110, section 14): ignored, wrong, and of a file that is not the same any more.
`replaced` and `html-page` do not go together: one file lies there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.server.faults.base import Fault, Phase
from bench.server.files import file_plan
from bench.server.plan import Asked, File, Plan

__all__ = ["OffByOne", "RangesIgnored", "Replaced", "WrongContentRange"]

_OTHER = bytes(value ^ 0x5A for value in range(256))


@dataclass(frozen=True)
class RangesIgnored(Fault):
    """every request is answered with 200 and the whole file"""

    name = "ranges-ignored"
    phase = Phase.RANGES

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002
        """The whole file instead of a part."""
        if plan.file is None or plan.status != 206:
            return plan
        headers = tuple((name, value) for name, value in plan.headers if name != "Content-Range")
        return replace(plan, status=200, headers=headers).with_body(plan.file.data).fires(self)


@dataclass(frozen=True)
class WrongContentRange(Fault):
    """the right part is sent, and its Content-Range says another

    Attributes:
        by: bytes by which it is wrong; the other way where it would begin before the file
    """

    name = "wrong-content-range"
    phase = Phase.HEADERS
    by: int = 1

    def __post_init__(self) -> None:
        if not self.by:
            raise ValueError("a range that is wrong by 0 bytes is right")

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002
        """The plan with that header."""
        span = _span(plan)
        if plan.file is None or span is None:
            return plan
        first, size = span[0] + self.by, span[1] - span[0]
        if first < 0:
            first = span[0] - self.by  # there is nothing before the file
        return plan.with_header("Content-Range", f"bytes {first}-{first + size - 1}/{len(plan.file.data)}").fires(self)


@dataclass(frozen=True)
class OffByOne(Fault):
    """every part but the first begins one byte too late, though its Content-Range is right"""

    name = "off-by-one"
    phase = Phase.PART

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002
        """The plan with the part moved."""
        span = _span(plan)
        if plan.file is None or span is None or not span[0]:
            return plan
        moved = bytes(plan.file.data[span[0] + 1 : span[1] + 1]).ljust(span[1] - span[0], b"\xff")
        return plan.with_body(moved).fires(self)


@dataclass(frozen=True)
class Replaced(Fault):
    """after so many requests the file is another one of the same length

    Attributes:
        after: requests that still get the first file
    """

    name = "replaced"
    phase = Phase.FILE
    after: int

    def __post_init__(self) -> None:
        if self.after < 0:
            raise ValueError(f"a file is replaced after 0 or more requests, not {self.after}")

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """The plan with the other file."""
        if asked.nth < self.after or plan.file is None:
            return plan
        # Planned anew, for which part is served depends on the entity tag (If-Range; RFC 9110, section 13.1.5).
        other = File(memoryview(bytes(plan.file.data).translate(_OTHER)), '"another"')
        served = file_plan(asked, other, chunked=plan.chunked)
        return replace(served, opening=plan.opening).fires(self)


def _span(plan: Plan) -> tuple[int, int] | None:
    """First byte and end of the part that is planned; None where the whole file is."""
    told = plan.header("Content-Range") if plan.status == 206 else None
    if told is None:
        return None
    first, _, last = told.removeprefix("bytes ").partition("/")[0].partition("-")
    return int(first), int(last) + 1
