"""Faults that answer with another status than 200.
Of these, of redirects and of refused access the first that fires answers; faults of the content do not touch it.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.server.faults.base import Fault
from bench.server.plan import Asked, Fired, Plan, Send

__all__ = ["HeadRefused", "NotFound", "Status", "Unauthorized", "answer"]


@dataclass(frozen=True)
class Status(Fault):
    """requests are answered with this status and a short text

    Attributes:
        code: HTTP status
        times: only so many requests, later ones are served; 0: all
    """

    name = "status"
    code: int
    times: int = 0

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599:
            raise ValueError(f"a final HTTP status is 200 to 599, not {self.code}")
        if self.times < 0:
            raise ValueError(f"a status comes 0 (always) or more times, not {self.times}")

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """The status instead of whatever was planned."""
        if self.times and asked.nth >= self.times:
            return plan
        return answer(self, plan, asked, self.code)


@dataclass(frozen=True)
class NotFound(Fault):
    """404, although the file is there"""

    name = "not-found"

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """404 instead of whatever was planned."""
        return answer(self, plan, asked, 404)


@dataclass(frozen=True)
class Unauthorized(Fault):
    """401 with a challenge that no credentials satisfy

    Attributes:
        scheme: of the challenge, Basic or Digest; an empty one sends none
    """

    name = "unauthorized"
    scheme: str = "Basic"

    def __post_init__(self) -> None:
        if self.scheme not in ("Basic", "Digest", ""):
            raise ValueError(f"a challenge is Basic, Digest or empty, not {self.scheme!r}")

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """401 instead of whatever was planned."""
        challenge = {
            "Basic": (("WWW-Authenticate", 'Basic realm="ota-bench"'),),
            "Digest": (("WWW-Authenticate", 'Digest realm="ota-bench", qop="auth", nonce="0", algorithm=MD5'),),
            "": (),
        }[self.scheme]
        return answer(self, plan, asked, 401, *challenge)


@dataclass(frozen=True)
class HeadRefused(Fault):
    """HEAD is refused while GET works, as by a presigned URL, whose signature names the method"""

    name = "head-refused"
    code: int = 403

    def __post_init__(self) -> None:
        if not 400 <= self.code <= 599:
            raise ValueError(f"a refusal is 400 to 599, not {self.code}")

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """The refusal of a HEAD."""
        return answer(self, plan, asked, self.code) if asked.method == "HEAD" else plan


def answer(fault: Fault, plan: Plan, asked: Asked, code: int, *headers: tuple[str, str]) -> Plan:
    """The plan for a status with a short text, in the place of `plan`; notes the fault.

    Where an earlier fault has answered already, its answer stays.
    """
    if plan.opening:
        return plan
    text = memoryview(b"" if code in (204, 205, 304) else f"{code}\n".encode())
    return Plan(
        code,
        (("Content-Type", "text/plain; charset=utf-8"), *headers),
        length=None if code in (204, 304) else len(text),  # of these alone a client knows it (RFC 9112, section 6.3)
        opening=(Fired(fault),),
        body=(Send(text),) if len(text) and asked.method != "HEAD" else (),
    )
