"""Faults in time: an answer that comes late, and a body that is cut, reset, closed, stalled or dripping."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from bench.server.faults.base import Fault, Phase
from bench.server.plan import Asked, Fired, HangUp, Plan, Send, Wait

__all__ = ["Alert", "Close", "Cut", "Drip", "Late", "Reset", "Stall"]


def _offset(after: int) -> None:
    if after < 0:
        raise ValueError(f"a fault comes after 0 or more bytes of the body, not {after}")


def _is_time(seconds: float) -> bool:
    """No infinity, and no NaN: a timeline holds neither."""
    return math.isfinite(seconds) and seconds >= 0


@dataclass(frozen=True)
class _HangsUp(Fault):
    """The connection ends after so many bytes of a body that was announced whole.

    A body that is not longer than that is sent whole, and the fault does not fire.
    """

    phase = Phase.TRANSFER
    how: ClassVar[Literal["fin", "rst", "close", "alert"]]
    after: int

    def __post_init__(self) -> None:
        _offset(self.after)

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002
        """The plan up to the end of the connection."""
        if plan.body_size <= self.after:
            return plan
        return plan.at(self.after, Fired(self), HangUp(self.how), then=False)


@dataclass(frozen=True)
class Cut(_HangsUp):
    """the connection ends (FIN) after so many bytes of a body that was announced whole"""

    name = "cut"
    how = "fin"


@dataclass(frozen=True)
class Reset(_HangsUp):
    """the connection is reset (RST) after so many bytes of the body

    What the client has not read by then may be lost on its way: a RST overtakes data.
    """

    name = "reset"
    how = "rst"


@dataclass(frozen=True)
class Close(_HangsUp):
    """the connection is closed, with the close_notify of TLS, after so many bytes of a body announced whole"""

    name = "close"
    how = "close"


@dataclass(frozen=True)
class Alert(_HangsUp):
    """a fatal TLS alert (bad_record_mac) comes after so many bytes of the body; without TLS a bare FIN"""

    name = "alert"
    how = "alert"


@dataclass(frozen=True)
class Late(Fault):
    """the first byte of the answer comes late

    Attributes:
        seconds: after this time; 0: never
    """

    name = "late"
    phase = Phase.TRANSFER
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if not _is_time(self.seconds):
            raise ValueError(f"an answer is 0 (for ever) or more seconds late, not {self.seconds}")

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002
        """The plan after a while."""
        return replace(plan, opening=(*plan.opening, Fired(self), Wait(self.seconds or None)))


@dataclass(frozen=True)
class Stall(Fault):
    """after so many bytes of the body nothing comes any more, with the connection open

    Attributes:
        after: bytes of the body
        seconds: go on after this time; 0: never
    """

    name = "stall"
    phase = Phase.TRANSFER
    after: int
    seconds: float = 0.0

    def __post_init__(self) -> None:
        _offset(self.after)
        if not _is_time(self.seconds):
            raise ValueError(f"a stall lasts 0 (for ever) or more seconds, not {self.seconds}")

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002
        """The plan with the stall in it."""
        if plan.body_size <= self.after:
            return plan
        return plan.at(self.after, Fired(self), Wait(self.seconds or None), then=True)


@dataclass(frozen=True)
class Drip(Fault):
    """the body comes in small pieces with pauses between

    A body that is sent in one piece all the same is sent as ever, and the fault does not fire.

    Attributes:
        piece: bytes at a time
        pause: seconds between two pieces
    """

    name = "drip"
    phase = Phase.PIECES
    piece: int
    pause: float = 0.0

    def __post_init__(self) -> None:
        if self.piece < 1:
            raise ValueError(f"a drip is at least one byte, not {self.piece}")
        if not _is_time(self.pause):
            raise ValueError(f"a pause is 0 or more seconds, not {self.pause}")

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002
        """The plan with its body in pieces; what is sent is the same."""
        if not any(isinstance(action, Send) and len(action.data) > self.piece for action in plan.body):
            return plan

        def dripping(send: Send) -> Send:
            piece = self.piece if send.piece is None else min(send.piece, self.piece)
            return replace(send, piece=piece, pause=max(send.pause, self.pause))

        return plan.at(0, Fired(self), then=True).sending(dripping)
