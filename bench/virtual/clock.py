"""The device's clock: milliseconds since reset, in which waiting costs a number and not a second."""

from __future__ import annotations

import time

from bench.virtual.supply import Supply

__all__ = ["Clock"]

_LONGEST_REAL_WAIT = 1.0
_SHORT_REAL_WAIT = 0.25


class Clock:
    """Milliseconds since reset: the real time that passed, and on top of it all that was slept.

    Args:
        supply: ends a sleep at reset
        realtime: sleep in real time, and wait as long as the firmware would
    """

    def __init__(self, supply: Supply, *, realtime: bool = False) -> None:
        self._supply = supply
        self._realtime = realtime
        self._began = time.monotonic()
        self._slept_ms = 0.0

    @property
    def realtime(self) -> bool:
        return self._realtime

    def restart(self) -> None:
        """Begin again at 0 ms."""
        self._began = time.monotonic()
        self._slept_ms = 0.0

    def now_ms(self) -> int:
        """Milliseconds since reset."""
        return int((time.monotonic() - self._began) * 1000 + self._slept_ms)

    def sleep(self, ms: float) -> None:
        """Let `ms` milliseconds pass: a number is added, or in real time the processor really waits."""
        self._supply.check()
        if self._realtime:
            self._supply.sleep(ms / 1000)
        else:
            self._slept_ms += ms

    def wait_limit(self, ms: float, *, again: bool = False) -> float:
        """Real seconds to wait for an outside event (a server's answer) that the firmware gives `ms` milliseconds.

        In virtual time silence is judged early: after a second at most, which a server on a busy machine does not
        take; who waited in vain adds the rest with `sleep`.

        Args:
            again: the firmware asks again after a timeout, so that a wrong judgement costs nothing: a quarter of a
                second will do
        """
        self._supply.check()
        longest = _SHORT_REAL_WAIT if again else _LONGEST_REAL_WAIT
        return ms / 1000 if self._realtime else min(ms / 1000, longest)
