"""Which boards `--board` means: never another one than was asked for."""

from __future__ import annotations

import pytest

from bench.boards.boards_file import BoardsFile
from bench.boards.select import Pool, select_pools
from bench.errors import BenchError

FILE = BoardsFile.parse(
    b"""
default: model
boards:
  model: {chip: esp32s3, driver: virtual, tags: [models]}
  one: {chip: esp32s3, driver: serial, port: /dev/one, tags: [desk, mixed]}
  two: {chip: esp32s3, driver: serial, port: /dev/two, tags: [lab]}
  remote: {chip: esp32, driver: rfc2217, port: "rfc2217://lab:4000", tags: [lab, chips]}
  other: {chip: esp32s3, driver: virtual, tags: [models, mixed, chips]}
""",
    path="lab.yaml",
)


def pools(*wanted: str, attached: tuple[str, ...] = ()) -> tuple[Pool, ...]:
    return select_pools(FILE, wanted, attached=lambda board: board.virtual or board.name in attached)


def names(*wanted: str, attached: tuple[str, ...] = ()) -> dict[str, list[str]]:
    return {pool.name: [board.name for board in pool.boards] for pool in pools(*wanted, attached=attached)}


def test_without_board_the_default_is_taken() -> None:
    assert names() == {"model": ["model"]}


def test_a_chip_is_the_pool_of_its_attached_real_boards() -> None:
    assert names("esp32s3", attached=("one", "two", "remote")) == {"esp32s3": ["one", "two"]}


def test_a_chip_keeps_its_name_where_one_board_is_attached() -> None:
    """The ids of tests are the same tomorrow, when the second one is attached again."""
    assert names("esp32s3", attached=("two",)) == {"esp32s3": ["two"]}


def test_a_chip_never_takes_the_virtual_board_but_names_it() -> None:
    with pytest.raises(BenchError, match=r"no esp32s3 board is attached.*--board model"):
        names("esp32s3")


def test_a_chip_nobody_has_says_so() -> None:
    with pytest.raises(BenchError, match=r"no esp32c3 board is attached: lab\.yaml names none"):
        names("esp32c3")


def test_a_tag_is_a_pool_for_each_chip() -> None:
    assert names("tag:lab", attached=("two", "remote")) == {"lab-esp32s3": ["two"], "lab-esp32": ["remote"]}


def test_a_tag_on_boards_of_two_chips_keeps_its_names_when_one_is_away() -> None:
    assert names("tag:lab", attached=("remote",)) == {"lab-esp32": ["remote"]}


def test_a_tag_on_boards_of_one_chip_is_called_by_its_name() -> None:
    assert names("tag:models") == {"models": ["model", "other"]}


@pytest.mark.parametrize("attached", [("one", "remote"), ()], ids=["attached", "away"])
@pytest.mark.parametrize(("tag", "hardware"), [("mixed", "one"), ("chips", "remote")])
def test_a_tag_never_mixes_boards_with_models(tag: str, hardware: str, attached: tuple[str, ...]) -> None:
    """Nor does it where the hardware is away, or of another chip: such a run would pass on the models alone."""
    with pytest.raises(BenchError, match=f"{hardware}, other are hardware and models in one"):
        names(f"tag:{tag}", attached=attached)


def test_a_tag_that_no_attached_board_has_says_what_is_away() -> None:
    with pytest.raises(BenchError, match=r"no such board is attached: one \(/dev/one is not there\)"):
        names("tag:desk")


def test_a_tag_that_no_board_has_says_which_there_are() -> None:
    with pytest.raises(BenchError, match=r"no board has that tag; lab\.yaml has models, desk, mixed, lab, chips"):
        names("tag:moon")


def test_a_named_board_whose_port_is_gone_is_an_error_with_its_line() -> None:
    with pytest.raises(BenchError, match=r"/dev/one is not there \(lab\.yaml:5\)"):
        names("one")


@pytest.mark.parametrize(("wrong", "right"), [("remot", "remote"), ("esp32s33", "esp32s3"), ("tg:lab", "tag:lab")])
def test_a_wrong_name_gets_a_suggestion(wrong: str, right: str) -> None:
    with pytest.raises(BenchError, match=f"did you mean '{right}'"):
        names(wrong)


def test_each_pool_is_taken_once_in_the_order_given() -> None:
    assert list(names("remote", "model", "remote", attached=("remote",))) == ["remote", "model"]


def test_a_board_may_be_named_and_stand_in_a_pool() -> None:
    assert names("one", "esp32s3", attached=("one", "two")) == {"one": ["one"], "esp32s3": ["one", "two"]}


def test_no_default_and_no_board_is_an_error() -> None:
    file = BoardsFile.parse(b"boards: {model: {chip: esp32, driver: virtual}}")
    with pytest.raises(BenchError, match="--board model"):
        select_pools(file, ())


@pytest.mark.parametrize(
    ("wanted", "capacity"),
    [("model", None), ("tag:models", 2), ("esp32s3", 2), ("one", 1)],
    ids=["a model by name", "models by tag", "boards by chip", "a board by name"],
)
def test_a_pool_has_room_for_as_many_as_it_has_boards(wanted: str, capacity: int | None) -> None:
    """But for a model that is asked for by its name: it is started as often as it is needed."""
    (pool,) = pools(wanted, attached=("one", "two"))
    assert pool.capacity == capacity
    assert pool.chip == "esp32s3"
