"""Faults that answer with another status than 200."""

from __future__ import annotations

from dataclasses import dataclass

from bench.server.faults.base import Fault
from bench.server.plan import Asked, Fired, Plan, Send

__all__ = ["NotFound", "Redirect", "Status"]


@dataclass(frozen=True)
class Status(Fault):
    """every request is answered with this status and a short text"""

    name = "status"
    code: int

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599:
            raise ValueError(f"a final HTTP status is 200 to 599, not {self.code}")

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """The status instead of whatever was planned."""
        return _answer(self, plan, asked, self.code)


@dataclass(frozen=True)
class NotFound(Fault):
    """404, although the file is there"""

    name = "not-found"

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """404 instead of whatever was planned."""
        return _answer(self, plan, asked, 404)


@dataclass(frozen=True)
class Redirect(Fault):
    """every request is sent elsewhere"""

    name = "redirect"
    location: str
    code: int = 302

    def __post_init__(self) -> None:
        if self.code not in (301, 302, 303, 307, 308):
            raise ValueError(f"a redirect is 301, 302, 303, 307 or 308, not {self.code}")
        if not self.location or not self.location.isprintable():
            raise ValueError(f"cannot redirect to {self.location!r}")

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """The redirect instead of whatever was planned."""
        return _answer(self, plan, asked, self.code, ("Location", self.location))


def _answer(fault: Fault, plan: Plan, asked: Asked, code: int, *headers: tuple[str, str]) -> Plan:
    bodiless = code in (204, 205, 304)
    text = memoryview(b"" if bodiless else f"{code}\n".encode())
    return Plan(
        code,
        (("Content-Type", "text/plain; charset=utf-8"), *headers),
        length=None if bodiless else len(text),
        opening=(*plan.opening, Fired(fault)),
        body=(Send(text),) if len(text) and asked.method != "HEAD" else (),
    )
