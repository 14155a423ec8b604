"""One lease a board, across processes and users of a machine.

A lease is a lock of the kernel (``flock``) on a file in a folder that all users reach, so it ends with its owner
however that died. What the file says (who, since when, what for) is for the others to read; the lock alone decides.

Beside each lease stands a queue of one: whoever waits for the board locks that too. So an owner sees that somebody
waits, and cannot take the board again before them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import pwd
import re
import socket
import stat
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.errors import BenchError

__all__ = ["FOLDER_VARIABLE", "Lease", "Owner", "lease_folder"]

FOLDER_VARIABLE = "OTA_BENCH_LEASES"

_DEFAULT = Path("/tmp/ota-bench-leases")
"""Not below `tempfile.gettempdir()`: TMPDIR differs from user to user, and then they would not see one another."""

_MAX_BYTES = 4096
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lease. Read from a file that every user may write, so it is text to be shown and no more."""

    board: str
    user: str
    pid: int
    host: str
    since: str
    """ISO 8601, UTC, whole seconds."""
    purpose: str

    @classmethod
    def this_process(cls, board: str, purpose: str) -> Owner:
        """This process, from now on."""
        try:
            user = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # a container may run as a user that has no name
            user = f"uid {os.getuid()}"
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return cls(board, user, os.getpid(), socket.gethostname(), since, purpose)

    def to_bytes(self) -> bytes:
        """One JSON object on one line; a long purpose is cut short."""
        told = {**asdict(self), "purpose": self.purpose[:500]}
        return json.dumps(told).encode() + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> Owner | None:
        """None where the bytes do not tell an owner: an empty file is a lease that was given back."""
        try:
            told = json.loads(data)
            texts = {name: _shown(told[name]) for name in ("board", "user", "host", "since", "purpose")}
            return cls(pid=int(told["pid"]), **texts)
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
            return None

    @property
    def gone(self) -> bool:
        """Is its process known not to run any more?"""
        if self.host != socket.gethostname() or not 0 < self.pid < 1 << 31:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def __str__(self) -> str:
        return f"{self.user} (pid {self.pid} on {self.host}) since {self.since} for {self.purpose!r}"


def _shown(text: object) -> str:
    """Text fit for a terminal: no control characters, no end."""
    return re.sub(r"[^ -~\u00a1-\ud7ff]", "?", str(text))[:200]


def lease_folder() -> Path:
    """Where the leases of this machine lie: `OTA_BENCH_LEASES`, or a folder in /tmp. Made where it is not there.

    Raises:
        BenchError: it is a link, no folder, or one in which users could take one another's files away
    """
    folder = Path(os.environ.get(FOLDER_VARIABLE) or _DEFAULT)
    try:
        with contextlib.suppress(FileExistsError):
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
            folder.chmod(0o1777)  # not by mkdir's mode, which the umask cuts down
        status = folder.lstat()
    except OSError as error:
        raise BenchError(f"no folder for leases: {folder}: {error.strerror}; {_MEND}") from None
    if not stat.S_ISDIR(status.st_mode):
        what = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "no folder"
        raise BenchError(f"the folder for leases, {folder}, is {what}; remove it, or {_MEND}")
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        raise BenchError(f"in {folder} every user may remove the leases of others: chmod +t {folder}, or {_MEND}")
    return folder


_MEND = f"name another one in {FOLDER_VARIABLE}, the same for all users of these boards"


class Lease:
    """The lease of one board; leaving the context gives it back.

    Args:
        folder: of `lease_folder`, or one of a run's own for boards that only this run can see
        key: what identifies the board itself, see `bench.boards.whereabouts.lease_key`
        owner: who asks
    """

    def __init__(self, folder: Path, key: str, owner: Owner) -> None:
        slug = re.sub(r"[^\w.]+", "-", key).strip("-")[-60:]
        name = f"{slug}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        self.key = key
        self.path = folder / f"{name}.lease"
        self._queue_path = folder / f"{name}.next"
        self._owner = owner
        self._lease: int | None = None
        self._queue: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()

    @property
    def held(self) -> bool:
        """Is it ours?"""
        return self._lease is not None

    def take(self, tell: Callable[[str], None] = _log.warning) -> bool:
        """Take it now, or wait in line for it: False means to ask again, or to `give_back` the place in the line.

        Args:
            tell: is told when the lease was left behind by an owner who died
        """
        if self._lease is not None:
            return True
        if self._queue is None:
            self._queue = _locked(self._queue_path)
        if self._queue is None:
            return False
        lease = _locked(self.path)
        if lease is None:
            return False
        self._lease = lease
        left = Owner.parse(os.pread(lease, _MAX_BYTES, 0))
        if left is not None:
            tell(f"{self._owner.board}: lease taken over from pid {left.pid} of {left.user}, which is gone")
        _write(lease, self._owner.to_bytes())
        self._leave_queue()
        return True

    def give_back(self) -> None:
        """Let go of the lease, or of the place in the line."""
        self._leave_queue()
        lease, self._lease = self._lease, None
        if lease is not None:
            try:
                os.ftruncate(lease, 0)
            finally:
                os.close(lease)

    def wanted(self) -> bool:
        """Does somebody wait for what we hold?"""
        if self._lease is None:
            return False
        queue = _locked(self._queue_path)
        if queue is not None:
            os.close(queue)
        return queue is None

    def holder(self) -> Owner | None:
        """Who holds it, as the file tells; None where it does not."""
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            return Owner.parse(os.read(file, _MAX_BYTES))
        except OSError:
            return None
        finally:
            os.close(file)

    def _leave_queue(self) -> None:
        queue, self._queue = self._queue, None
        if queue is not None:
            os.close(queue)


def _locked(path: Path) -> int | None:
    """The file, open and locked by us; None where somebody else has the lock.

    A file may be swept away (old files in /tmp are) between opening and locking it: a lock on a file that has lost
    its name would keep nobody out, so then it is tried again.
    """
    for _ in range(100):
        file = _opened(path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), path.lstat()):
                    return file
        except BlockingIOError:
            os.close(file)
            return None
        except BaseException:
            os.close(file)
            raise
        os.close(file)
    raise BenchError(f"{path} is removed again and again; does something clean {path.parent}?")


def _opened(path: Path) -> int:
    """The file, made where it is not there, for all users to read and write.

    What exists is opened without O_CREAT: Linux refuses that for another user's file in a sticky folder
    (fs.protected_regular). No link is followed, and nothing but a plain file with one name is accepted: whatever a
    hostile user puts there, no file of ours outside the folder is written to.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    for _ in range(100):
        try:
            file = os.open(path, flags)
        except FileNotFoundError:
            try:
                file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                continue
            except OSError as error:
                raise _unusable(path, error.strerror or "") from None
            os.fchmod(file, 0o666)  # the umask has cut it down
        except OSError as error:
            raise _unusable(path, error.strerror or "") from None
        status = os.fstat(file)
        if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1:
            return file
        os.close(file)
        raise _unusable(path, "it is no plain file")
    raise BenchError(f"{path} comes and goes; does something clean {path.parent}?")


def _unusable(path: Path, why: str) -> BenchError:
    return BenchError(f"the lease {path} cannot be used: {why}; remove that file, or {_MEND}")


def _write(file: int, data: bytes) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, data, 0)
