"""``bench boards`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.boards.board import Board
from bench.boards.boards_file import BoardsFile
from bench.boards.drivers import VirtualBoard
from bench.cli import main


@pytest.fixture(autouse=True)
def leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of this test's own: others may check a port of the same name at the same time."""
    monkeypatch.setenv("OTA_BENCH_LEASES", str(tmp_path / "leases"))


def test_check_tells_each_step_and_its_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "boards.yaml"
    path.write_text(
        "boards:\n  model: {chip: esp32c3, driver: virtual}\n"
        "  gone: {chip: esp32, driver: serial, port: /dev/nonesuch}\n"
    )
    assert main(["boards", "check", "--boards-file", str(path), "model"]) == 0
    assert "download mode: esp32c3 v0.3" in capsys.readouterr().out
    assert main(["boards", "check", "--boards-file", str(path), "gone", "--json"]) == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [finding["mend"] for finding in told if finding["board"] == "gone"] == [
        "attach the board, or see `bench boards discover`"
    ]
    assert main(["boards", "check", "--boards-file", str(path), "nobody"]) == 2
    assert "no board 'nobody'; it names model, gone" in capsys.readouterr().err


def test_discover_prints_an_entry_that_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = tmp_path / "boards.yaml"
    taken.write_text("boards:\n  esp32s3-f5a4: {chip: esp32s3, driver: virtual}\n")
    with VirtualBoard(Board("model", "esp32s3", "virtual")) as board:
        port = board.url
        assert main(["boards", "discover", "--port", port, "--boards-file", str(taken)]) == 0
        told = capsys.readouterr().out
        assert main(["boards", "discover", "--port", port, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["identity"]["chip"] == "esp32s3"
    pasted = BoardsFile.parse(told[told.index("boards:") :].encode())
    assert [(board.chip, board.port) for board in pasted.boards.values()] == [("esp32s3", port)]
    assert list(pasted.boards) == ["esp32s3-f5a4-2"]


def test_discover_prints_no_entry_for_a_url_that_no_driver_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualBoard(Board("model", "esp32s3", "virtual")) as board:
        assert main(["boards", "discover", "--port", board.port]) == 0
    told = capsys.readouterr().out
    assert "f4:12:fa:b0:f5:a4" in told
    assert "boards:" not in told
    assert "no chip" not in told


@pytest.mark.parametrize(
    ("port", "says"),
    [
        ("rfc2217://[lab:4000", "must be a URL: rfc2217://HOST:PORT (Invalid IPv6 URL)"),
        ("rfc2217://lab", "must be a URL: rfc2217://HOST:PORT"),
        ("socket://lab:4000", "means nothing to driver 'serial'"),
    ],
)
def test_a_url_where_no_board_can_be_is_told(port: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "recover", port]) == 2
    assert f"{port} {says}" in capsys.readouterr().err


def test_discover_says_so_where_no_chip_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "discover", "--port", "/dev/nonesuch"]) == 1
    told = capsys.readouterr().out
    assert "/dev/nonesuch" in told
    assert "no chip was found" in told


def test_a_stuck_board_is_recovered(capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualBoard(Board("model", "esp32s3", "virtual")) as board:
        board.write_flash(0, b"\xe9" + bytes(4096))  # half a bootloader
        assert main(["boards", "recover", board.url]) == 0
    assert "esp32s3" in capsys.readouterr().out.lower().replace("-", "")
