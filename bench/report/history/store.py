"""The file: its schema with versions, runs read into it, several writers at once, a damaged one moved aside."""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.errors import BenchError
from bench.report.naming import function_and_case

__all__ = ["History", "Result"]

_PATIENCE = 30.0
"""Seconds that one writer waits for another."""

_MOST = 1 << 31
"""A number of anything that is larger is damage; SQLite's own limit lies beyond."""

_TROUBLE = (sqlite3.Error, OSError, UnicodeError, OverflowError)
"""What can go wrong with a file that is read and written; a name in another encoding is a UnicodeError."""

_MIGRATIONS = (
    """
    CREATE TABLE run (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, started TEXT NOT NULL, exit_code INTEGER);
    CREATE TABLE result (
        run INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
        scenario TEXT NOT NULL, board TEXT NOT NULL, chip TEXT NOT NULL, virtual INTEGER NOT NULL,
        firmware TEXT NOT NULL, version TEXT NOT NULL, idf_version TEXT NOT NULL,
        outcome TEXT NOT NULL, failure_class TEXT NOT NULL, cause TEXT NOT NULL, seconds REAL,
        started TEXT NOT NULL
    );
    CREATE INDEX result_of_scenario ON result (scenario, started);
    CREATE INDEX result_of_run ON result (run);
    """,
    "ALTER TABLE result ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;",
)
"""Each brings the file from the version before; `PRAGMA user_version` says how many it has seen."""


_NOT_OURS = "{} is no history of the bench, and is left as it is: name another file"


@dataclass(frozen=True, slots=True)
class Result:
    """How one scenario ended on one board in one run.

    `version` is that of the firmware under test, `attempt` counts repetitions within the run from 1, and `seconds` is
    None where the run did not come to its end.
    """

    run: str
    scenario: str
    board: str
    chip: str
    virtual: bool
    firmware: str
    version: str
    idf_version: str
    outcome: str
    failure_class: str
    cause: str
    seconds: float | None
    started: str
    attempt: int = 1


class History:
    """An open history file; made where it is not there, migrated where it is older.

    Args:
        read_only: leave the file as it is, older or damaged

    Raises (on entering):
        BenchError: it cannot be opened, is no history, is damaged and only read, or a newer bench has written it
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._read_only = read_only
        self.moved_aside: Path | None = None
        """Where a damaged file was put, if there was one."""
        self._db: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        with self._blamed("opened"):
            self._db = self._opened_or_begun()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    @contextmanager
    def _blamed(self, done: str) -> Iterator[None]:
        """Say of which file it is that a disk is full, that another writer does not come to its end, and the like."""
        try:
            yield
        except _TROUBLE as error:
            raise BenchError(f"the history {self.path} cannot be {done}: {_said(error)}") from error

    def _opened_or_begun(self) -> sqlite3.Connection:
        """The file, or a new one where it is damaged; of several who find the same damage one alone moves it aside."""
        try:
            return self._opened()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            if _is_of_others(self.path):
                raise BenchError(_NOT_OURS.format(self.path)) from error
            if self._read_only:
                raise BenchError(
                    f"the history {self.path} is damaged ({error}): the next run begins another"
                ) from error
        with _alone(self.path):
            try:
                return self._opened()  # another has begun it meanwhile
            except sqlite3.DatabaseError as error:
                if not _is_damage(error) or _is_of_others(self.path):
                    raise
                self.moved_aside = _move_aside(self.path)
                return self._opened()

    def _opened(self) -> sqlite3.Connection:
        if not self._read_only:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        # Not mode=ro: that cannot read what a writer left that was killed.
        address = f"{self.path.absolute().as_uri()}?mode={'rw' if self._read_only else 'rwc'}"
        db = sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None)
        try:
            if self._read_only:
                db.execute("PRAGMA query_only = ON")
                return self._checked(self._migrated_copy(db))
            db.execute("PRAGMA foreign_keys = ON")
            with _transaction(db):
                self._migrate(db)
            return self._checked(db)
        except BaseException:
            db.close()
            raise

    def _checked(self, db: sqlite3.Connection) -> sqlite3.Connection:
        if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("database disk image is malformed")
        return db

    def _migrated_copy(self, db: sqlite3.Connection) -> sqlite3.Connection:
        """The file itself, or where it is older, a copy in memory that is not."""
        if self._version(db) == len(_MIGRATIONS):
            return db
        copy = sqlite3.connect(":memory:", isolation_level=None)
        db.backup(copy)
        db.close()
        self._migrate(copy)
        return copy

    def _version(self, db: sqlite3.Connection) -> int:
        """How many migrations the file has seen; 0 where nothing is in it."""
        (version,) = db.execute("PRAGMA user_version").fetchone()
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables >= {"run", "result"} and (version or tables):
            raise BenchError(_NOT_OURS.format(self.path))
        if version > len(_MIGRATIONS):
            raise BenchError(
                f"the history {self.path} was written by a newer bench (version {version}): update this one"
            )
        return int(version)

    def _migrate(self, db: sqlite3.Connection) -> None:
        for script in _MIGRATIONS[self._version(db) :]:
            for statement in script.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")

    @property
    def db(self) -> sqlite3.Connection:
        """The connection."""
        assert self._db is not None, "enter it first"
        return self._db

    def add_run(self, folder: Path) -> int:
        """Read a run's folder into the file; how many results it had. A run that is there already is replaced.

        What is damaged in the folder is left out: the run's page says so.

        Raises:
            BenchError: it cannot be written; the file is what it was before
        """
        with self._blamed("written"):
            return self._add_run(folder)

    def _add_run(self, folder: Path) -> int:
        facts, results = _json(folder / "run.json"), _results(folder)
        started = _text(facts.get("started")) or min((one.started for one in results), default="")
        with _transaction(self.db) as db:
            db.execute("DELETE FROM run WHERE name = ?", (folder.name,))
            row = (folder.name, started, _whole(facts.get("exit_code")))
            run = db.execute("INSERT INTO run (name, started, exit_code) VALUES (?, ?, ?)", row).lastrowid
            db.executemany(_INSERT, [(run, *_row(result)) for result in results])
        return len(results)

    def results(self, *, since: str = "", scenario: str = "", board: str = "") -> Sequence[Result]:
        """Every result in the order of time; those of scenarios and boards that match these GLOBs."""
        with self._blamed("read"):
            found = self.db.execute(_SELECT, (since, scenario or "*", board or "*"))
            return [replace(Result(*row), virtual=bool(row[4])) for row in found]

    def forget(self, before: str) -> int:
        """Drop the runs that started before that day (ISO); how many there were. `BenchError` as for `add_run`."""
        with self._blamed("written"), _transaction(self.db) as db:
            return db.execute("DELETE FROM run WHERE started < ?", (before,)).rowcount


_INSERT = "INSERT INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SELECT = """
    SELECT run.name, scenario, board, chip, virtual, firmware, version, idf_version, outcome, failure_class, cause,
           seconds, result.started, attempt
    FROM result JOIN run ON run.id = result.run
    WHERE result.started >= ? AND scenario GLOB ? AND board GLOB ?
    ORDER BY result.started, run.name, scenario, board, attempt
"""


def _row(one: Result) -> tuple[object, ...]:
    what = (one.scenario, one.board, one.chip, int(one.virtual), one.firmware, one.version, one.idf_version)
    return (*what, one.outcome, one.failure_class, one.cause, one.seconds, one.started, one.attempt)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All of it or nothing; the only writer meanwhile."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk, say, has ended the transaction itself
            db.execute("ROLLBACK")
        raise


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process, or thread, after the other. Not by a lock on the file itself: SQLite's own would be lost by it."""
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _said(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _results(folder: Path) -> list[Result]:
    found = []
    for path in sorted(folder.glob("*/*/outcome.json")):
        told = _json(path)
        if told.get("outcome") in ("passed", "failed", "error", "skipped"):
            found.append(_result(folder.name, path, told))
    return found


def _result(run: str, path: Path, told: dict[str, object]) -> Result:
    def text(name: str) -> str:
        return _text(told.get(name))

    seconds = told.get("seconds")
    return Result(
        run=run,
        scenario=_scenario(text("scenario") or path.parent.name, text("pool")),
        board=text("board") or path.parent.parent.name,
        chip=text("chip"),
        virtual=bool(told.get("virtual")),
        firmware=text("app"),
        version=text("app_version"),
        idf_version=text("idf_version"),
        outcome=text("outcome"),
        failure_class=text("failure_class"),
        cause=text("cause"),
        seconds=float(seconds) if isinstance(seconds, int | float) and 0 <= seconds < _MOST else None,
        started=text("started"),
        attempt=_whole(told.get("attempt")) or 1,
    )


def _text(value: object) -> str:
    """What is text, as UTF-8 can have it: a cause may quote half of a surrogate pair."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and abs(value) < _MOST else None


def _scenario(node: str, pool: str) -> str:
    """The scenario and its case, whatever the board: ``test_tls::test_x[404]`` of ``test_tls.py::test_x[desk-404]``."""
    path, _, name = node.partition("::")
    function, case = function_and_case(name, pool)
    module = path.rpartition("/")[2].removesuffix(".py")
    return (f"{module}::{function}" if function else module) + (f"[{case}]" if case else "")


def _json(path: Path) -> dict[str, object]:
    with suppress(OSError, ValueError, RecursionError):
        told = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(told, dict):
            return told
    return {}


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return any(told in str(error) for told in ("not a database", "malformed", "disk image", "encrypted"))


def _is_of_others(path: Path) -> bool:
    """Does the schema not stand on the first page? Nothing else is taken for ours, but for a file just begun."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        begins = file.read(1 << 16)
        return bool(begins) and b"CREATE TABLE run (id INTEGER PRIMARY KEY, name TEXT UNIQUE" not in begins
    return False


def _move_aside(path: Path) -> Path:
    """Put a damaged file beside, with its journal; nothing is lost that could still be saved from it."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 2
    while aside.exists():
        aside, number = path.with_name(f"{path.name}.damaged-{stamp}-{number}"), number + 1
    for suffix in ("-wal", "-shm", "-journal"):  # before the file: afterwards they may be those of a new one
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    path.rename(aside)
    return aside
