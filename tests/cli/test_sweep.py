"""``bench sweep`` on the command line: what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli import main


def test_a_cut_behind_the_end_of_a_life_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTA_BENCH_HOME", str(tmp_path / "home"))
    assert main(["sweep", "update", "--at", "99999:middle"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("bench: --at 99999:middle: this life has ")
    assert told.endswith(" operations, and no such one\n")


@pytest.mark.parametrize("option", ["--jobs=0", "--second=-1", "--seed=x"])
def test_numbers_that_cannot_be_are_wrong_usage(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sweep", option])
    assert ended.value.code == 2
    assert f"argument {option.partition('=')[0]}: " in capsys.readouterr().err
