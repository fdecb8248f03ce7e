"""What is not whole, not the store's own or in use is refused with one sentence, and left as it
is.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tinystudy import RESULT, all_rows, run_of_twelve, task_of

from stochsim.runs import Store
from stochsim.runs.store import STORE_VERSION
from stochsim.settings import StochsimError
from stochsim.studies import open_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of 12 stored tasks."""
    return run_of_twelve(tmp_path / "run")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def assert_refused(folder: Path, message: str) -> None:
    """Refused to write and to read, with this message; and nothing of it has changed."""
    before = contents(folder)
    for opening in (Store.create_or_open, Store.open, open_run):
        with pytest.raises(StochsimError, match=message):
            opening(folder)
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["thesis.tex", ".bashrc", "artifacts"])
def test_a_folder_that_is_not_empty_and_not_a_run_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir() if name == "artifacts" else (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(
        StochsimError, match=r"is not empty and not a run \(no store.sqlite\); name another folder"
    ):
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
    assert_refused(
        run,
        f"store version {version}, this stochsim reads version {STORE_VERSION}; it is left as it "
        f"is",
    )


def test_a_database_of_somebody_else_is_refused(run: Path) -> None:
    (run / "store.sqlite").unlink()
    with closing(sqlite3.connect(run / "store.sqlite")) as connection:
        connection.executescript(
            "CREATE TABLE results (hash TEXT); CREATE TABLE about (name TEXT);"
        )
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
    """Flips at 250 places over the whole file: never a changed answer, never another exception;
    most are seen.
    """
    path = run / "store.sqlite"
    whole = path.read_bytes()
    expected = all_rows(run)
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
    assert_refused(
        run, r"damaged \(a row of 'results' does not match its checksum\); it is left as it is"
    )


def test_a_second_writer_is_refused_until_the_first_has_closed(run: Path) -> None:
    with Store.create_or_open(run):
        with pytest.raises(StochsimError, match="another process is running this sweep"):
            Store.create_or_open(run)
        Store.open(run).close()
    Store.create_or_open(run).close()


@pytest.mark.parametrize(
    ("damage", "state"), [("unlink", "missing"), ("truncate", "changed"), ("flip", "changed")]
)
def test_a_missing_or_changed_artifact_is_named(damage: str, state: str, run: Path) -> None:
    artifact = run / "artifacts" / f"chip_samples-{task_of(7).hash}.safetensors"
    whole = artifact.read_bytes()
    if damage == "unlink":
        artifact.unlink()
    else:
        artifact.write_bytes(whole[:-1] if damage == "truncate" else whole[:-1] + b"8")
    with (
        Store.open(run) as store,
        pytest.raises(
            StochsimError,
            match=f"{artifact}: {state} since it was stored; the run is left as it is",
        ),
    ):
        store.check_artifacts()
    with pytest.raises(StochsimError, match=f"{artifact}: {state}"):
        open_run(run)
    assert task_of(7).hash in Store.open(run).hashes()


def test_a_temporary_file_that_has_gone_stores_nothing(run: Path) -> None:
    with Store.create_or_open(run) as store:
        with pytest.raises(StochsimError, match="cannot be written"):
            store.put(task_of(30), RESULT, run / "artifacts" / ".tmp-none.safetensors", 1.0, "now")
        assert task_of(30).hash not in store.hashes()
