"""The virtual board as a driver: it starts, answers, misbehaves on request, and is always given back."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench.boards.board import Board
from bench.boards.drivers import SerialBoard, VirtualBoard, attach
from bench.errors import BenchError, BoardLost, ExpectationFailed

BOARD = Board(name="model", chip="esp32c3", driver="virtual")


def test_it_starts_answers_and_ends() -> None:
    with VirtualBoard(BOARD) as board:
        assert board.port.startswith("virtual://127.0.0.1:")
        assert board.url.startswith("rfc2217://127.0.0.1:")
        assert board.status()["chip"] == "esp32c3"
        assert board.read_flash(0x1000, 16) == b"\xff" * 16
        assert board.digest_flash(0, 4096) == hashlib.sha256(b"\xff" * 4096).hexdigest()
        assert board.secure_version() == 0
    with pytest.raises(BoardLost, match="not running"):
        board.status()


def test_a_refused_request_names_itself_and_the_reason() -> None:
    with VirtualBoard(BOARD) as board, pytest.raises(BoardLost, match="refused 'read_flash'"):
        board.read_flash(0, 1 << 30)


def test_power_is_taken_and_given_back() -> None:
    with VirtualBoard(BOARD) as board:
        board.power(False)
        board.wait_until_off(5)
        assert board.status()["powered"] is False
        board.renew()
        assert board.status()["powered"] is True


def test_a_power_cut_that_never_comes_is_the_firmwares_fault() -> None:
    with VirtualBoard(BOARD) as board:
        board.plan_power_cut("otadata:confirm")
        with pytest.raises(ExpectationFailed, match="did not come"):
            board.wait_until_off(0)


def test_a_board_whose_process_died_is_lost() -> None:
    with VirtualBoard(BOARD) as board:
        process = board._process
        assert process is not None
        process.kill()
        process.wait()
        with pytest.raises(BoardLost, match=r"has ended|does not answer"):
            board.status()


def test_its_process_ends_when_the_bench_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    script = (
        "from bench.boards.board import Board\nfrom bench.boards.drivers import VirtualBoard\nimport pathlib, signal\n"
        "with VirtualBoard(Board(name='m', chip='esp32', driver='virtual')) as board:\n"
        f"    pathlib.Path({str(told)!r}).write_text(str(board._process.pid))\n"
        "    print('ready', flush=True)\n    signal.pause()\n"
    )
    bench = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert bench.stdout is not None
    with bench.stdout:
        assert bench.stdout.readline() == b"ready\n"
        bench.kill()
        bench.wait()
    pid = int(told.read_text())
    ends = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < ends, "the board outlived the bench"
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        os.kill(pid, 0)
    except (OSError, IndexError):
        return False
    return state != "Z"


def test_a_process_that_does_not_start_is_named() -> None:
    with pytest.raises(BoardLost, match="nonesuch did not start"):
        VirtualBoard(Board(name="nonesuch", chip="esp99", driver="virtual")).__enter__()


def test_the_driver_is_chosen_by_boards_yaml() -> None:
    assert isinstance(attach(BOARD), VirtualBoard)
    assert isinstance(attach(Board(name="desk", chip="esp32", driver="serial", port="/dev/ttyUSB0")), SerialBoard)


def test_boards_yaml_can_have_its_waiting_take_its_time() -> None:
    for realtime in (False, True):
        with attach(replace(BOARD, realtime=realtime)) as board:
            assert isinstance(board, VirtualBoard)
            assert board._process is not None
            command = Path(f"/proc/{board._process.pid}/cmdline").read_text().split("\0")
            assert ("--realtime" in command) is realtime


def test_what_a_board_cannot_do_is_told_with_the_mark_that_is_missing() -> None:
    attached = attach(Board(name="desk", chip="esp32", driver="serial", port="/dev/ttyUSB0"))
    for ask, capability in (
        (lambda: attached.supply.power(False), "power_cycle"),
        (lambda: attached.supply.plan_power_cut("ota:write"), "power_cut"),
        (lambda: attached.supply.read_flash(0, 4), "flash_snapshot"),
        (lambda: attached.supply.write_flash(0, b""), "flash_write"),
        (lambda: attached.supply.set_network(False), "network_control"),
        (lambda: attached.supply.burn_efuse(0, b"\1"), "efuse_disposable"),
    ):
        with pytest.raises(BenchError, match=rf"desk \(driver serial\) lacks {capability}:.*needs\('{capability}'\)"):
            ask()
