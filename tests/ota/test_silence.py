"""A server's silence: how long it must last to be one, and whether the board noticed it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bench.boards.board import Board
from bench.boards.drivers import Supply
from bench.builds import Build, VirtualBuild, write_build
from bench.errors import ExpectationFailed
from bench.ota import Draft
from bench.server import Authority
from tests.ota.by_hand import by_hand

VIRTUAL = Board(name="a board", chip="esp32c3", driver="virtual")
TIMEOUT = 5.0


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.throwaway()


@pytest.fixture
def build(tmp_path: Path, authority: Authority) -> Build:
    write_build(VirtualBuild(chip="esp32c3", app="advanced_https_ota", version="1", ca_pem=authority.ca_pem), tmp_path)
    return Build.load(tmp_path)


@pytest.mark.parametrize(
    "where", [replace(VIRTUAL, realtime=True), replace(VIRTUAL, driver="qemu"), replace(VIRTUAL, driver="serial")]
)
def test_where_time_is_real_a_server_is_silent_for_longer_than_the_timeout(
    build: Build, authority: Authority, where: Board
) -> None:
    with by_hand(build, authority) as (ota, _):
        assert ota.silence_beyond(TIMEOUT) < TIMEOUT
        ota.supply = cast(Supply, SimpleNamespace(board=where))  # all that is asked for
        assert ota.silence_beyond(TIMEOUT) > TIMEOUT


@pytest.mark.parametrize(("pause", "enough"), [(4_980, True), (8_000, True), (4_000, False)])
def test_the_board_has_met_a_silence_or_it_has_not(
    build: Build, authority: Authority, pause: int, enough: bool
) -> None:
    """What it takes to connect does not count, nor what comes in the boot behind it."""
    with by_hand(build, authority) as (ota, board):
        board.boots("ota_0", "1")
        ota.start(Draft(build.image).version("2"))
        ota.timeline.append("console", "record", message="Starting", ms=100)
        ota.timeline.append("server", "request", request=1)
        for ms in (9_000, 9_100, 9_100 + pause, 9_200 + pause):
            ota.timeline.append("console", "record", message="a line", ms=ms)
        board.boots("ota_1", "2")
        for ms in (100, 9_000):
            ota.timeline.append("console", "record", message="a line", ms=ms)
        if enough:
            ota.expect_silence(TIMEOUT)
        else:
            with pytest.raises(ExpectationFailed, match="silent for 4000 ms, and not for 5 s at least"):
                ota.expect_silence(TIMEOUT)


def test_a_board_that_was_never_served_has_met_none(build: Build, authority: Authority) -> None:
    with by_hand(build, authority) as (ota, board):
        board.boots("ota_0", "1")
        ota.start(Draft(build.image).version("2"))
        with pytest.raises(ExpectationFailed, match="silent for 0 ms"):
            ota.expect_silence(TIMEOUT)
