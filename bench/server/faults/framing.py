"""Faults of how a body is framed: its length, its chunks, and how the connection ends behind it.
`chunked`, `no-length` and `wrong-length` do not go together: each says in its way where a body ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.server.faults.base import Fault, Phase
from bench.server.plan import Asked, Fired, HangUp, Plan

__all__ = ["Abrupt", "Chunked", "Closing", "NoLength", "WrongLength"]


@dataclass(frozen=True)
class NoLength(Fault):
    """no Content-Length is announced: the body ends with the connection, which is closed properly"""

    name = "no-length"
    phase = Phase.LENGTH

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002
        """The plan without a length."""
        return replace(plan, length=None, chunked=False, close=True).fires(self)


@dataclass(frozen=True)
class WrongLength(Fault):
    """the Content-Length announced is wrong by so many bytes; behind the body the connection ends (FIN)

    Attributes:
        by: more than there is (above 0) or less (below)
    """

    name = "wrong-length"
    phase = Phase.LENGTH
    by: int

    def __post_init__(self) -> None:
        if not self.by:
            raise ValueError("a length that is wrong by 0 bytes is right")

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002
        """The plan with that length."""
        length = None if plan.length is None else max(0, plan.length + self.by)
        if length == plan.length:
            return plan  # there is none, or it cannot be less than 0
        wrong = replace(plan, length=length).fires(self)
        return wrong.then(HangUp("fin")) if plan.body_size else wrong


@dataclass(frozen=True)
class Chunked(Fault):
    """the body comes in chunks, without a length; sound"""

    name = "chunked"
    phase = Phase.LENGTH

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002
        """The plan in chunks."""
        return replace(plan, length=None, chunked=True).fires(self)


@dataclass(frozen=True)
class Closing(Fault):
    """every answer says `Connection: close`, and the connection is closed behind it; sound"""

    name = "closing"
    phase = Phase.HEADERS

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002
        """The plan with the connection closed behind it."""
        return replace(plan, close=True).fires(self)


@dataclass(frozen=True)
class Abrupt(Fault):
    """behind the whole body the connection ends with a bare FIN, without the close_notify of TLS"""

    name = "abrupt"
    phase = Phase.END

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002
        """The plan with a FIN behind it."""
        return replace(plan, close=True).then(Fired(self), HangUp("fin", behind=True))
