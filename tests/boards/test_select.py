"""Which boards `--board` means: never another one than was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.boards.board import Board
from bench.boards.boards_file import BoardsFile
from bench.boards.select import is_attached, select_boards
from bench.errors import BenchError

FILE = BoardsFile.parse(
    b"""
default: model
boards:
  model: {chip: esp32s3, driver: virtual}
  one: {chip: esp32s3, driver: serial, port: /dev/one}
  two: {chip: esp32s3, driver: serial, port: /dev/two}
  remote: {chip: esp32, driver: rfc2217, port: "rfc2217://lab:4000"}
""",
    path="lab.yaml",
)


def names(*wanted: str, attached: tuple[str, ...] = ()) -> list[str]:
    there = lambda board: board.virtual or board.name in attached  # noqa: E731 - reads better in one line
    return [board.name for board in select_boards(FILE, wanted, attached=there)]


def test_without_board_the_default_is_taken() -> None:
    assert names() == ["model"]


def test_a_chip_takes_the_first_attached_real_board() -> None:
    assert names("esp32s3", attached=("two",)) == ["two"]


def test_a_chip_never_takes_the_virtual_board_but_names_it() -> None:
    with pytest.raises(BenchError, match=r"no esp32s3 board is attached.*--board model"):
        names("esp32s3")


def test_a_chip_nobody_has_says_so() -> None:
    with pytest.raises(BenchError, match=r"no esp32c3 board is attached: lab\.yaml names none"):
        names("esp32c3")


def test_a_named_board_whose_port_is_gone_is_an_error_with_its_line() -> None:
    with pytest.raises(BenchError, match=r"/dev/one is not there \(lab\.yaml:5\)"):
        names("one")


def test_a_wrong_name_gets_a_suggestion() -> None:
    with pytest.raises(BenchError, match="did you mean 'remote'"):
        names("remot")


def test_each_board_is_taken_once_in_the_order_given() -> None:
    assert names("remote", "model", "remote", attached=("remote",)) == ["remote", "model"]


def test_no_default_and_no_board_is_an_error() -> None:
    file = BoardsFile.parse(b"boards: {model: {chip: esp32, driver: virtual}}")
    with pytest.raises(BenchError, match="--board model"):
        select_boards(file, ())


def test_a_device_is_attached_when_its_path_exists(tmp_path: Path) -> None:
    port = tmp_path / "tty"
    board = Board(name="b", chip="esp32", driver="serial", port=str(port))
    assert not is_attached(board)
    port.touch()
    assert is_attached(board)
