"""What a fault is: one declared misbehaviour of the server, as a frozen value.

A fault may act in three places:

- on the *door*, the listener behind which its release stands, for what happens before any request (certificates,
  versions of TLS, no TLS at all);
- on the *plan* for each request, for everything that is said over HTTP (status, headers, body, hanging up);
- on the *address*, the URL under which its release is found (a token, credentials).

Some are no misbehaviour at all but a way to serve that a client must cope with: chunks, a redirection, an RSA key.

What faults do to a plan they do in the order of their phases, whatever order they were given in, so that none undoes
what an earlier one has done and told.

To add one: a frozen dataclass in the file of its theme, with a `name` for the command line and a `phase`, whose fields
are int, float or str; then its line in `bench.server.faults`. It marks in the plan where it fires with `Fired(self)`.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import combinations
from typing import ClassVar, Literal, TypeAlias

from bench.errors import ServerError
from bench.server.plan import Asked, Plan

__all__ = ["Certificate", "Door", "Fault", "Phase", "Tls", "check_together", "door_of"]

Certificate: TypeAlias = Literal[
    "own",
    "foreign",
    "namesake",
    "expired",
    "not-yet-valid",
    "wrong-name",
    "wrong-address",
    "self-signed",
    "rsa",
    "intermediate",
    "missing-intermediate",
    "cross-signed",
]

Tls: TypeAlias = Literal["1.2 and 1.3", "1.1", "1.2", "1.3", "silent", "none"]


@dataclass(frozen=True)
class Door:
    """What a listener is like; releases with equal doors share one listener.

    Attributes:
        certificate: issued by the bench's authority for this server (``own``), or with something about it that a
            client must notice or cope with, see `bench.server.chains`
        tls: versions that it speaks; ``silent`` accepts connections and never says a word; ``none`` is plain HTTP
    """

    certificate: Certificate = "own"
    tls: Tls = "1.2 and 1.3"

    @property
    def scheme(self) -> str:
        """Of URLs behind it."""
        return "http" if self.tls == "none" else "https"

    @property
    def answers_tls(self) -> bool:
        """Does a ClientHello get an answer, in which a certificate and a version can be seen?"""
        return self.tls not in ("none", "silent")

    def goes_with(self, other: Door) -> bool:
        """Can one listener be as both call for?"""
        usual = Door()
        if self == other or usual in (self, other):
            return True
        same = (self.certificate == usual.certificate) == (other.certificate == usual.certificate)
        return self.answers_tls and other.answers_tls and not same


class Phase(IntEnum):
    """What of a plan a fault turns into another; those that come first come first."""

    ANSWER = 1  # something else than the release is answered, as long as no other fault has done so
    FILE = 2  # which bytes lie there
    CODING = 3  # how they are encoded
    RANGES = 4  # whether a part is served
    PART = 5  # which part
    HEADERS = 6
    LENGTH = 7  # how the end of the body is told
    TRANSFER = 8  # when bytes go, and when they stop
    PIECES = 9  # of what is left to send
    END = 10  # behind the body


_ALONE = (Phase.FILE, Phase.CODING, Phase.LENGTH)
"""Of these a release has one fault: a second would undo it."""

_SEVERAL = (Phase.ANSWER, Phase.TRANSFER)
"""Of these a release may have the same fault more than once: twice 503 and then 404, two stalls."""


@dataclass(frozen=True)
class Fault(ABC):
    """One declared misbehaviour of the server."""

    name: ClassVar[str]
    phase: ClassVar[Phase] = Phase.ANSWER

    def door(self, door: Door) -> Door:
        """The door behind which the release must stand."""
        return door

    def plan(self, plan: Plan, asked: Asked) -> Plan:  # noqa: ARG002 - for those that care who asked
        """What is answered instead."""
        return plan

    def address(self, url: str) -> str:
        """The URL under which the release is found."""
        return url

    @property
    def tells_at_the_door(self) -> bool:
        """Does it fire with every connection, before any request?

        Faults of the certificate and of versions of TLS fire when a ClientHello has been read, for that is answered
        otherwise; `plain-http` and `silent-handshake` with the connection itself.
        """
        return self.door(Door()) != Door()


def door_of(faults: Iterable[Fault]) -> Door:
    """The door that these faults together call for; ServerError for faults that no listener can have both."""
    faults = tuple(faults)
    for one, other in combinations(faults, 2):
        if not one.door(Door()).goes_with(other.door(Door())):
            raise ServerError(
                f"{one.name} and {other.name} contradict one another: a listener presents one certificate and speaks "
                "the versions of one kind, and without an answer in TLS it has neither; serve two releases"
            )
    door = Door()
    for fault in faults:
        door = fault.door(door)
    return door


def check_together(faults: Iterable[Fault]) -> None:
    """ServerError for faults of which one would undo what another has done."""
    faults = tuple(faults)
    door_of(faults)
    for one, other in combinations(faults, 2):
        twice = type(one) is type(other) and one.phase not in _SEVERAL
        if one.phase is other.phase and (twice or one.phase in _ALONE):
            raise ServerError(
                f"{one.name} and {other.name} cannot go together: one would undo the other; serve two releases"
            )
