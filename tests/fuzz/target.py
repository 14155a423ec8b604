"""What a fuzz target is: something that takes input from others, and what must hold whatever comes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from tests.fuzz.mutate import Mutator

__all__ = ["Check", "Target"]

Check = Callable[[bytes], bool]
"""Says whether an input was taken or properly refused, and raises for a finding."""


@dataclass(frozen=True)
class Target:
    """A parser, or a listener, under fire.

    Attributes:
        check: of a parser, which remembers nothing from one input to the next
        serving: of a listener, which is opened once for many inputs; leaving it raises where something was left behind
        costly: does an input take milliseconds?
    """

    about: str
    mutator: Callable[[], Mutator]
    check: Check | None = None
    serving: Callable[[], AbstractContextManager[Check]] | None = None
    costly: bool = False

    def open(self) -> AbstractContextManager[Check]:
        """Ready to be fired at."""
        if self.serving is not None:
            return self.serving()
        assert self.check is not None
        return nullcontext(self.check)
