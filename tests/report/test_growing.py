"""The thread that writes behind: an end is never slept through, whenever it comes."""

from __future__ import annotations

import threading

from bench.report.growing import Behind


class _JustMissed(threading.Event):
    """An event that comes in the moment after a wait for it was over."""

    def __init__(self, others: threading.Event) -> None:
        super().__init__()
        self._others = others

    def wait(self, timeout: float | None = None) -> bool:
        came = super().wait(timeout)
        if not came:
            self.set()
            self._others.set()
        return came


def test_an_end_between_the_wait_and_the_clearing_is_not_lost() -> None:
    """What `stop` does, done at the worst moment there is."""
    behind = Behind(lambda: None, 0.001)
    behind._ending = _JustMissed(behind._woken)
    behind.start()
    behind.wake()
    behind._thread.join(10)
    hangs = behind._thread.is_alive()
    behind.stop()
    assert not hangs
