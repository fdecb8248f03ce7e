"""The store: what it holds it gives back, and what is not whole, not its own or in use it refuses and leaves as it is."""

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stochsim.settings import StochsimError
from stochsim.sweep import Store, collect
from stochsim.sweep.plan import Task
from stochsim.sweep.store import STORE_VERSION

RESULT: dict[str, Any] = {"measures": {"d": [0.1, 1 / 3]}, "accuracy": None, "energy": {"parts_j": {"add": 1e-13}, "flags": ["held"]}}
FACTS = {"study": "{}", "versions": '{"numpy": "2.4.0"}'}


def task_of(number: int) -> Task:
    return Task("point", json.dumps({"noise": number}), (), f"point {number}")


def put(store: Store, number: int, result: dict[str, Any] = RESULT, content: bytes | None = b"array") -> Path | None:
    """Store task `number`; returns where its artifact was before."""
    temporary = None if content is None else store.folder / "artifacts" / f".tmp-1-{number}.safetensors"
    if temporary is not None:
        temporary.write_bytes(content or b"")
    store.put(task_of(number), result, temporary, 1.5, "2026-01-01T00:00:00+00:00")
    return temporary


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of 12 stored tasks."""
    folder = tmp_path / "run"
    with Store.create_or_open(folder) as store:
        store.set_about(FACTS)
        for number in range(12):
            put(store, number, content=f"array {number}".encode())
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def all_rows(folder: Path) -> list[Any]:
    """Everything a reader can see, through the store's own door."""
    with Store.open(folder) as store:
        store.check_artifacts()
        return [store.about(), *(store.row(task) for task in sorted(store.hashes()))]


def interrupted(*_: object) -> str:
    raise KeyboardInterrupt


def assert_refused(folder: Path, message: str) -> None:
    """Refused to write and to read, with this message; and nothing of it has changed."""
    before = contents(folder)
    for opening in (Store.create_or_open, Store.open, collect):
        with pytest.raises(StochsimError, match=message):
            opening(folder)
    assert contents(folder) == before


def test_a_new_run_is_an_empty_store_of_this_version(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "run"
    with Store.create_or_open(folder) as store:
        assert (store.hashes(), store.about()) == (set(), {})
    with closing(sqlite3.connect(folder / "store.sqlite")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (STORE_VERSION,)
        assert connection.execute("PRAGMA application_id").fetchone()[0].to_bytes(4, "big") == b"STOC"
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "artifacts", "store.sqlite"]


def test_what_is_put_comes_back(run: Path) -> None:
    with Store.open(run) as store:
        row = store.row(task_of(3).hash)
        assert (row.hash, row.kind, row.label, row.result) == (task_of(3).hash, "point", "point 3", RESULT)
        assert (row.seconds, row.finished) == (1.5, "2026-01-01T00:00:00+00:00")
        assert row.artifact is not None
        assert row.artifact.read_bytes() == b"array 3"
        assert row.artifact.name == f"point-{task_of(3).hash}.safetensors"
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


def test_the_artifact_has_its_name_before_the_row_is_there(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill between the two leaves a file without a row, never a row without a file; doing the task again replaces the file."""
    with Store.create_or_open(run) as store:
        monkeypatch.setattr("stochsim.sweep.store._checksum", interrupted)
        with pytest.raises(KeyboardInterrupt):
            put(store, 20, content=b"first")
        monkeypatch.undo()
        final = run / "artifacts" / f"point-{task_of(20).hash}.safetensors"
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
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "artifacts", "store.sqlite"]


# What is refused


@pytest.mark.parametrize("name", ["thesis.tex", ".bashrc", "artifacts"])
def test_a_folder_that_is_not_empty_and_not_a_run_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir() if name == "artifacts" else (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StochsimError, match=r"is not empty and not a run \(no store.sqlite\); name another folder"):
        Store.create_or_open(tmp_path)
    with pytest.raises(StochsimError, match=r"not a run \(no store.sqlite\)"):
        Store.open(tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text("mine")
    with pytest.raises(StochsimError, match="is a file, not a run's folder"):
        Store.create_or_open(path)
    with pytest.raises(StochsimError, match="cannot be written"):
        Store.create_or_open(path / "below")
    assert path.read_text() == "mine"


@pytest.mark.parametrize("version", [0, STORE_VERSION + 1])
def test_another_version_is_refused(version: int, run: Path) -> None:
    with closing(sqlite3.connect(run / "store.sqlite")) as connection:
        connection.execute(f"PRAGMA user_version={version}")
    assert_refused(run, f"store version {version}, this stochsim reads version {STORE_VERSION}; it is left as it is")


def test_a_database_of_somebody_else_is_refused(run: Path) -> None:
    (run / "store.sqlite").unlink()
    with closing(sqlite3.connect(run / "store.sqlite")) as connection:
        connection.executescript("CREATE TABLE results (hash TEXT); CREATE TABLE about (name TEXT);")
    assert_refused(run, "damaged, or not a store of stochsim; it is left as it is")


@pytest.mark.parametrize("size", [0, 15, 100, 4096, 12000])
def test_a_truncated_store_is_refused(size: int, run: Path) -> None:
    path = run / "store.sqlite"
    path.write_bytes(path.read_bytes()[:size])
    assert_refused(run, "damaged.*it is left as it is")


def test_random_bytes_are_refused(run: Path) -> None:
    (run / "store.sqlite").write_bytes(bytes((i * 197 + 31) % 256 for i in range(16384)))
    assert_refused(run, "damaged.*it is left as it is")


def test_a_flipped_byte_is_refused_or_harmless_wherever_it_is(run: Path) -> None:
    """Flips at 250 places over the whole file: never a changed answer, never another exception; most are seen."""
    path = run / "store.sqlite"
    whole, expected = path.read_bytes(), all_rows(run)
    refused = 0
    for place in range(0, len(whole), max(1, len(whole) // 250)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            assert all_rows(run) == expected, f"byte {place} changes the answer"
        except StochsimError:
            refused += 1
    assert refused > 30


def test_flipped_bytes_in_a_result_are_refused(run: Path) -> None:
    path = run / "store.sqlite"
    content = path.read_bytes()
    assert content.count(b"0.3333333333333333") == 12
    path.write_bytes(content.replace(b"0.3333333333333333", b"0.3333333333333433", 1))
    assert_refused(run, r"damaged \(a row of 'results' does not match its checksum\); it is left as it is")


def test_a_second_writer_is_refused_until_the_first_has_closed(run: Path) -> None:
    with Store.create_or_open(run):
        with pytest.raises(StochsimError, match="another process is running this sweep"):
            Store.create_or_open(run)
        Store.open(run).close()
    Store.create_or_open(run).close()


def test_the_lock_of_a_killed_writer_is_free(run: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from stochsim.sweep import Store\n"
        "store = Store.create_or_open(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(run)]).returncode == -signal.SIGKILL
    Store.create_or_open(run).close()


def test_a_writer_killed_in_the_middle_of_a_row_loses_that_row_alone(run: Path) -> None:
    """SQLite's journal is left behind; reader and writer both go back to the last whole row."""
    expected = all_rows(run)
    code = (
        "import os, signal, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1]); connection.execute('PRAGMA cache_size=2'); connection.execute('BEGIN')\n"
        "connection.execute(\"UPDATE results SET result = 'half written', kind = 'lost', checksum = ''\")\n"
        "connection.execute('CREATE TABLE filler AS SELECT zeroblob(100000) AS content')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    journal = run / "store.sqlite-journal"
    for opening in (Store.open, Store.create_or_open):
        before = (run / "store.sqlite").read_bytes()
        assert subprocess.run([sys.executable, "-c", code, str(run / "store.sqlite")]).returncode == -signal.SIGKILL
        assert journal.exists()
        assert (run / "store.sqlite").read_bytes() != before
        opening(run).close()
        assert not journal.exists()
        assert all_rows(run) == expected


# Artifacts


@pytest.mark.parametrize(("damage", "state"), [("unlink", "missing"), ("truncate", "changed"), ("flip", "changed")])
def test_a_missing_or_changed_artifact_is_named(damage: str, state: str, run: Path) -> None:
    artifact = run / "artifacts" / f"point-{task_of(7).hash}.safetensors"
    whole = artifact.read_bytes()
    if damage == "unlink":
        artifact.unlink()
    else:
        artifact.write_bytes(whole[:-1] if damage == "truncate" else whole[:-1] + b"8")
    with Store.open(run) as store, pytest.raises(StochsimError, match=f"{artifact}: {state} since it was stored; the run is left as it is"):
        store.check_artifacts()
    with pytest.raises(StochsimError, match=f"{artifact}: {state}"):
        collect(run)
    assert task_of(7).hash in Store.open(run).hashes()


def test_a_temporary_file_that_has_gone_stores_nothing(run: Path) -> None:
    with Store.create_or_open(run) as store:
        with pytest.raises(StochsimError, match="cannot be written"):
            store.put(task_of(30), RESULT, run / "artifacts" / ".tmp-none.safetensors", 1.0, "now")
        assert task_of(30).hash not in store.hashes()


def test_nothing_keeps_the_file_open(run: Path) -> None:
    """Neither refusals nor closed stores leak a file handle."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with Store.create_or_open(run), pytest.raises(StochsimError):
            Store.create_or_open(run)
        Store.open(run).close()
    assert len(os.listdir("/proc/self/fd")) == before
