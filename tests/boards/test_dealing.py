"""Every test is dealt once, whatever workers and boards there are, and nobody is sent where all boards are taken."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from bench.boards.dealing import Task, deal, tasks_of

S3, C3 = "esp32s3", "esp32c3"


def test_ids_tell_pool_and_file() -> None:
    ids = ["scenarios/test_a.py::test_x[esp32s3]", "scenarios/test_a.py::test_y[404-virtual-esp32s3-a]", "t.py::z[1]"]
    assert tasks_of(ids, ["esp32s3", "virtual-esp32s3"]) == [
        Task("esp32s3", "scenarios/test_a.py"),
        Task("virtual-esp32s3", "scenarios/test_a.py"),
        Task("t.py::", "t.py"),
    ]


def test_a_worker_stays_with_its_pool_and_its_file() -> None:
    tests = [Task(S3, "a"), Task(C3, "a"), Task(S3, "b"), Task(S3, "a")]
    assert deal(tests, {S3: 1, C3: 1}, [1, 2, 3], [0], []) == 3


def test_a_second_worker_goes_to_another_pool() -> None:
    tests = [Task(S3, "a"), Task(S3, "a"), Task(S3, "a"), Task(C3, "a")]
    assert deal(tests, {S3: 1, C3: 1}, [1, 2, 3], [], [[0]]) == 3


def test_a_worker_too_many_is_given_nothing() -> None:
    tests = [Task(S3, "a")] * 4
    assert deal(tests, {S3: 2}, [2, 3], [], [[0], [1]]) is None
    assert deal(tests, {S3: None}, [2, 3], [], [[0], [1]]) == 2


def test_a_board_that_is_only_spoken_for_keeps_nobody_away() -> None:
    """The other worker is to use it after something that may take long."""
    tests = [Task(C3, "a"), Task(S3, "a"), Task(S3, "a")]
    assert deal(tests, {S3: 1, C3: 1}, [2], [], [[0, 1]]) == 2


def test_tests_that_share_a_file_and_need_no_board_stay_together() -> None:
    tests = [Task("a::", "a"), Task("a::", "a"), Task("b::", "b")]
    assert deal(tests, {}, [1, 2], [], [[0]]) == 2
    assert deal(tests, {}, [1, 2], [0], []) == 1


@dataclass
class Worker:
    """As pytest-xdist's: it starts a test when it knows the next one, or that there is none."""

    given: list[int] = field(default_factory=list)
    ending: bool = False

    @property
    def runs(self) -> int | None:
        return self.given[0] if self.given and (self.ending or len(self.given) > 1) else None


@dataclass
class Simulation:
    tests: list[Task]
    capacity: dict[str, int | None]
    workers: list[Worker]
    waiting: list[int]
    done: list[int] = field(default_factory=list)

    def feed(self, worker: Worker) -> bool:
        others = [other.given for other in self.workers if other is not worker and not other.ending]
        index = deal(self.tests, self.capacity, self.waiting, worker.given, others)
        if index is None:
            return False
        self.waiting.remove(index)
        worker.given.append(index)
        return True

    def check(self, worker: Worker) -> None:
        while not worker.ending and len(worker.given) < 2:
            worker.ending = not self.feed(worker)

    def run(self, chance: random.Random) -> int:
        """Run to the end, each next test to finish chosen by chance; the most that ran in one pool beyond its room."""
        for worker in self.workers:
            self.feed(worker)
        for worker in self.workers:
            self.check(worker)
        beyond = 0
        while running := [worker for worker in self.workers if worker.runs is not None]:
            for pool, room in self.capacity.items():
                at_it = sum(self.tests[worker.given[0]].pool == pool for worker in running)
                beyond = max(beyond, at_it - (len(running) if room is None else room))
            worker = chance.choice(running)
            self.done.append(worker.given.pop(0))
            self.check(worker)
        return beyond


@given(
    rooms=st.lists(st.none() | st.integers(1, 4), min_size=1, max_size=4),
    count=st.integers(0, 60),
    workers=st.integers(1, 8),
    seed=st.integers(0, 2**32),
)
def test_every_test_is_run_once(rooms: list[int | None], count: int, workers: int, seed: int) -> None:
    chance = random.Random(seed)
    capacity = {f"pool{number}": room for number, room in enumerate(rooms)}
    pools = [*capacity, "file::"]
    tests = [Task(chance.choice(pools), chance.choice("abc")) for _ in range(count)]
    lab = Simulation(tests, capacity, [Worker() for _ in range(workers)], list(range(count)))
    lab.run(chance)
    assert sorted(lab.done) == list(range(count))


@given(
    rooms=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    count=st.integers(0, 60),
    spare=st.integers(0, 3),
    seed=st.integers(0, 2**32),
)
def test_with_a_worker_for_each_board_none_waits_for_another(
    rooms: list[int], count: int, spare: int, seed: int
) -> None:
    """Also with more of them than boards: the others are sent home."""
    chance = random.Random(seed)
    capacity: dict[str, int | None] = {f"pool{number}": room for number, room in enumerate(rooms)}
    tests = [Task(chance.choice(list(capacity)), chance.choice("abc")) for _ in range(count)]
    workers = [Worker() for _ in range(sum(rooms) + spare)]
    assert Simulation(tests, capacity, workers, list(range(count))).run(chance) <= 0
