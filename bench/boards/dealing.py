"""Which worker of a parallel run is given which test next, so that none waits for a board without need.

The leases decide who has a board; this only keeps workers from asking for boards that other workers of the same run
have. It is a pure function of what waits and who does what, so it can be tested without a worker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Task", "deal", "tasks_of"]


@dataclass(frozen=True, slots=True)
class Task:
    """A test as the dealer sees it.

    Attributes:
        pool: whose boards it needs; one that needs none stands in a pool of its file's, with room for one worker, so
            that what the tests of a file share is made once
        file: tests of one file tend to share a build, which a worker need not flash again
    """

    pool: str
    file: str


def tasks_of(ids: Sequence[str], pools: Collection[str]) -> list[Task]:
    """The tests with these ids (``scenarios/test_x.py::test_y[esp32s3-404]``), by the names of the run's pools.

    A name that stands in an id by chance costs no more than time.
    """
    found = []
    for nodeid in ids:
        file, _, rest = nodeid.partition("::")
        parameters = f"-{rest.partition('[')[2].rpartition(']')[0]}-"
        named = [pool for pool in pools if f"-{pool}-" in parameters]
        found.append(Task(max(named, key=len) if named else f"{file}::", file))
    return found


def deal(
    tests: Sequence[Task],
    capacity: Mapping[str, int | None],
    waiting: Sequence[int],
    own: Sequence[int],
    others: Sequence[Sequence[int]],
) -> int | None:
    """The test that a worker should be given next; None where others see to all that is left.

    A worker stays with its pool as long as there is something to do in it, then goes to the pool with most to do for
    each of its workers. It is not sent where all boards have a worker already. A worker is given its next test before
    it is done with the last one, and that may take long: where it would keep a worker from a board that nobody uses
    yet, it does not count.

    Args:
        tests: all of the run
        capacity: by pool, how many workers it has room for; None: any number. One where it is not named
        waiting: indices of tests that nobody has been given
        own: indices of what the worker has been given and not finished, in order
        others: the same of each other worker that will still ask for more
    """
    if not waiting:
        return None
    left = Counter(tests[index].pool for index in waiting)
    mine = tests[own[-1]].pool if own else None
    for reach in (None, 1):
        users = Counter(pool for given in others for pool in {tests[index].pool for index in given[:reach]})
        room = [pool for pool in left if (most := capacity.get(pool, 1)) is None or users[pool] < most]
        if room:
            pool = mine if mine in room else max(room, key=lambda name: left[name] / (users[name] + 1))
            return _of_pool(tests, [index for index in waiting if tests[index].pool == pool], own, others)
    return None


def _of_pool(tests: Sequence[Task], waiting: list[int], own: Sequence[int], others: Sequence[Sequence[int]]) -> int:
    """Of the worker's own file, else of the file with most to do for each worker that is at it."""
    left = Counter(tests[index].file for index in waiting)
    file = tests[own[-1]].file if own else None
    if file not in left:
        users = Counter(tests[given[-1]].file for given in others if given)
        file = max(left, key=lambda name: left[name] / (users[name] + 1))
    return next(index for index in waiting if tests[index].file == file)
