"""An update is over when no reset takes it back: with rollback, when the new image has confirmed itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.builds import Build, VirtualBuild, write_build
from bench.errors import ExpectationFailed
from bench.flash import OtaImgState
from bench.ota import Draft, Ota
from bench.server import Authority
from bench.timeline import UPDATE_BOOT_PARTITION, TimedOut
from tests.ota.by_hand import ByHand, by_hand

CONFIRMED = "App is valid, rollback cancelled successfully"
Way = Callable[[Ota, Draft], None]


def in_one_word(ota: Ota, draft: Draft) -> None:
    ota.update(draft, version="2")


def word_by_word(ota: Ota, draft: Draft) -> None:
    ota.start(draft)
    ota.expect(UPDATE_BOOT_PARTITION)
    ota.expect_updated(version="2")


ways = pytest.mark.parametrize("way", [in_one_word, word_by_word])


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.throwaway()


def a_build(folder: Path, authority: Authority, *, rollback: bool = True) -> Build:
    spec = VirtualBuild(
        chip="esp32c3", app="advanced_https_ota", version="1", ca_pem=authority.ca_pem, rollback=rollback
    )
    write_build(spec, folder)
    return Build.load(folder)


def updates(board: ByHand, build: Build, state: OtaImgState, *said: str) -> Callable[[bytes], None]:
    """What the board does with a URL: it installs version 2, which leaves its slot in this state."""

    def told(_: bytes) -> None:
        board.tells(UPDATE_BOOT_PARTITION(slot="ota_1"))
        board.selects(build.partition_table, 1, state)
        board.boots("ota_1", "2", waits=False)
        for line in (*said, "Starting Advanced OTA example"):
            board.says(line)
        board.verdict = ("updated", None)

    return told


@ways
def test_an_update_that_never_confirms_itself_is_none(tmp_path: Path, authority: Authority, way: Way) -> None:
    build = a_build(tmp_path, authority)
    with by_hand(build, authority) as (ota, board):
        board.boots("ota_0", "1")
        board.when_told = updates(board, build, OtaImgState.PENDING_VERIFY, CONFIRMED)
        with pytest.raises(ExpectationFailed, match="ota_1 is still PENDING_VERIFY in otadata: version 2 has not"):
            way(ota, Draft(build.image).version("2"))


@ways
def test_one_that_confirms_itself_after_its_prompt_is_waited_for(
    tmp_path: Path, authority: Authority, way: Way
) -> None:
    """It need not say so: its state in otadata is what counts."""
    build = a_build(tmp_path, authority)
    with by_hand(build, authority) as (ota, board):
        board.boots("ota_0", "1")
        board.when_told = updates(board, build, OtaImgState.PENDING_VERIFY)
        later = threading.Timer(0.4, board.selects, (build.partition_table, 1, OtaImgState.VALID))
        later.start()
        way(ota, Draft(build.image).version("2"))
        later.join()


@pytest.mark.parametrize(
    ("rollback", "state"), [(False, OtaImgState.PENDING_VERIFY), (True, OtaImgState.NEW), (True, OtaImgState.VALID)]
)
def test_what_no_reset_takes_back_need_not_confirm_itself(
    tmp_path: Path, authority: Authority, rollback: bool, state: OtaImgState
) -> None:
    """Firmware without rollback, and a bootloader without: the state stays NEW."""
    build = a_build(tmp_path, authority, rollback=rollback)
    with by_hand(build, authority) as (ota, board):
        board.boots("ota_0", "1")
        board.when_told = updates(board, build, state)
        ota.update(Draft(build.image).version("2"), version="2")


@contextmanager
def restarting(board: ByHand) -> Iterator[None]:
    """Download mode; an image on trial would be rolled back by the boot behind it."""
    assert board.verdict[0] == "none", "nothing is read once the update has begun"
    yield
    board.boots("ota_0", "1")


@ways
def test_flash_is_not_read_where_that_restarts_the_board(tmp_path: Path, authority: Authority, way: Way) -> None:
    """What the image on trial says is what there is."""
    build = a_build(tmp_path, authority)
    with by_hand(build, authority, looking=restarting) as (ota, board):
        board.boots("ota_0", "1")
        board.when_told = updates(board, build, OtaImgState.VALID, CONFIRMED)
        way(ota, Draft(build.image).version("2"))
    with by_hand(build, authority, looking=restarting) as (ota, board):
        board.boots("ota_0", "1")
        board.when_told = updates(board, build, OtaImgState.PENDING_VERIFY)
        with pytest.raises(TimedOut, match=CONFIRMED):
            way(ota, Draft(build.image).version("2"))
