"""`stochsim sweep` and `stochsim report` of a run that is damaged, empty or has just begun."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import tinyoptimize
from clitest import refused
from tinystudy import store_answers, study_of, write_study

from stochsim.cli import main
from stochsim.runs import Store, Task
from stochsim.runs.store import STORE_VERSION


def _truncate(run: Path) -> None:
    path = run / "store.sqlite"
    path.write_bytes(path.read_bytes()[:5000])


def _flip(run: Path) -> None:
    path = run / "store.sqlite"
    path.write_bytes(path.read_bytes().replace(b"a processor", b"a_processor"))


def _other_version(run: Path) -> None:
    path = run / "store.sqlite"
    content = bytearray(path.read_bytes())
    content[60:64] = (9).to_bytes(4, "big")  # SQLite's user_version
    path.write_bytes(content)


def _lose_an_artifact(run: Path) -> None:
    next((run / "artifacts").iterdir()).unlink()


def _replace_by_a_folder_of_somebody_else(run: Path) -> None:
    shutil.rmtree(run)
    run.mkdir()
    (run / "thesis.tex").write_text("mine")


BROKEN = [
    (_truncate, "damaged"),
    (_flip, "damaged (a row of 'about' does not match its checksum)"),
    (_other_version, f"store version 9, this stochsim reads version {STORE_VERSION}"),
    (_lose_an_artifact, "missing since it was stored"),
    (_replace_by_a_folder_of_somebody_else, "not a run (no store.sqlite)"),
]


def _one_artifact(task: Task, needs: dict[str, Path], folder: Path) -> tuple[dict[str, Any], Path]:
    path = folder / "artifacts" / ".tmp-0.safetensors"
    path.write_bytes(b"numbers")
    return {}, path


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run in which only the decoder is done."""
    return store_answers(
        tmp_path / "begun", study_of(), _one_artifact, lambda task: task.kind != "decoder"
    )


@pytest.mark.parametrize("command", ["sweep", "report"])
@pytest.mark.parametrize(
    ("damage", "complaint"), BROKEN, ids=lambda part: getattr(part, "__name__", "")
)
def test_a_run_that_is_not_whole_is_refused_and_left_as_it_is(
    damage: Any,
    complaint: str,
    command: str,
    begun: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(begun)
    before = {path: path.read_bytes() if path.is_file() else b"" for path in begun.rglob("*")}
    arguments = (
        [command, str(write_study(tmp_path)), "--out", str(begun)]
        if command == "sweep"
        else [command, str(begun)]
    )
    assert complaint in refused(arguments, capsys)
    assert {
        path: path.read_bytes() if path.is_file() else b"" for path in begun.rglob("*")
    } == before


def test_report_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        refused(["report", str(tmp_path / "none")], capsys)
        == f"{tmp_path}/none: not a run (no store.sqlite)"
    )
    Store.create_or_open(tmp_path / "run").close()
    assert (
        refused(["report", str(tmp_path / "run")], capsys)
        == f"{tmp_path}/run: the run has not begun: nothing to report"
    )
    assert not list((tmp_path / "run").glob("report*"))


def test_report_of_a_run_that_has_just_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = store_answers(tmp_path / "run", study_of(), _one_artifact, lambda task: True)
    assert main(["report", str(run)]) == 0
    assert "11 of 11 tasks not stored yet" in capsys.readouterr().out
    assert (run / "report.html").exists()


def test_a_dry_run_says_what_is_needed_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path)
    search = tinyoptimize.write_file(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for command, path in (("sweep", study), ("optimize", search)):
        assert main([command, str(path), "--dry-run", "--out", str(tmp_path / "run")]) in (0, None)
        said = capsys.readouterr().out
        assert said.startswith("needs: ")
        for word in ("tasks", "memory", "disk", "time"):
            assert f"\n  {word} " in said
    assert sorted(tmp_path.rglob("*")) == before
