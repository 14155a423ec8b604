"""What is written again is whole at every moment, and replaced only where it must be."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.json_file import rewrite_json


@given(values=st.lists(st.dictionaries(st.text(), st.text(max_size=3000), max_size=3), min_size=1, max_size=6))
def test_a_file_that_is_written_again_says_what_was_written_last(
    values: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("again") / "outcome.json"
    for value in values:
        rewrite_json(path, value)
        assert json.loads(path.read_bytes()) == value
    assert os.listdir(path.parent) == ["outcome.json"]


@pytest.mark.parametrize(
    ("first", "then", "over"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 2}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),  # an end of the old one would be left
        ({"a": 1}, {"a": "x" * 4096}, False),  # a process can be killed between two pages
    ],
)
def test_a_file_is_written_over_only_where_nothing_can_come_between(
    first: object, then: object, over: bool, tmp_path: Path
) -> None:
    path = tmp_path / "outcome.json"
    rewrite_json(path, first)
    with path.open("rb") as reader:  # which a file that is replaced is not seen through
        rewrite_json(path, then)
        assert (json.loads(reader.read()) == then) is over
    assert json.loads(path.read_bytes()) == then


@pytest.mark.parametrize("there", ["gone/away", "/dev/full"])
def test_what_can_only_be_replaced_is(there: str, tmp_path: Path) -> None:
    path = tmp_path / "outcome.json"
    path.symlink_to(tmp_path / there)
    rewrite_json(path, {"a": 1})
    assert json.loads(path.read_bytes()) == {"a": 1}


def test_what_cannot_be_written_at_all_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "outcome.json"
    path.mkdir()
    with pytest.raises(OSError, match=r"outcome\.json"):
        rewrite_json(path, {"a": 1})
    assert os.listdir(tmp_path) == ["outcome.json"]
