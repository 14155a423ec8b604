"""The board as a process: what it prints, how it ends, what its files keep."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.virtual.benchtop import PATIENCE

_BENCH = "import sys; from bench.cli import main; sys.exit(main())"


@contextmanager
def board(*options: str) -> Iterator[subprocess.Popen[str]]:
    """A board's process, which must have ended by itself when this is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.virtual", "--chip", "esp32c3", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
            process.wait(PATIENCE)
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def ask(url: str, **request: object) -> dict[str, object]:
    with socket.create_connection(address(url), timeout=PATIENCE) as sock, sock.makefile("rb") as answers:
        sock.sendall(json.dumps(request).encode() + b"\n")
        answer: dict[str, object] = json.loads(answers.readline())
        return answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(number: signal.Signals) -> None:
    with board("--control", "127.0.0.1:0") as process:
        assert line_of(process).startswith("rfc2217://127.0.0.1:")
        assert line_of(process).startswith("control://127.0.0.1:")
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert process.communicate() == ("", "")


def test_a_signal_ends_it_whoever_is_connected() -> None:
    with board("--control", "127.0.0.1:0") as process:
        port, control = address(line_of(process)), address(line_of(process))
        with socket.create_connection(port), socket.create_connection(control), socket.create_connection(port):
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0


def test_the_end_of_stdin_ends_it_where_asked_for() -> None:
    with board("--until-stdin-closes") as process:
        line_of(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


def test_files_keep_flash_and_efuse_even_when_it_is_killed(tmp_path: Path) -> None:
    flash, efuse = tmp_path / "flash.bin", tmp_path / "efuse.bin"
    files = ("--flash", str(flash), "--efuse", str(efuse), "--control", "127.0.0.1:0")
    with board(*files) as process:
        line_of(process)
        assert ask(line_of(process), do="write_flash", offset=16, data="a2VwdA==") == {"ok": True}
        process.kill()
    assert flash.read_bytes()[:24] == b"\xff" * 16 + b"kept" + b"\xff" * 4
    assert efuse.stat().st_size == 11 * 32
    with board(*files) as process:
        line_of(process)
        assert ask(line_of(process), do="read_flash", offset=16, length=4) == {"ok": True, "data": "a2VwdA=="}
        process.terminate()
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("option", ["--flash", "--efuse"])
def test_a_file_of_another_size_is_an_error(option: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.bin"
    path.write_bytes(b"wrong")
    with board(option, str(path)) as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert out == ""
    assert err.startswith("bench: ")
    assert "has 5 bytes, it must have" in err
    assert err.count("\n") == 1


def test_an_address_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with board("--listen", f"127.0.0.1:{server.getsockname()[1]}") as process:
            _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 2
        assert "cannot listen on" in err


@pytest.mark.parametrize("text", ["nowhere", "127.0.0.1:99999", "127.0.0.1:x"])
def test_a_malformed_address_is_bad_usage(text: str) -> None:
    with board("--listen", text) as process:
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "is not HOST:PORT" in err


def test_the_bench_command_is_the_same_board() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _BENCH, "virtual", "--chip", "esp32s3", "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert line_of(process).startswith("rfc2217://127.0.0.1:")
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
