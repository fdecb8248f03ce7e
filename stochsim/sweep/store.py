"""The store of a run: one SQLite file and a folder of artifacts, written by one process alone.

An artifact is written under a temporary name, renamed, and only then gets its row: a row never names a file that is not whole. A store
that is damaged or of another version is refused, never overwritten.
"""

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from stochsim.settings import StochsimError

STORE_VERSION = 1
_APPLICATION_ID = 0x53544F43  # "STOC"
_SCHEMA = """
CREATE TABLE results (
    hash TEXT PRIMARY KEY, kind TEXT NOT NULL, label TEXT NOT NULL, settings TEXT NOT NULL, result TEXT NOT NULL,
    artifact TEXT, artifact_sha256 TEXT, seconds REAL NOT NULL, finished TEXT NOT NULL);
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


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


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn errors of the disk and of SQLite into one sentence."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error) or "disk I/O" in str(error):
            raise StochsimError(f"{path}: the disk is full ({error}); what is stored stays readable") from None
        raise StochsimError(f"{path}: {error}") from None
    except sqlite3.DatabaseError as error:
        raise StochsimError(f"{path}: damaged ({error}); it is left as it is: move the folder away to start anew") from None
    except OSError as error:
        raise StochsimError(f"{path}: cannot be written ({error.strerror}); what is stored stays readable") from None


class Store:
    """A run's folder. `Store.create_or_open(folder)` to write (one process at a time), `Store.open(folder)` to read."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder, self._connection = folder, connection
        self._lock: Any = None

    @classmethod
    def create_or_open(cls, folder: Path) -> Self:
        """Open to write. Raises StochsimError: a folder that is not empty and not a run, another version, damage, in use."""
        path = folder / "store.sqlite"
        if folder.exists() and not folder.is_dir():
            raise StochsimError(f"{folder}: is a file, not a run's folder")
        if not path.exists() and folder.exists() and any(not name.name.startswith(".") for name in folder.iterdir()):
            raise StochsimError(f"{folder}: is not empty and not a run (no store.sqlite); name another folder")
        if path.exists():
            cls._check(path)
        with _explained(folder):
            (folder / "artifacts").mkdir(parents=True, exist_ok=True) if path.exists() else folder.mkdir(parents=True, exist_ok=True)
            lock = cls._take_lock(folder)
        with _explained(path):
            if not path.exists():
                cls._create(path)
            (folder / "artifacts").mkdir(exist_ok=True)
            store = cls(folder, sqlite3.connect(path))
            store._lock = lock
            for leftover in (folder / "artifacts").glob(".tmp-*"):
                leftover.unlink()
            return store

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open to read. Raises StochsimError where there is no run, damage or another version."""
        path = folder / "store.sqlite"
        if not path.exists():
            raise StochsimError(f"{folder}: not a run (no store.sqlite)")
        cls._check(path)
        return cls(folder, sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True))

    @staticmethod
    def _take_lock(folder: Path) -> Any:
        lock = open(folder / ".lock", "w")  # noqa: SIM115 - held as long as the store
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StochsimError(f"{folder}: another process is running this sweep") from None
        return lock

    @staticmethod
    def _create(path: Path) -> None:
        temporary = path.with_name(".tmp-store.sqlite")
        temporary.unlink(missing_ok=True)
        connection = sqlite3.connect(temporary)
        connection.executescript(f"PRAGMA application_id={_APPLICATION_ID}; PRAGMA user_version={STORE_VERSION}; {_SCHEMA}")
        connection.close()
        os.replace(temporary, path)

    @staticmethod
    def _check(path: Path) -> None:
        with _explained(path):
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            try:
                application = connection.execute("PRAGMA application_id").fetchone()[0]
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                health = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            finally:
                connection.close()
        if application != _APPLICATION_ID:
            raise StochsimError(f"{path}: damaged, or not a store of stochsim; it is left as it is: move the folder away to start anew")
        if version != STORE_VERSION:
            raise StochsimError(f"{path}: store version {version}, this stochsim reads version {STORE_VERSION}; it is left as it is")
        if health != "ok":
            raise StochsimError(f"{path}: damaged ({health}); it is left as it is: move the folder away to start anew")

    def close(self) -> None:
        """Close the file and give the lock back."""
        self._connection.close()
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
            found = self._connection.execute(f"SELECT {names} FROM results WHERE hash = ?", (task_hash,)).fetchone()
        if found is None:
            raise KeyError(task_hash)
        task, kind, label, result, artifact, seconds, finished = found
        path = self.folder / "artifacts" / artifact if artifact else None
        return Row(task, kind, label, json.loads(result), path, seconds, finished)

    def check_artifacts(self) -> None:
        """Raises StochsimError that names the first artifact whose file is missing or changed since it was stored."""
        for name, expected in self._connection.execute("SELECT artifact, artifact_sha256 FROM results WHERE artifact IS NOT NULL"):
            path = self.folder / "artifacts" / name
            if not path.exists() or file_sha256(path) != expected:
                state = "changed" if path.exists() else "missing"
                raise StochsimError(f"{path}: {state} since it was stored; the run is left as it is: move the folder away to start anew")

    def put(self, task: Any, result: dict[str, Any], temporary: Path | None, seconds: float, finished: str) -> None:
        """Store one finished task: the artifact under its final name first, then the row."""
        name = digest = None
        with _explained(self.folder):
            if temporary is not None:
                name, digest = f"{task.kind}-{task.hash}{temporary.suffix}", file_sha256(temporary)
                os.replace(temporary, self.folder / "artifacts" / name)
            values = (task.hash, task.kind, task.label, task.settings, json.dumps(result), name, digest, seconds, finished)
            with self._connection:
                self._connection.execute("INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def set_about(self, facts: dict[str, str]) -> None:
        """Keep facts about the run: versions, machine, the study."""
        with _explained(self.folder), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", facts.items())

    def about(self) -> dict[str, str]:
        """The facts kept."""
        with _explained(self.folder):
            return dict(self._connection.execute("SELECT name, value FROM about ORDER BY name"))
