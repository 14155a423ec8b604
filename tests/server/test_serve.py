"""`bench serve`, as a person at a shell uses it."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

# The command alone, so that a broken other command does not break these tests.
PROGRAM = [sys.executable, "-c"]
PROGRAM.append(
    "import argparse, sys\n"
    "from bench.cli import serve\n"
    "from bench.errors import BenchError\n"
    "parser = argparse.ArgumentParser()\n"
    "serve.register(parser.add_subparsers())\n"
    "args = parser.parse_args()\n"
    "try:\n"
    "    sys.exit(args.run(args))\n"
    "except BenchError as error:\n"
    "    sys.exit(f'bench: {error}')\n"
)


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "OTA_BENCH_HOME": str(folder / "home"), "PYTHONWARNINGS": "error"}


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str], Path]]:
    """`bench serve` running: the process, the URLs and the certificate that it printed."""
    command, pipe = [*PROGRAM, "serve", *arguments], subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment(folder))
    assert process.stdout is not None
    urls: list[str] = []
    try:
        for line in process.stdout:
            if line.startswith("https://"):
                urls.append(line.strip())
            else:
                break
        match = re.fullmatch(r"CA certificate: (.+)\n", line)
        assert match is not None, line
        yield process, urls, Path(match[1])
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def fetch(url: str, ca: Path) -> bytes:
    context = ssl.create_default_context(cafile=ca)
    with urllib.request.urlopen(url, context=context, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def failing(folder: Path, *arguments: str) -> str:
    command = [*PROGRAM, "serve", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment(folder), check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_and_tells_and_ends_cleanly(tmp_path: Path, end: signal.Signals) -> None:
    for name in ("one.bin", "two.bin"):
        (tmp_path / name).write_bytes(name.encode())
    with serving(tmp_path, str(tmp_path / "one.bin"), str(tmp_path / "two.bin")) as (process, urls, ca):
        assert ca == tmp_path / "home" / "ca.pem"
        assert [url.rsplit("/", 1)[1] for url in urls] == ["one.bin", "two.bin"]
        assert [fetch(url, ca) for url in urls] == [b"one.bin", b"two.bin"]
        assert process.stdout is not None
        told = ""
        while told.count(" 200, sent 7 of 7 bytes") < 2:
            told += process.stdout.readline()
        assert "GET /one.bin" in told
        assert "TLSv1.3" in told
        process.send_signal(end)
        out, err = process.communicate(timeout=10)
        assert process.returncode == 0
        assert out.endswith("stopped\n")
        assert err == ""


def test_faults_fire_and_are_told(tmp_path: Path) -> None:
    file = tmp_path / "app.bin"
    file.write_bytes(bytes(50_000))
    with serving(tmp_path, "--fault", "cut:after=20000", str(file)) as (process, (url,), ca):
        with pytest.raises(Exception, match=r"20000 bytes read, 30000 more expected"):
            fetch(url, ca)
        assert process.stdout is not None
        line = ""
        while "fault" not in line:
            line = process.stdout.readline()
        assert "fault cut (after=20000)" in line
        assert "200, sent 20000 of 50000 bytes, ended by the fault" in process.stdout.readline()
    with serving(tmp_path, "--fault", "not-found", str(file)) as (_, (url,), ca):
        with pytest.raises(urllib.error.HTTPError) as caught:
            fetch(url, ca)
        assert caught.value.code == 404
        caught.value.close()


@pytest.mark.parametrize(
    ("encoding", "told"), [("utf-8", "GET /é\\x1b[2J \\udcff"), ("ascii", "GET /\\xe9\\x1b[2J \\udcff")]
)
def test_what_cannot_be_printed_is_told_escaped_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, told: str
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", f"{encoding}:strict")
    file = tmp_path / "app.bin"
    file.write_bytes(b"x")
    with serving(tmp_path, str(file)) as (process, (url,), ca):
        parts = urlsplit(url)
        context = ssl.create_default_context(cafile=ca)
        with (
            socket.create_connection((parts.hostname, parts.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as peer,
        ):
            peer.sendall(b"GET /%C3%A9%1B[2J HTTP/1.1\r\nHost: x\r\nRange: \xff\r\n\r\n")
            assert peer.recv(4096).startswith(b"HTTP/1.1 404 ")
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        assert lines[1].endswith(f"{told}\n")
        assert fetch(url, ca) == b"x"


def test_the_wrong_certificate_is_on_the_port_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "app.bin"
    file.write_bytes(b"x")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with serving(tmp_path, "--port", port, "--fault", "wrong-certificate", str(file)) as (_, (url,), ca):
        assert url == f"https://127.0.0.1:{port}/app.bin"
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            fetch(url, ca)


def test_mistakes_are_one_line_with_the_mend(tmp_path: Path) -> None:
    file, same = tmp_path / "app.bin", tmp_path / "other" / "app.bin"
    same.parent.mkdir()
    for path in (file, same):
        path.write_bytes(b"x")
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        assert "in use" in failing(tmp_path, "--port", port, str(file))
    assert "cut:after=..., " in failing(tmp_path, "--fault", "nonsense", str(file))
    assert "two files are called 'app.bin'" in failing(tmp_path, str(file), str(same))
    assert "two files are called 'app.bin'" in failing(tmp_path, str(file), str(file))
    assert "No such file" in failing(tmp_path, str(tmp_path / "absent.bin"))
    assert "Is a directory" in failing(tmp_path, str(tmp_path))
