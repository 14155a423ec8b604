"""SIGKILL, SIGTERM and Ctrl-C at moments that a seed draws; `tox -e fire` does it for long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fire.signals import Shot, fire, shots
from tests.fixtures.labs import Lab, lab


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab"), desk="esp32c3") as made:
        yield made


@pytest.mark.parametrize("shot", [*shots(1, 3, -3.0, -0.2), *shots(2, 3, 0.0, 4.0)], ids=str)
def test_a_run_ended_by_a_signal_leaves_whole_evidence_and_nothing_else(desk: Lab, shot: Shot) -> None:
    fire(desk, str(shot).replace(" ", "-"), shot)
