"""What is shared is made by one process, seen by all, and whole, whatever its maker died of."""

from __future__ import annotations

import fcntl
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from bench.once import OnceIn, every_time
from bench.ota import Keys

_MAKER = """
import os, sys
from pathlib import Path
from bench.once import OnceIn

def make():
    print("making", flush=True)
    sys.stdin.readline()
    return f"made by {os.getpid()}".encode()

print(OnceIn(Path(sys.argv[1]))("a thing", make).decode(), flush=True)
"""


def _maker(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _MAKER, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_it_is_made_once_for_all_names_and_callers(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> bytes:
        made.append(1)
        return b"x"

    for name in ("one", "one", "../two\n", "../two\n"):
        assert OnceIn(tmp_path / "shared")(name, make) == b"x"
    assert len(made) == 2
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / "shared"}


def test_what_one_process_makes_the_others_wait_for(tmp_path: Path) -> None:
    with _maker(tmp_path) as first:
        assert _line(first) == "making"
        with _maker(tmp_path) as second:
            out, _ = first.communicate("\n", timeout=60)
            assert out.strip() == f"made by {first.pid}"
            assert _line(second) == f"made by {first.pid}"


def test_it_is_locked_while_it_is_made(tmp_path: Path) -> None:
    def make() -> bytes:
        (lock,) = tmp_path.glob("*.lock")
        with lock.open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return b"whole"

    assert OnceIn(tmp_path)("a thing", make) == b"whole"


def test_half_a_result_is_none(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        OnceIn(tmp_path)("a thing", cast("Callable[[], bytes]", lambda: None))  # fails as it is written
    assert OnceIn(tmp_path)("a thing", lambda: b"whole") == b"whole"


def test_a_maker_that_is_killed_leaves_it_to_the_next_one(tmp_path: Path) -> None:
    with _maker(tmp_path) as first:
        assert _line(first) == "making"
        with _maker(tmp_path) as second:
            first.send_signal(signal.SIGKILL)
            assert _line(second) == "making"
            second.communicate("\n", timeout=60)
    assert OnceIn(tmp_path)("a thing", lambda: b"") == f"made by {second.pid}".encode()


def test_a_maker_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        OnceIn(tmp_path)("a thing", fail)
    assert OnceIn(tmp_path)("a thing", lambda: b"whole") == b"whole"


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    OnceIn(tmp_path / "shared")("a key", lambda: b"secret")
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o700
    assert all(path.stat().st_size == 0 or stat.S_IMODE(path.stat().st_mode) == 0o600 for path in tmp_path.glob("*/*"))


def test_who_shares_with_nobody_makes_it_every_time() -> None:
    assert every_time("a thing", lambda: b"one") == b"one"
    assert every_time("a thing", lambda: b"two") == b"two"


def test_processes_of_a_run_have_the_same_keys(tmp_path: Path) -> None:
    one, other, stranger = Keys(OnceIn(tmp_path)), Keys(OnceIn(tmp_path)), Keys()
    for name in ("device_private", "device_public", "foreign_public", "hmac_key", "flash_key", "foreign_ecies_public"):
        assert getattr(one, name) == getattr(other, name) != getattr(stranger, name)
    for scheme in ("rsa", "ecdsa"):
        assert one.signing(scheme) == other.signing(scheme) != one.foreign_signing(scheme)
        assert one.foreign_signing(scheme) == other.foreign_signing(scheme)
