"""``bench console live`` and completion: what a person sees and types."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from bench.boards.board import Board
from bench.boards.drivers import VirtualBoard
from bench.builds import Build, VirtualBuild, write_build
from bench.cli import COMMANDS, main
from bench.cli.live import Screen
from bench.server import Authority
from tests.console.consoles import Device
from tests.ota.rig import flash


def test_events_and_boots_are_marked_and_levels_coloured() -> None:
    console = Device().boot("factory", "1").download("ota_0").console
    plain, coloured = list[str](), list[str]()
    for shown, colour in ((plain, False), (coloured, True)):
        screen = Screen(shown.append, colour=colour)
        screen.feed(console)
        screen.close()
    text = "".join(plain)
    assert ">>> boot: " in text
    assert ">>> ESP_HTTPS_OTA_START" in text
    assert "\x1b" not in text
    assert re.sub(r"\x1b\[[0-9;]*m", "", "".join(coloured)) == text
    assert any(line.startswith("\x1b[32mI (") for line in coloured)


def test_what_a_device_prints_cannot_touch_the_terminal() -> None:
    shown: list[str] = []
    screen = Screen(shown.append, colour=False)
    screen.feed(b"I (1) app: \x1b]0;title\x07 \x9b2J \x08\x08\r\n")
    screen.close()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", "".join(shown))


@contextmanager
def watched(
    folder: Path, stdin: int, last: str = ""
) -> Iterator[tuple[VirtualBoard, subprocess.Popen[str], queue.Queue[str]]]:
    """`bench console live` of a board that is reset first; the lines that it says, and no more after `last`."""
    spec = VirtualBuild(chip="esp32s3", app="advanced_https_ota", version="7", ca_pem=Authority.throwaway().ca_pem)
    write_build(spec, folder / "build")
    environment = {**os.environ, "OTA_BENCH_LEASES": str(folder / "leases")}
    with VirtualBoard(Board("model", "esp32s3", "virtual")) as board:
        flash(board, Build.load(folder / "build"))
        code = "import sys; from bench.cli import main; sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", code, "console", "live", board.url, "--reset", "--raw", str(folder / "raw")]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=stdin, stdout=pipe, stderr=pipe, text=True, env=environment) as live:
            assert live.stdout is not None
            lines: queue.Queue[str] = queue.Queue()
            reader = threading.Thread(target=_pump, args=(live.stdout, lines, last))
            reader.start()
            try:
                yield board, live, lines
            finally:
                live.kill()
                reader.join(10)


def test_a_board_is_watched_and_typed_to(tmp_path: Path) -> None:
    with watched(tmp_path, subprocess.PIPE) as (_, live, lines):
        assert live.stdin is not None
        _until(lines, ">>> boot: ")
        _until(lines, "Starting Advanced OTA example")
        live.stdin.write("https://127.0.0.1:1/none.bin\n")
        live.stdin.flush()
        _until(lines, "ESP_HTTPS_OTA_START")
        live.send_signal(signal.SIGINT)
        assert live.wait(30) == 130
    assert b"App version:      7" in (tmp_path / "raw").read_bytes()


def test_a_board_is_recorded_where_nobody_can_type(tmp_path: Path) -> None:
    """As in CI, where stdin is /dev/null."""
    with watched(tmp_path, subprocess.DEVNULL) as (board, live, lines):
        _until(lines, "Starting Advanced OTA example")
        assert live.poll() is None
        board.power(False)
        board.power(True)
        _until(lines, "Starting Advanced OTA example")
        live.send_signal(signal.SIGINT)
        assert live.wait(30) == 130
    assert (tmp_path / "raw").read_bytes().count(b"App version:      7") == 2


def test_a_record_ends_when_the_board_is_lost(tmp_path: Path) -> None:
    with watched(tmp_path, subprocess.DEVNULL) as (board, live, lines):
        _until(lines, "Starting Advanced OTA example")
        assert live.stderr is not None
        board.__exit__(None, None, None)
        assert live.wait(30) == 2
        assert live.stderr.read().startswith("bench: the port ")


def test_a_record_ends_when_nobody_reads_it(tmp_path: Path) -> None:
    """As `| head` does: the board is silent by then, so no line would ever tell that it cannot be printed."""
    silent_after = "Starting Advanced OTA example"
    with watched(tmp_path, subprocess.DEVNULL, silent_after) as (_, live, lines):
        _until(lines, silent_after)
        assert live.stderr is not None
        assert live.wait(30) == 141
        assert live.stderr.read() == ""


def test_a_record_ends_when_it_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "raw").symlink_to("/dev/full")
    with watched(tmp_path, subprocess.DEVNULL) as (_, live, _):
        assert live.stderr is not None
        assert live.wait(30) == 2
        assert live.stderr.read() == "bench: [Errno 28] No space left on device\n"


def _pump(stream: IO[str], lines: queue.Queue[str], last: str) -> None:
    for line in stream:
        lines.put(line)
        if last and last in line:
            stream.close()
            return


def _until(lines: queue.Queue[str], text: str) -> None:
    while text not in lines.get(timeout=30):
        pass


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_completion_knows_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    told = capsys.readouterr().out
    for group in COMMANDS.values():
        for name in group:
            assert re.search(rf"\b{name}\b", told)


def test_bash_completes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    ask = script + '\nCOMP_WORDS=(bench boards di) COMP_CWORD=2; _bench; echo "${COMPREPLY[@]}"\n'
    ask += 'COMP_WORDS=(bench vir) COMP_CWORD=1; _bench; echo "${COMPREPLY[@]}"\n'
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=30)
    assert done.stdout.split() == ["discover", "virtual"], done.stderr
