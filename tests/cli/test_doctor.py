"""``bench doctor``: what keeps the bench from working here, and what mends it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cli import main


def findings(capsys: pytest.CaptureFixture[str], boards: Path) -> tuple[int, dict[str, dict[str, str]]]:
    code = main(["doctor", "--json", "--boards-file", str(boards)])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return code, {one["step"]: one for one in told}


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTA_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OTA_BENCH_LEASES", str(tmp_path / "leases"))


def test_a_fit_machine_is_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    boards = tmp_path / "boards.yaml"
    boards.write_text(
        "boards:\n  model: {chip: esp32, driver: virtual}\n  gone: {chip: esp32, driver: serial, port: /dev/nonesuch}\n"
    )
    code, told = findings(capsys, boards)
    assert code == 0
    assert told["boards.yaml"]["told"] == "2 boards"
    assert told["gone"]["verdict"] == "warning"
    assert told["esptool"]["verdict"] == "ok"
    assert Path(told["CA"]["told"]).exists()


def test_what_is_broken_is_named_with_its_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    boards = tmp_path / "boards.yaml"
    boards.write_text("boards:\n  desk: {chip: esp33, driver: serial}\n")
    (tmp_path / "file").touch()
    monkeypatch.setenv("OTA_BENCH_HOME", str(tmp_path / "file" / "home"))
    code, told = findings(capsys, boards)
    assert code == 1
    assert "did you mean 'esp32" in told["boards.yaml"]["told"]
    assert told["CA"]["verdict"] == "broken"
    assert told["CA"]["mend"]


def test_a_machine_without_boards_yaml_is_fit_for_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--boards-file", str(tmp_path / "none.yaml")]) == 0
    told = capsys.readouterr().out
    assert "virtual boards only" in told
    assert "the bench can work here" in told


def test_where_qemu_comes_from_stands_where_it_is_said_to_stand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    _, told = findings(capsys, tmp_path / "none.yaml")
    assert "docs/labs.md says how ESP-IDF installs it" in told["qemu-system-xtensa"]["told"]
    page = (Path(__file__).parents[2] / "docs" / "labs.md").read_text("utf-8")
    assert "idf_tools.py install qemu-xtensa qemu-riscv32" in page
