"""The store of a run: one SQLite file and a folder of artifacts, written by one process alone.

An artifact is written under a temporary name, renamed, and only then gets its row: a row never
names a file that is not whole. A store that is damaged or of another version is refused, never
overwritten; rows carry a checksum, for SQLite keeps none.
"""

import fcntl
import hashlib
import json
import os
import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from stochsim.runs.task import Task
from stochsim.settings import (
    SettingError,
    StochsimError,
    check_file,
    explained,
    is_file,
    shown_path,
    strict,
)

STORE_VERSION = 5
_APPLICATION_ID = 0x53544F43  # "STOC"
_SCHEMA = """
CREATE TABLE results (
    hash TEXT PRIMARY KEY, kind TEXT NOT NULL, label TEXT NOT NULL, settings TEXT NOT NULL,
    result TEXT NOT NULL, artifact TEXT, artifact_sha256 TEXT, seconds REAL NOT NULL,
    finished TEXT NOT NULL, checksum TEXT NOT NULL);
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL, checksum TEXT NOT NULL);
"""
_ANY_SIZE = 2**63
_BEFORE_THE_STORE = {".lock", ".tmp-store.sqlite", ".tmp-store.sqlite-journal"}
"""What a run's folder can hold when its first process was killed before the store was there."""


@dataclass(frozen=True)
class Row:
    """One finished task: its result (JSON values) and, if it has one, its artifact's path."""

    hash: str
    kind: str
    label: str
    result: dict[str, Any]
    artifact: Path | None
    seconds: float
    finished: str


def file_sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum(values: Iterable[Any]) -> str:
    # bytes, which no row of ours has, are of a store that somebody else wrote
    return hashlib.sha256(json.dumps(list(values), default=repr).encode()).hexdigest()[:16]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn errors of the disk and of SQLite into one sentence."""
    shown = shown_path(path)
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error) or "disk I/O" in str(error):
            raise StochsimError(
                f"{shown}: the disk is full ({error}); what is stored stays readable"
            ) from None
        raise StochsimError(f"{shown}: {error}") from None
    except sqlite3.DatabaseError as error:
        raise StochsimError(
            f"{shown}: damaged ({error}); it is left as it is: move the folder away to start anew"
        ) from None
    except (OSError, ValueError) as error:
        if isinstance(error, SettingError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise StochsimError(
            f"{shown}: cannot be written ({reason}); what is stored stays readable"
        ) from None


def _changed(path: Path, expected: str) -> bool:
    return not is_file(path) or file_sha256(path) != expected


class Store:
    """A run's folder.

    `Store.create_or_open(folder)` to write (one process at a time), `Store.open(folder)` to read.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._connection = connection
        self._lock: Any = None
        # one that nobody closed is closed when it is gone
        self._finish = weakref.finalize(self, connection.close)

    @classmethod
    def create_or_open(cls, folder: Path) -> Self:
        """Open to write.

        Raises StochsimError: a folder that is not empty and not a run, another version, damage, in
        use.
        """
        path = folder / "store.sqlite"
        with explained(folder):
            cls._check_folder(folder, path)
        if path.exists():
            cls._check(path)
        with _explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = cls._take_lock(folder)
        try:
            with _explained(path):
                return cls._open_locked(folder, path, lock)
        except StochsimError:
            lock.close()
            raise

    @staticmethod
    def _check_folder(folder: Path, path: Path) -> None:
        """Raise StochsimError for what is no run and cannot become one."""
        shown = shown_path(folder)
        if folder.exists() and not folder.is_dir():
            raise StochsimError(f"{shown}: is a file, not a run's folder")
        if (
            not path.exists()
            and folder.exists()
            and any(entry.name not in _BEFORE_THE_STORE for entry in folder.iterdir())
        ):
            raise StochsimError(
                f"{shown}: is not empty and not a run (no store.sqlite); name another folder"
            )

    @classmethod
    def _open_locked(cls, folder: Path, path: Path, lock: Any) -> Self:
        if not path.exists():
            cls._create(path)
        (folder / "artifacts").mkdir(exist_ok=True)
        for leftover in (folder / "artifacts").glob(".tmp-*"):
            leftover.unlink()
        store = cls(folder, sqlite3.connect(path))
        store._lock = lock
        return store

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open to read. Raises StochsimError where there is no run, damage or another version."""
        path = folder / "store.sqlite"
        with explained(path):
            is_there = path.exists()
        if not is_there:
            raise StochsimError(f"{shown_path(folder)}: not a run (no store.sqlite)")
        cls._check(path)
        return cls(folder, cls._connect_to_read(path))

    @staticmethod
    def _connect_to_read(path: Path) -> sqlite3.Connection:
        """Read-only, unless a journal is there: a writer killed in the middle of a row left it, and
        to roll back SQLite must write.
        """
        mode = "rw" if path.with_name(f"{path.name}-journal").exists() else "ro"
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)

    @staticmethod
    def _take_lock(folder: Path) -> Any:
        # not blocked by a pipe of this name; held as long as the store
        lock = os.fdopen(os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NONBLOCK), "wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StochsimError(
                f"{shown_path(folder)}: another process is running this sweep"
            ) from None
        return lock

    @staticmethod
    def _create(path: Path) -> None:
        temporary = path.with_name(".tmp-store.sqlite")
        for leftover in (temporary, temporary.with_name(f"{temporary.name}-journal")):
            leftover.unlink(missing_ok=True)
        with closing(sqlite3.connect(temporary)) as connection:
            connection.executescript(
                f"PRAGMA application_id={_APPLICATION_ID}; PRAGMA user_version={STORE_VERSION}; "
                f"{_SCHEMA}"
            )
        os.replace(temporary, path)

    @classmethod
    def _check(cls, path: Path) -> None:
        """Raise StochsimError where a store is damaged or of another version; no byte changes."""
        shown = shown_path(path)
        for one in (path, path.with_name(f"{path.name}-journal")):
            if os.path.lexists(one):
                check_file(one, _ANY_SIZE)
        with _explained(path), closing(cls._connect_to_read(path)) as connection:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if application != _APPLICATION_ID:
                raise StochsimError(
                    f"{shown}: damaged, or not a store of stochsim; it is left as it is: move the "
                    f"folder away to start anew"
                )
            if version != STORE_VERSION:
                raise StochsimError(
                    f"{shown}: store version {version}, this stochsim reads version "
                    f"{STORE_VERSION}; it is left as it is"
                )
            if fault := cls._fault(connection):
                raise StochsimError(
                    f"{shown}: damaged ({fault}); it is left as it is: move the folder away to "
                    f"start anew"
                )

    @staticmethod
    def _fault(connection: sqlite3.Connection) -> str:
        health = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
        if health != "ok":
            return health
        connection.text_factory = lambda text: text.decode(
            errors="replace"
        )  # damaged text is no reason to stop before its checksum
        for table in ("results", "about"):
            for *values, checksum in connection.execute(f"SELECT * FROM {table}"):
                if checksum != _checksum(values):
                    return f"a row of '{table}' does not match its checksum"
        return ""

    def close(self) -> None:
        """Close the file and give the lock back."""
        self._finish()
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hashes(self) -> set[str]:
        """Hashes of all finished tasks."""
        with _explained(self.folder):
            return {row[0] for row in self._connection.execute("SELECT hash FROM results")}

    def row(self, task_hash: str) -> Row:
        """One finished task; KeyError where it is not finished."""
        names = "hash, kind, label, result, artifact, seconds, finished"
        with _explained(self.folder):
            found = self._connection.execute(
                f"SELECT {names} FROM results WHERE hash = ?", (task_hash,)
            ).fetchone()
        if found is None:
            raise KeyError(task_hash)
        task, kind, label, result, artifact, seconds, finished = found
        path = None if artifact is None else self._artifact(artifact)
        facts = strict.read_json(result, f"{self.folder}: the result of '{label}'", finite=False)
        strict.table(f"{self.folder}: the result of '{label}'", facts)
        return Row(task, kind, label, facts, path, seconds, finished)

    def _artifact(self, name: Any) -> Path:
        """The path of an artifact; raises SettingError for a name that leads out of the folder."""
        return self.folder / "artifacts" / strict.file_name(f"{self.folder}: artifact", name)

    def check_artifacts(self) -> None:
        """Raises StochsimError that names the first artifact whose file is missing or changed since
        it was stored.
        """
        with _explained(self.folder):
            found = self._connection.execute(
                "SELECT artifact, artifact_sha256 FROM results WHERE artifact IS NOT NULL"
            ).fetchall()
        for name, expected in found:
            path = self._artifact(name)
            if not path.exists() or _changed(path, expected):
                state = "changed" if path.exists() else "missing"
                raise StochsimError(
                    f"{path}: {state} since it was stored; the run is left as it is: move the "
                    f"folder away to start anew"
                )

    def put(
        self,
        task: Task,
        result: dict[str, Any],
        temporary: Path | None,
        seconds: float,
        finished: str,
    ) -> None:
        """Store one finished task: the artifact under its final name first, then the row."""
        name = digest = None
        with _explained(self.folder):
            if temporary is not None:
                name = f"{task.kind}-{task.hash}{temporary.suffix}"
                digest = file_sha256(temporary)
                os.replace(temporary, self.folder / "artifacts" / name)
            values = (
                task.hash,
                task.kind,
                task.label,
                task.settings,
                json.dumps(result),
                name,
                digest,
                float(seconds),
                finished,
            )
            with self._connection:
                self._connection.execute(
                    "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*values, _checksum(values)),
                )

    def copy_from(self, folder: Path) -> None:
        """Take all finished tasks of another store that are not here yet, row by row as they are;
        raises StochsimError for tasks with artifacts.
        """
        with closing(Store.open(folder)) as other, _explained(self.folder), self._connection:
            rows = other._connection.execute("SELECT * FROM results ORDER BY hash").fetchall()
            if any(row[5] is not None for row in rows):
                raise StochsimError(f"{shown_path(folder)}: has artifacts, which are not copied")
            marks = ", ".join("?" * 10)
            self._connection.executemany(f"INSERT OR IGNORE INTO results VALUES ({marks})", rows)

    def set_about(self, facts: dict[str, str]) -> None:
        """Keep facts about the run: versions, machine, the study."""
        with _explained(self.folder), self._connection:
            rows = [(*fact, _checksum(fact)) for fact in facts.items()]
            self._connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?, ?)", rows)

    def about(self) -> dict[str, str]:
        """The facts kept."""
        with _explained(self.folder):
            return dict(self._connection.execute("SELECT name, value FROM about ORDER BY name"))
