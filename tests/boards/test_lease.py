"""A lease keeps others out, tells them who has it, ends with its owner, and writes to no file but its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.boards.lease import FOLDER_VARIABLE, Lease, Owner, lease_folder
from bench.errors import BenchError

KEY = "tcp 127.0.0.1:4000"


def lease(folder: Path, *, board: str = "desk", key: str = KEY) -> Lease:
    return Lease(folder, key, Owner.this_process(board, "pytest scenarios"))


_HOLDER = """
import sys
from pathlib import Path
from bench.boards.lease import Lease, Owner
lease = Lease(Path(sys.argv[1]), sys.argv[2], Owner.this_process("desk", "a holder's purpose"))
print(lease.take(), flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lease until it is killed."""
    command = [sys.executable, "-c", _HOLDER, str(folder), KEY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        try:
            yield process
        finally:
            process.kill()


def test_only_one_has_it(tmp_path: Path) -> None:
    with lease(tmp_path) as one, lease(tmp_path) as other:
        assert one.take()
        assert one.held
        assert not other.take()
        assert not other.held
        one.give_back()
        assert other.take()


def test_two_boards_have_two_leases(tmp_path: Path) -> None:
    with lease(tmp_path) as one, lease(tmp_path, key="usb 1-2") as other:
        assert one.take()
        assert other.take()


def test_it_tells_who_holds_it_since_when_and_for_what(tmp_path: Path) -> None:
    with holder(tmp_path) as process, lease(tmp_path) as ours:
        assert not ours.take()
        owner = ours.holder()
        assert owner is not None
        assert owner.pid == process.pid
        assert not owner.gone
        assert str(owner).endswith('for "a holder\'s purpose"')
        assert f"(pid {process.pid} on {owner.host}) since 2" in str(owner)


def test_a_lease_given_back_has_no_holder(tmp_path: Path) -> None:
    with lease(tmp_path) as ours:
        ours.take()
    assert ours.holder() is None


def test_a_killed_owners_lease_is_free_at_once_and_taking_it_over_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    with holder(tmp_path) as process, lease(tmp_path) as ours:
        process.kill()
        process.wait()
        owner = ours.holder()
        assert owner is not None
        assert owner.gone
        assert ours.take(told.append)
        assert told == [f"desk: lease taken over from pid {process.pid} of {owner.user}, which is gone"]
        now = ours.holder()
        assert now is not None
        assert now.pid == os.getpid()


def test_an_ordinary_change_of_owners_tells_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    with lease(tmp_path) as one, lease(tmp_path) as other:
        one.take(told.append)
        one.give_back()
        other.take(told.append)
    assert told == []


def test_an_owner_sees_that_somebody_waits_and_cannot_take_it_again_before_them(tmp_path: Path) -> None:
    with lease(tmp_path) as one, lease(tmp_path) as other:
        assert one.take()
        assert not one.wanted()
        assert not other.take()
        assert one.wanted()
        one.give_back()
        assert not one.take()
        assert other.take()
        assert not other.wanted()
        assert not one.take()
        assert other.wanted()


def test_whoever_gives_up_waiting_is_in_nobodys_way(tmp_path: Path) -> None:
    with lease(tmp_path) as one, lease(tmp_path) as other:
        one.take()
        other.take()
        other.give_back()
        assert not one.wanted()


def test_a_lease_whose_file_was_swept_away_keeps_nobody_out_of_the_new_one(tmp_path: Path) -> None:
    with lease(tmp_path) as one, lease(tmp_path) as other:
        one.take()
        one.give_back()
        one.path.unlink()
        assert other.take()
        assert other.path.exists()


def test_files_are_for_all_users_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with lease(tmp_path) as ours:
            ours.take()
            assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666}
    finally:
        os.umask(before)


@pytest.mark.parametrize("suffix", [".lease", ".next"])
def test_a_link_in_the_place_of_a_lease_is_refused_and_not_followed(tmp_path: Path, suffix: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "leases"
    folder.mkdir()
    ours = lease(folder)
    ours.path.with_suffix(suffix).symlink_to(victim)
    with pytest.raises(BenchError, match="cannot be used"):
        ours.take()
    ours.give_back()
    assert victim.read_text() == "precious"


def test_a_second_name_of_somebodys_file_is_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    ours = lease(tmp_path)
    ours.path.hardlink_to(victim)
    with pytest.raises(BenchError, match="it is no plain file"):
        ours.take()
    ours.give_back()
    assert victim.read_text() == "precious"


def test_a_pipe_in_the_place_of_a_lease_is_refused_at_once(tmp_path: Path) -> None:
    ours = lease(tmp_path)
    os.mkfifo(ours.path)
    assert ours.holder() is None
    with pytest.raises(BenchError, match="it is no plain file"):
        ours.take()
    ours.give_back()


@given(data=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_whatever_stands_in_the_file_is_an_owner_or_none(data: bytes) -> None:
    owner = Owner.parse(data)
    assert owner is None or str(owner)


def test_what_others_wrote_cannot_reach_the_terminal_as_it_is() -> None:
    told = {"board": "b", "user": "\x1b[2Jana\n", "pid": 1, "host": "h", "since": "s", "purpose": "x" * 10_000}
    owner = Owner.parse(json.dumps(told).encode())
    assert owner is not None
    assert str(owner).isprintable()
    assert "?[2Jana?" in str(owner)
    assert len(str(owner)) < 1000


@given(purpose=st.text(max_size=2000))
def test_an_owner_comes_back_as_it_was_written(purpose: str) -> None:
    owner = Owner.this_process("desk", purpose)
    back = Owner.parse(owner.to_bytes())
    assert back is not None
    assert (back.board, back.user, back.pid, back.since) == (owner.board, owner.user, owner.pid, owner.since)
    assert len(owner.to_bytes()) <= 4096 or not purpose.isascii()


def test_the_folder_is_made_for_all_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "a" / "leases"))
    before = os.umask(0o077)
    try:
        assert lease_folder().stat().st_mode & 0o7777 == 0o1777
    finally:
        os.umask(before)
    assert lease_folder() == tmp_path / "a" / "leases"


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leases").symlink_to(tmp_path)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "leases"))
    with pytest.raises(BenchError, match=f"is a symbolic link; remove it, or name another one in {FOLDER_VARIABLE}"):
        lease_folder()


def test_a_folder_in_which_all_may_remove_all_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "leases"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    with pytest.raises(BenchError, match=r"chmod \+t"):
        lease_folder()
