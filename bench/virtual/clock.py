"""The device's clock: milliseconds since reset, in which waiting costs a number and not a second."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bench.virtual.supply import Supply

__all__ = ["Clock", "crowding"]

_LONGEST_REAL_WAIT = 1.0
_SHORT_REAL_WAIT = 0.25
_MOST_CROWDED = 2.5


class Clock:
    """Milliseconds since reset: the real time that passed, and on top of it all that was slept.

    Args:
        supply: ends a sleep at reset
        realtime: sleep in real time, and wait as long as the firmware would
        crowded: how much longer than on an idle machine things take just now, as `crowding` tells
    """

    def __init__(self, supply: Supply, *, realtime: bool = False, crowded: Callable[[], float] | None = None) -> None:
        self._supply = supply
        self._realtime = realtime
        self._crowded = crowding if crowded is None else crowded
        self._limit_ms = 0.0
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

        In virtual time silence is judged early: after a second, and on a busy machine after so much more as its
        processors are wanted by more than they can serve, for the answer may be waiting for one. Who waited in vain
        calls `wait_rest` with the same `ms`.

        Args:
            again: the firmware asks again after a timeout, so that a wrong judgement costs nothing: a quarter of a
                second will do
        """
        self._supply.check()
        longest = _SHORT_REAL_WAIT if again else _LONGEST_REAL_WAIT * self._crowded()
        limit = ms / 1000 if self._realtime else min(ms / 1000, longest)
        self._limit_ms = limit * 1000
        return limit

    def wait_rest(self, ms: float) -> None:
        """Let pass on the device what the last `wait_limit` has not waited of `ms` milliseconds in the host's time."""
        if ms > self._limit_ms:
            self.sleep(ms - self._limit_ms)


def crowding() -> float:
    """How many threads want each of the host's processors: now, or on average in the last minute.

    1 at least, and `_MOST_CROWDED` at most: whoever waits for the firmware has a patience of its own.
    """
    wanted = [1.0]
    processors = os.cpu_count() or 1
    with suppress(OSError):
        wanted.append(os.getloadavg()[0] / processors)
    with suppress(OSError, ValueError, IndexError):  # only Linux tells of this moment: proc_loadavg(5)
        wanted.append(int(Path("/proc/loadavg").read_text("ascii").split()[3].split("/")[0]) / processors)
    return min(max(wanted), _MOST_CROWDED)
