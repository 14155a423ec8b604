"""Redirections: to another release, round a few corners, in a circle, and nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from bench.server.faults.base import Fault
from bench.server.faults.status import answer
from bench.server.plan import Asked, Plan

__all__ = ["Detour", "NoLocation", "Redirect", "RedirectLoop"]

_CODES = (301, 302, 303, 307, 308)


def _code(code: int) -> None:
    if code not in _CODES:
        raise ValueError(f"a redirect is 301, 302, 303, 307 or 308, not {code}")


@dataclass(frozen=True)
class Redirect(Fault):
    """every request is sent elsewhere"""

    name = "redirect"
    location: str
    code: int = 302

    def __post_init__(self) -> None:
        _code(self.code)
        if not self.location or not self.location.isprintable():
            raise ValueError(f"cannot redirect to {self.location!r}")
        try:
            urlsplit(self.location)
        except ValueError as error:
            raise ValueError(f"cannot redirect to {self.location!r}: {error}") from error

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """The redirect instead of whatever was planned."""
        return answer(self, plan, asked, self.code, ("Location", self.location))


@dataclass(frozen=True)
class Detour(Fault):
    """the release is found after so many redirections, each to the same path with another query

    Attributes:
        code: HTTP status
        hops: redirections
        form: how the Location is written: a whole ``url``, a ``path``, or the bare ``name`` of the file
        padding: at least so many bytes in each Location
    """

    name = "detour"
    code: int = 302
    hops: int = 1
    form: str = "url"
    padding: int = 0

    def __post_init__(self) -> None:
        _code(self.code)
        if self.hops < 1:
            raise ValueError(f"a detour has at least one hop, not {self.hops}")
        if self.form not in ("url", "path", "name"):
            raise ValueError(f"a Location is written as url, path or name, not {self.form!r}")
        if self.padding < 0:
            raise ValueError(f"there is no padding of {self.padding} bytes")

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """The next hop, or what was planned after the last."""
        done = _hop(asked.query)
        if done >= self.hops:
            return plan
        path = quote(asked.path)
        target = {
            "url": f"{asked.scheme}://{asked.headers.get('host', '')}{path}",
            "path": path,
            "name": path.rpartition("/")[2],
        }[self.form]
        target += f"?hop={done + 1}"
        if len(target) < self.padding:
            target += "&x=".ljust(self.padding - len(target), "x")
        return answer(self, plan, asked, self.code, ("Location", target))


@dataclass(frozen=True)
class RedirectLoop(Fault):
    """every request is sent to where it came from"""

    name = "redirect-loop"
    code: int = 302

    def __post_init__(self) -> None:
        _code(self.code)

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """The redirect instead of whatever was planned."""
        return answer(self, plan, asked, self.code, ("Location", quote(asked.path)))


@dataclass(frozen=True)
class NoLocation(Fault):
    """a redirect that does not say where to"""

    name = "no-location"
    code: int = 302

    def __post_init__(self) -> None:
        _code(self.code)

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """The redirect instead of whatever was planned."""
        return answer(self, plan, asked, self.code)


def _hop(query: str) -> int:
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name == "hop" and value.isascii() and value.isdigit():
            return int(value[:9])
    return 0
