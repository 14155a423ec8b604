"""The thread that writes behind: it writes while it runs, and ends at once when it is stopped."""

from __future__ import annotations

import threading

from bench.report.growing import Behind


def test_it_writes_again_and_again_for_all_who_want_it() -> None:
    written = [threading.Semaphore(0), threading.Semaphore(0)]
    with Behind(0.001) as behind:
        for one in written:
            behind.call(one.release)
        assert all(one.acquire(timeout=20) for one in written for _ in range(3))


def test_who_is_forgotten_is_called_no_more() -> None:
    forgotten, kept = threading.Semaphore(0), threading.Semaphore(0)
    with Behind(0.001) as behind:
        behind.call(forgotten.release)
        behind.call(kept.release)
        behind.forget(forgotten.release)
        drain(kept)
        assert all(kept.acquire(timeout=20) for _ in range(2))  # a round that was under way is over with the second
        drain(forgotten)
        assert all(kept.acquire(timeout=20) for _ in range(5))
    assert not forgotten.acquire(blocking=False)


def drain(semaphore: threading.Semaphore) -> None:
    while semaphore.acquire(blocking=False):
        pass


def test_it_does_not_sleep_through_its_end() -> None:
    """An hour between two writings; it is stopped before the first one."""
    written: list[int] = []
    behind = Behind(3600).__enter__()
    behind.call(lambda: written.append(1))
    stopping = threading.Thread(target=behind.__exit__, args=(None, None, None), daemon=True)
    stopping.start()
    stopping.join(20)
    assert not stopping.is_alive()
    assert not written
