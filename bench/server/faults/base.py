"""What a fault is: one declared misbehaviour of the server, as a frozen value.

A fault may act in two places:

- on the *door*, the listener behind which its release stands, for what happens before any request (certificates);
- on the *plan* for each request, for everything that is said over HTTP (status, headers, body, hanging up).

To add one: a frozen dataclass in the file of its theme, with a `name` for the command line, whose fields are int,
float or str; then its line in `bench.server.faults`. It marks in the plan where it fires with `Fired(self)`.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from bench.server.plan import Asked, Plan

__all__ = ["Door", "Fault", "door_of"]


@dataclass(frozen=True)
class Door:
    """What a listener is like; releases with equal doors share one listener.

    Attributes:
        certificate: issued by the bench's authority (``own``) or by one that nobody trusts (``foreign``)
    """

    certificate: Literal["own", "foreign"] = "own"


@dataclass(frozen=True)
class Fault(ABC):
    """One declared misbehaviour of the server."""

    name: ClassVar[str]

    def door(self, door: Door) -> Door:
        """The door behind which the release must stand."""
        return door

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002 - for those that care who asked
        """What is answered instead."""
        return plan

    @property
    def tells_at_the_door(self) -> bool:
        """Does it fire with every connection, before any request?"""
        return self.door(Door()) != Door()


def door_of(faults: Iterable[Fault]) -> Door:
    """The door that these faults together call for."""
    door = Door()
    for fault in faults:
        door = fault.door(door)
    return door
