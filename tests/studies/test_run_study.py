"""A whole sweep, end to end, on real worker processes; and what a second call makes of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tinystudy import answers, store_answers, stored_rows, study_of, work, write_study

from stochsim.cli import main
from stochsim.report import write_results_csv
from stochsim.runs import Store
from stochsim.settings import StochsimError
from stochsim.studies import open_run, run_sweep
from stochsim.studies.plan import plan_study
from stochsim.training import load_network


def results_csv(folder: Path, into: Path) -> bytes:
    with open_run(folder) as results:
        write_results_csv(results, into)
    return into.read_bytes()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny study, run by the command line with two workers."""
    folder = tmp_path_factory.mktemp("finished")
    assert main(["sweep", str(write_study(folder)), "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_every_task_is_stored_and_the_report_written(finished: Path) -> None:
    study = study_of()
    assert set(stored_rows(finished)) == set(
        plan_study(study, study.hardware.resolve(Path())).tasks
    )
    for name in ("report.html", "results.csv", "timing.csv"):
        assert (finished / name).stat().st_size > 0
    assert not list((finished / "artifacts").glob(".tmp-*"))
    artifacts = sorted(path.name for path in (finished / "artifacts").iterdir())
    assert artifacts == sorted(row[5] for row in stored_rows(finished).values() if row[5])


def test_the_run_says_what_was_run_where_and_with_which_versions(finished: Path) -> None:
    with open_run(finished) as results:
        assert results.missing == 0
        assert results.study == study_of()
        assert results.hardware.name == "digital-45nm"
        assert {"stochsim", "python", "torch", "brevitas", "numba", "numpy"} <= set(
            results.versions
        )
        assert all(results.machine.values())


def test_the_answers_are_the_keys_alone(finished: Path, tmp_path: Path) -> None:
    """The same study in this process, with its threads and in the plan's order, gives the same as
    two workers did.
    """
    again = store_answers(tmp_path / "again", study_of(), work)
    assert answers(again) == answers(finished)
    assert results_csv(again, tmp_path / "again.csv") == (finished / "results.csv").read_bytes()


def test_another_key_gives_other_answers(finished: Path, tmp_path: Path) -> None:
    """So that the test above does not pass because nothing depends on anything."""
    study = study_of(grid__keys=[1], grid__bits=[2], grid__noise=[1])
    other = store_answers(tmp_path / "other", study, work)
    mine, others = (
        {row[4] for row in stored_rows(folder).values() if row[1] != "reference"}
        for folder in (finished, other)
    )
    assert len(mine) == 10
    assert not mine & others


def test_a_finished_run_is_not_run_again(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_workers(*_: object) -> None:
        raise AssertionError("nothing is left to do")

    monkeypatch.setattr("stochsim.studies.run_study.Workers", no_workers)
    before = stored_rows(run)
    assert run_sweep(write_study(tmp_path), run) == run
    assert stored_rows(run) == before


def test_a_larger_grid_reuses_what_is_stored_and_a_script_needs_no_main_guard(
    run: Path, tmp_path: Path
) -> None:
    """Run by a script that calls run_sweep at its top level: the workers do not run the script
    again.
    """
    before = stored_rows(run)
    study = write_study(tmp_path, grid__bits=[2, 3, 4], grid__noise=[0, 1, 2])
    script = tmp_path / "script.py"
    script.write_text(
        f"from pathlib import Path\nfrom stochsim import run_sweep\nprint('begun')\n"
        f"run_sweep(Path({str(study)!r}), Path({str(run)!r}), workers=1)\nprint('done')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, ["begun", "done"]), done.stderr
    after = stored_rows(run)
    assert len(before) == 11
    assert len(after) == 11 + 1 + 5
    assert {task: after[task] for task in before} == before
    with open_run(run) as results:
        assert len(results.rows) == 9


def test_a_task_that_fails_is_named_and_all_else_stays(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stored_rows(run)
    study = write_study(tmp_path, train__learning_rate=1e9, train__steps=300)
    assert main(["sweep", str(study), "--out", str(run), "--workers", "1"]) == 2
    said = capsys.readouterr()
    last = said.err.splitlines()[-1]
    assert last.startswith("stochsim: decoder, key 0: training diverged at step ")
    kept = Path(last.partition("try a smaller learning_rate; it is kept in ")[2])
    assert kept.parent == run / "artifacts"
    assert bool(load_network(kept).decoder.isfinite().all())
    assert [
        path.name for path in kept.parent.glob("*-*") if path.name.startswith((".tmp", "diverged"))
    ] == [kept.name]
    assert "Traceback" not in said.err
    assert stored_rows(run) == before


def test_a_changed_artifact_stops_a_sweep_before_it_begins(run: Path, tmp_path: Path) -> None:
    artifact = next((run / "artifacts").glob("network-*"))
    content = artifact.read_bytes()
    artifact.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    before = (run / "store.sqlite").read_bytes()
    with pytest.raises(StochsimError, match=f"{artifact}: changed since it was stored"):
        run_sweep(write_study(tmp_path, grid__bits=[2, 3, 4]), run)
    assert (run / "store.sqlite").read_bytes() == before


def test_a_bad_study_leaves_a_run_as_it_is(run: Path, tmp_path: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in run.rglob("*")}
    for changes in (
        {"grid__bits": [9]},
        {"measure__stimuli": 10**6},
        {"hardware__preset": "digital"},
    ):
        with pytest.raises(StochsimError):
            run_sweep(write_study(tmp_path, **changes), run)
    assert {
        path: (path.stat().st_mtime_ns, path.stat().st_size) for path in run.rglob("*")
    } == before


def test_a_second_sweep_of_the_same_run_is_refused(run: Path, tmp_path: Path) -> None:
    with (
        Store.create_or_open(run),
        pytest.raises(StochsimError, match="another process is running this sweep"),
    ):
        run_sweep(write_study(tmp_path), run)
