"""A disk that is full while storing: one sentence that says so, what is stored stays readable, and
with more room it goes on.
"""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tinystudy import stored_rows, task_of, write_study

from stochsim.cli import main
from stochsim.runs import Store
from stochsim.settings import StochsimError

RESULT = {"d": [0.123456789] * 500}


def fill(store: Store, count: int = 1000) -> int:
    """Put tasks until one fails or `count` are there; returns how many are."""
    for number in range(count):
        store.put(task_of(number), RESULT, None, 1.0, "now")
    return count


def assert_first_tasks_readable(folder: Path, stored: set[str]) -> None:
    """The store holds the tasks that were put before the disk was full, whole, and no other."""
    assert stored == {task_of(number).hash for number in range(len(stored))}
    with Store.open(folder) as store:
        assert store.hashes() == stored
        assert all(store.row(task).result == RESULT for task in stored)


def mount(folder: Path, options: str) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"no small disk to fill: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk to fill")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount(folder, "size=1m")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_sqlite_full(tmp_path: Path) -> None:
    with Store.create_or_open(tmp_path / "run") as store:
        store._connection.execute("PRAGMA max_page_count=20")
        with pytest.raises(
            StochsimError, match=r"the disk is full .*; what is stored stays readable"
        ):
            fill(store)
        stored = store.hashes()
        assert len(stored) > 2
    assert_first_tasks_readable(tmp_path / "run", stored)


def test_a_full_disk_while_storing_rows(small_disk: Path) -> None:
    folder = small_disk / "run"
    with Store.create_or_open(folder) as store:
        with pytest.raises(
            StochsimError, match=r"the disk is full .*; what is stored stays readable"
        ):
            fill(store)
        stored = store.hashes()
        assert len(stored) > 10
    assert_first_tasks_readable(folder, stored)
    mount(small_disk, "remount,size=8m")
    with Store.create_or_open(folder) as store:
        store.put(task_of(len(stored)), RESULT, None, 1.0, "now")
    assert_first_tasks_readable(folder, stored | {task_of(len(stored)).hash})


def fill_up(file: Path) -> None:
    """Write to a file until the disk takes no more; raises OSError then."""
    with open(file, "wb", buffering=0) as filler:
        while True:
            filler.write(b"x" * 4096)


@pytest.mark.parametrize("fits", ["nothing", "the folder"])
def test_a_disk_that_is_full_from_the_start(fits: str, small_disk: Path) -> None:
    folder = small_disk / "run"
    if fits == "the folder":
        folder.mkdir()
    with pytest.raises(OSError, match="No space"):
        fill_up(small_disk / "filler")
    with pytest.raises(StochsimError, match=r"full|No space left"):
        Store.create_or_open(folder)
    (small_disk / "filler").unlink()
    with Store.create_or_open(folder) as store:
        assert fill(store, 3) == 3


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]); from "
        "test_full_disk import Store, fill\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "with Store.create_or_open(Path(sys.argv[1])) as store: fill(store)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "helpers")}
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "run", Path(__file__).parent],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert "StochsimError" in done.stderr
    assert "the disk is full" in done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 65536
    stored = set(stored_rows(tmp_path / "run"))
    assert len(stored) > 2
    assert_first_tasks_readable(tmp_path / "run", stored)


def test_a_disk_that_is_too_small_is_seen_before_the_folder_exists(
    small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = small_disk / "run"
    assert main(["sweep", str(write_study(tmp_path)), "--out", str(folder), "--workers", "1"]) == 2
    said = capsys.readouterr().err
    assert "its results need 2.6 MiB of disk, " in said
    assert f" are free under {small_disk}" in said
    assert not folder.exists()


def test_an_artifact_that_does_not_fit_is_named_by_its_task(
    small_disk: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reference posterior (2.4 MB) does not fit; the decoder before it does. The disk looks
    empty before the run, as one that others fill meanwhile.
    """
    folder = small_disk / "run"
    empty = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("stochsim.studies.needs.shutil.disk_usage", lambda path: empty)
    assert main(["sweep", str(write_study(tmp_path)), "--out", str(folder), "--workers", "1"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"stochsim: reference posterior, key 0: {folder}/")
    assert ": cannot be written (" in said
    assert "No space left" in said
    assert said.endswith("; what is stored stays readable")
    assert "decoder" in {row[1] for row in stored_rows(folder).values()}
    with Store.open(folder) as store:
        store.check_artifacts()
