"""The thread that writes behind: it writes while it runs, and ends at once when it is stopped."""

from __future__ import annotations

import threading

from bench.report.growing import Behind


def test_it_writes_again_and_again() -> None:
    written = threading.Semaphore(0)
    behind = Behind(written.release, 0.001)
    behind.start()
    came = [written.acquire(timeout=20) for _ in range(3)]
    behind.stop()
    assert all(came)


def test_it_does_not_sleep_through_its_end() -> None:
    """An hour between two writings; it is stopped before the first one, and once more."""
    written: list[int] = []
    behind = Behind(lambda: written.append(1), 3600)
    behind.start()
    stopping = threading.Thread(target=behind.stop, daemon=True)
    stopping.start()
    stopping.join(20)
    assert not stopping.is_alive()
    behind.stop()
    assert not written


def test_one_that_was_never_started_can_be_stopped() -> None:
    Behind(lambda: None, 3600).stop()
