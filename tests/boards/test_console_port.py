"""The console of a board: every byte is fed on, typing and resetting work, and a port that goes is a lost board."""

from __future__ import annotations

import threading

import pytest

from bench.boards.board import Board
from bench.boards.console_port import ConsolePort
from bench.boards.drivers import VirtualBoard
from bench.errors import BoardLost
from tests.boards.serial_rig import Heard

BOARD = Board(name="model", chip="esp32c3", driver="virtual")


def test_a_reset_is_heard_each_time() -> None:
    heard = Heard()
    with VirtualBoard(BOARD) as board, ConsolePort(board.port, heard.feed, hold=0.0) as port:
        for times in (1, 2, 3):
            before = heard.data.count(b"rst:0x1 (POWERON)")
            port.reset()
            heard.wait_for(b"rst:0x1 (POWERON)", before + 1)
            assert times <= heard.data.count(b"rst:0x1 (POWERON)")


def test_a_port_that_is_not_there_is_a_lost_board() -> None:
    with pytest.raises(BoardLost, match="cannot be opened"):
        ConsolePort("/nonexistent/tty", lambda _data: None).__enter__()


def test_a_closed_port_is_said_to_be_closed() -> None:
    with pytest.raises(BoardLost, match="not open"):
        ConsolePort("/nonexistent/tty", lambda _data: None).write(b"x")


def test_no_thread_is_left() -> None:
    heard = Heard()
    with VirtualBoard(BOARD) as board:
        with ConsolePort(board.port, heard.feed, hold=0.0) as port:
            port.reset()
            heard.wait_for(b"ESP-ROM")
        names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("console of")]
