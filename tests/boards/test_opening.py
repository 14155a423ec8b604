"""Opening a serial port: what is wrong, whose process it is, and the mend."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.boards.console_port import ConsolePort
from bench.boards.opening import open_port
from bench.errors import BenchError, BoardBusy, BoardLost
from tests.boards.serial_rig import Heard, wait_until
from tests.boards.usb_board import Terminal

NOBODY = 65534


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


def test_a_port_is_opened_for_one_alone_and_another_process_is_named(terminal: Terminal) -> None:
    script = (
        "import serial, sys; port = serial.Serial(sys.argv[1], exclusive=True); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, terminal.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(BoardBusy, match=rf"{terminal.path} is held by pid {process.pid} \(.*import serial"):
            open_port(terminal.path, baud=115200, timeout=0.1)
        process.communicate()
    with (
        open_port(terminal.path, baud=115200, timeout=0.1),
        pytest.raises(BoardBusy, match="another process, which only its user or root can see"),
    ):
        open_port(terminal.path, baud=115200, timeout=0.1)


def test_a_port_that_may_not_be_opened_comes_with_the_mend(tmp_path: Path) -> None:
    port = tmp_path / "ttyUSB0"
    port.touch(mode=0)
    root = os.geteuid() == 0
    if root:
        tmp_path.chmod(0o755)
        os.seteuid(NOBODY)  # root may open everything
    try:
        with pytest.raises(BenchError, match=r"permission denied; `sudo usermod -aG \w+ .*`, then log in again"):
            open_port(str(port), baud=115200, timeout=0.1)
    finally:
        if root:
            os.seteuid(0)


def test_a_port_that_is_not_there_is_a_lost_board(tmp_path: Path) -> None:
    with pytest.raises(BoardLost, match="cannot be opened"):
        open_port(str(tmp_path / "ttyUSB0"), baud=115200, timeout=0.1)


def test_a_port_without_rts_is_no_way_to_reset(terminal: Terminal) -> None:
    with (
        ConsolePort(terminal.path, Heard().feed) as port,
        pytest.raises(BenchError, match="has no RTS to reset by; say `reset_by: power`"),
    ):
        port.reset()


def test_a_port_that_hangs_up_for_good_is_a_lost_board() -> None:
    terminal, heard, stop = Terminal(), Heard(), threading.Event()
    told: list[BoardLost] = []
    with ConsolePort(terminal.path, heard.feed, when_lost=told.append) as port:
        terminal.write(b"the last words", stop)
        heard.wait_for(b"the last words")
        terminal.close()
        wait_until(lambda: bool(told), "the loss")
        with pytest.raises(BoardLost, match=f"{terminal.path} is gone"):
            port.write(b"x")
    assert [str(error) for error in told] == [str(port.lost)]
    assert heard.data == b"the last words"
