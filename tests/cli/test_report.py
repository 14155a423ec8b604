"""`bench report`: the page of a run, of the newest one, and what it says where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.cli import main
from tests.report.making import scenario


def run(folder: Path, name: str) -> Path:
    with scenario(folder / name, f"of_{name}") as told:
        told.boots("1", "10000")
        told.ends("passed")
    return folder / name


def test_it_writes_the_page_of_a_run_where_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run(tmp_path, "20260101-000000")
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    assert main(["report", str(folder), "-o", str(tmp_path / "page.html")]) == 0
    assert "of_20260101-000000" in (tmp_path / "page.html").read_text("utf-8")


def test_the_newest_run_is_taken_from_a_folder_of_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("20260101-000000", "20260102-000000-2", "20260102-000000-10", "20260102-000000"):
        run(tmp_path, name)
    assert main(["report", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / '20260102-000000-10' / 'report.html'}\n"


def test_no_run_is_bad_usage_with_the_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert "name the folder of a run" in capsys.readouterr().err
    (tmp_path / "e1").mkdir()
    assert main(["report", str(tmp_path / "e1")]) == 2
    assert "e1 is no run: name the folder of a run" in capsys.readouterr().err
    assert list((tmp_path / "e1").iterdir()) == []
    (tmp_path / "e1" / "run.json").write_text("{")
    assert main(["report", str(tmp_path / "e1")]) == 0, "one whose facts are damaged is a run"


def test_a_page_is_written_over_a_page_and_over_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(tmp_path, "20260101-000000")
    firmware, pipe, page = tmp_path / "fw.bin", tmp_path / "pipe", tmp_path / "page.html"
    firmware.write_bytes(b"\xe9 firmware")
    os.mkfifo(pipe)
    assert main(["report", str(folder), "-o", str(firmware)]) == 2
    assert "fw.bin is there already, and is no HTML page: remove it, or name another file" in capsys.readouterr().err
    assert firmware.read_bytes() == b"\xe9 firmware"
    assert main(["report", str(folder), "-o", str(pipe)]) == 2
    assert "pipe is no file: name one to write the HTML page to" in capsys.readouterr().err
    assert pipe.is_fifo()
    page.touch()
    for _ in "ab":
        assert main(["report", str(folder), "-o", str(page)]) == 0
