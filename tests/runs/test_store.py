"""The store: what it holds it gives back, also after a writer was killed at any moment."""

import gc
import math
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tinystudy import FACTS, RESULT, all_rows, put, run_of_twelve, task_of

from stochsim.runs import Store
from stochsim.runs.store import STORE_VERSION
from stochsim.settings import StochsimError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of 12 stored tasks."""
    return run_of_twelve(tmp_path / "run")


def interrupted(*_: object) -> str:
    raise KeyboardInterrupt


def test_a_new_run_is_an_empty_store_of_this_version(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "run"
    with Store.create_or_open(folder) as store:
        assert (store.hashes(), store.about()) == (set(), {})
    with closing(sqlite3.connect(folder / "store.sqlite")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (STORE_VERSION,)
        assert (
            connection.execute("PRAGMA application_id").fetchone()[0].to_bytes(4, "big") == b"STOC"
        )
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "artifacts", "store.sqlite"]


def test_what_is_put_comes_back(run: Path) -> None:
    with Store.open(run) as store:
        row = store.row(task_of(3).hash)
        assert (row.hash, row.kind, row.label, row.result) == (
            task_of(3).hash,
            "chip_samples",
            "point 3",
            RESULT,
        )
        assert (row.seconds, row.finished) == (1.5, "2026-01-01T00:00:00+00:00")
        assert row.artifact is not None
        assert row.artifact.read_bytes() == b"array 3"
        assert row.artifact.name == f"chip_samples-{task_of(3).hash}.safetensors"
        assert store.about() == FACTS
        assert store.hashes() == {task_of(number).hash for number in range(12)}


def test_numbers_come_back_exactly_and_what_is_not_a_number_too(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 5e-324, 1e308, -0.0, math.inf, math.nan]
    with Store.create_or_open(tmp_path / "run") as store:
        put(store, 0, {"d": values}, content=None)
        back = store.row(task_of(0).hash)
    assert back.artifact is None
    assert [value.hex() for value in back.result["d"]] == [value.hex() for value in values]


def test_an_unfinished_task_has_no_row(run: Path) -> None:
    with Store.open(run) as store, pytest.raises(KeyError):
        store.row(task_of(99).hash)


def test_a_task_is_stored_once(run: Path) -> None:
    with Store.create_or_open(run) as store, pytest.raises(StochsimError, match="UNIQUE"):
        put(store, 3, {"another": "answer"}, content=None)
    with Store.open(run) as store:
        assert store.row(task_of(3).hash).result == RESULT


def test_facts_are_replaced_and_kept(run: Path) -> None:
    with Store.create_or_open(run) as store:
        store.set_about({"versions": "new"})
    with Store.open(run) as store:
        assert store.about() == FACTS | {"versions": "new"}


def test_a_reader_cannot_write(run: Path) -> None:
    with Store.open(run) as store, pytest.raises(StochsimError, match="readonly"):
        put(store, 50, content=None)


def test_the_artifact_has_its_name_before_the_row_is_there(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the two leaves a file without a row, never a row without a file; doing the
    task again replaces the file.
    """
    with Store.create_or_open(run) as store:
        monkeypatch.setattr("stochsim.runs.store._checksum", interrupted)
        with pytest.raises(KeyboardInterrupt):
            put(store, 20, content=b"first")
        monkeypatch.undo()
        final = run / "artifacts" / f"chip_samples-{task_of(20).hash}.safetensors"
        assert final.read_bytes() == b"first"
        assert task_of(20).hash not in store.hashes()
        temporary = put(store, 20, content=b"second")
        assert store.row(task_of(20).hash).artifact == final
        assert final.read_bytes() == b"second"
        assert temporary is not None
        assert not temporary.exists()
        store.check_artifacts()


def test_leftovers_of_killed_workers_are_swept_away_by_the_next_writer_only(run: Path) -> None:
    leftover = run / "artifacts" / ".tmp-99-abc.safetensors"
    leftover.write_bytes(b"half")
    Store.open(run).close()
    assert leftover.exists()
    Store.create_or_open(run).close()
    assert not leftover.exists()


def test_a_run_killed_before_its_store_was_there_is_begun_anew(tmp_path: Path) -> None:
    for name in (".lock", ".tmp-store.sqlite", ".tmp-store.sqlite-journal"):
        (tmp_path / name).write_bytes(b"half")
    with Store.create_or_open(tmp_path) as store:
        assert store.hashes() == set()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".lock",
        "artifacts",
        "store.sqlite",
    ]


def test_the_lock_of_a_killed_writer_is_free(run: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from stochsim.runs import Store\n"
        "store = Store.create_or_open(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(run)]).returncode == -signal.SIGKILL
    Store.create_or_open(run).close()


def test_a_writer_killed_in_the_middle_of_a_row_loses_that_row_alone(run: Path) -> None:
    """SQLite's journal is left behind; reader and writer both go back to the last whole row."""
    expected = all_rows(run)
    code = (
        "import os, signal, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1]); connection.execute('PRAGMA cache_size=2'); "
        "connection.execute('BEGIN')\n"
        "connection.execute(\"UPDATE results SET result = 'half written', kind = 'lost', checksum "
        "= ''\")\n"
        "connection.execute('CREATE TABLE filler AS SELECT zeroblob(100000) AS content')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    journal = run / "store.sqlite-journal"
    for opening in (Store.open, Store.create_or_open):
        before = (run / "store.sqlite").read_bytes()
        assert (
            subprocess.run([sys.executable, "-c", code, str(run / "store.sqlite")]).returncode
            == -signal.SIGKILL
        )
        assert journal.exists()
        assert (run / "store.sqlite").read_bytes() != before
        opening(run).close()
        assert not journal.exists()
        assert all_rows(run) == expected


def test_nothing_keeps_the_file_open(run: Path) -> None:
    """Neither refusals nor closed stores leak a file handle."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with Store.create_or_open(run), pytest.raises(StochsimError):
            Store.create_or_open(run)
        Store.open(run).close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_store_that_nobody_closes_is_closed_when_it_is_gone(tmp_path):
    store = Store.create_or_open(tmp_path / "run")
    connection = store._connection
    store.close()
    reading = Store.open(tmp_path / "run")
    connection = reading._connection
    assert connection.execute("SELECT 1").fetchone() == (1,)
    del reading
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
