"""A process holds one board at most, the one it needs; what is lost is lost for the whole run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.boards.board import Board
from bench.boards.drivers import Rfc2217Board
from bench.boards.lab import Lab, LostBoards, PoolLost
from bench.boards.lease import Lease, Owner
from bench.boards.select import Pool
from bench.boards.whereabouts import lease_key
from bench.errors import BoardBusy, BoardLost


def remote(name: str, port: int) -> Board:
    return Board(name=name, chip="esp32c3", driver="rfc2217", port=f"rfc2217://127.0.0.1:{port}")


LEFT, RIGHT, OTHER = remote("left", 1), remote("right", 2), remote("other", 3)
BOTH, ALONE = Pool("esp32c3", (LEFT, RIGHT)), Pool("other", (OTHER,))
MAC = "34:85:18:0a:0b:0c"
MODEL = Board(name="model", chip="esp32c3", driver="virtual")


def lab(folder: Path, *, patience: float = 0.0, told: list[str] | None = None) -> Lab:
    lost = LostBoards(folder / "lost.jsonl")
    tell = (told if told is not None else []).append
    return Lab(lambda: folder, folder / "own", lost, purpose="pytest", patience=patience, tell=tell)


def is_free(folder: Path, board: Board) -> bool:
    """Could somebody else take it?"""
    key = lease_key(board)
    assert key is not None
    with Lease(folder, key, Owner.this_process(board.name, "a test")) as lease:
        return lease.take()


def test_a_board_is_kept_for_its_pool_and_given_back_for_another(tmp_path: Path) -> None:
    with lab(tmp_path) as ours:
        assert ours.take(BOTH) == LEFT
        assert ours.take(BOTH) == LEFT
        assert not is_free(tmp_path, LEFT)
        assert ours.take(ALONE) == OTHER
        assert is_free(tmp_path, LEFT)
        assert not is_free(tmp_path, OTHER)
    assert is_free(tmp_path, OTHER)


def test_whichever_is_free_is_taken(tmp_path: Path) -> None:
    with lab(tmp_path) as ours, lab(tmp_path) as theirs:
        assert [ours.take(BOTH), theirs.take(BOTH)] == [LEFT, RIGHT]


def test_nothing_is_held_while_another_board_is_waited_for(tmp_path: Path) -> None:
    with lab(tmp_path) as ours, lab(tmp_path) as theirs:
        ours.take(ALONE)
        theirs.take(BOTH)
        with pytest.raises(BoardBusy, match="other did not come free within 0 s: other, held by"):
            theirs.take(ALONE)
        assert is_free(tmp_path, LEFT)


def test_a_wait_tells_its_progress_and_is_not_repeated(tmp_path: Path) -> None:
    told: list[str] = []
    with lab(tmp_path) as ours, lab(tmp_path, patience=0.3, told=told) as theirs:
        ours.take(ALONE)
        for seconds in ("0.3", "0"):
            with pytest.raises(BoardBusy, match=f"within {seconds} s"):
                theirs.take(ALONE)
        assert told[0].startswith("waiting for other, held by ")
        ours.give_back()
        assert theirs.take(ALONE) == OTHER


def test_between_scenarios_a_board_is_given_to_whoever_waits_and_to_nobody_else(tmp_path: Path) -> None:
    key = lease_key(OTHER)
    assert key is not None
    with lab(tmp_path) as ours, Lease(tmp_path, key, Owner.this_process("other", "a test")) as theirs:
        ours.take(ALONE)
        ours.give_way(ALONE)
        assert not theirs.take()
        ours.give_way(ALONE)
        assert theirs.take()


@pytest.mark.parametrize("following", [None, BOTH])
def test_between_scenarios_a_board_that_is_not_needed_is_given_back(tmp_path: Path, following: Pool | None) -> None:
    with lab(tmp_path) as ours:
        ours.take(ALONE)
        ours.give_way(following)
        assert is_free(tmp_path, OTHER)


def test_a_lost_board_is_taken_by_no_process_of_the_run(tmp_path: Path) -> None:
    with lab(tmp_path) as ours, lab(tmp_path) as theirs:
        ours.take(BOTH)
        ours.set_aside("the port is gone")
        assert ours.take(BOTH) == RIGHT
        ours.give_back()
        assert theirs.take(BOTH) == RIGHT
        theirs.set_aside("and this one as well")
        for each in (ours, theirs):
            with pytest.raises(PoolLost, match=r"left was lost \(and then the other boards .*\): the port is gone"):
                each.take(BOTH)


def test_the_first_cause_counts(tmp_path: Path) -> None:
    lost = LostBoards(tmp_path / "run" / "lost.jsonl")
    assert lost.causes() == {}
    lost.add("left", "the port\nis gone")
    lost.add("right", "it says nothing")
    lost.add("left", "of course")
    assert lost.causes() == {"left": "the port\nis gone", "right": "it says nothing"}


def test_a_model_by_its_name_is_for_everybody_and_one_by_a_tag_for_one(tmp_path: Path) -> None:
    with lab(tmp_path) as ours, lab(tmp_path) as theirs:
        assert ours.take(Pool("model", (MODEL,))) == theirs.take(Pool("model", (MODEL,))) == MODEL
    with lab(tmp_path) as ours, lab(tmp_path) as theirs:
        tagged = Pool("models", (MODEL,), by_tag=True)
        ours.take(tagged)
        with pytest.raises(BoardBusy):
            theirs.take(tagged)


def test_a_board_that_only_its_driver_knows_to_be_busy_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one driver for the whole wait: what that has found out it need not ask again."""
    asked: list[str] = []

    def ask(port: str) -> str:
        asked.append(port)
        if len(asked) < 3:
            raise BoardBusy("another process has it")
        return MAC

    drivers: list[Rfc2217Board] = []

    def attached(board: Board, *, leased: str | None) -> Rfc2217Board:
        assert leased == lease_key(board)
        drivers.append(Rfc2217Board(board, ask_mac=ask))
        return drivers[-1]

    monkeypatch.setattr("bench.boards.lab.attach", attached)
    with lab(tmp_path, patience=20.0) as ours:
        ours.take(Pool("other", (replace(OTHER, mac=MAC),)))
        assert ours.attach() is drivers[0]
    assert (len(drivers), len(asked)) == (1, 3)


def test_a_board_is_attached_once_and_detached_before_its_lease_ends(tmp_path: Path) -> None:
    pool = Pool("model", (MODEL,))
    with lab(tmp_path) as ours:
        ours.take(pool)
        attachment = ours.attach()
        assert [ours.attach(), ours.held] == [attachment, attachment]
    assert ours.held is None
    with pytest.raises(BoardLost):
        attachment.supply.power(True)
