"""A sweep that is killed, killed again, stopped and robbed of a worker ends with the same results
as one that was left alone.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tinystudy import CLI, answers, store_answers, stored_rows, study_of, work, write_study

from stochsim.report import write_results_csv
from stochsim.studies import open_run

pytestmark = pytest.mark.slow

GRID: dict[str, Any] = {
    "grid__noise": [0, 0.5, 1, 2],
    "measure__reads": 1000,
    "measure__stimuli": 16,
}
TASKS = 15
"""Eight of them points, which take long enough (0.2 s) for an interruption to come between them."""
PATIENCE_S = 120.0


def children(parent: int, command: str = "spawn_main") -> list[int]:
    """Processes whose parent is `parent` and whose command line holds `command`."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if (
                entry.name.isdigit()
                and int(_stat(entry)[1]) == parent
                and command in (entry / "cmdline").read_text()
            ):
                found.append(int(entry.name))
    return found


def _stat(entry: Path) -> list[str]:
    """State, parent and what follows of a process."""
    return (entry / "stat").read_text().rpartition(")")[2].split()


def alive(process: int) -> bool:
    try:
        return _stat(Path(f"/proc/{process}"))[0] not in "ZX"
    except OSError:
        return False


def wait_for(what: Callable[[], object], sweep: subprocess.Popen[str] | None = None) -> None:
    """Wait until `what()` is true; fail where the sweep ends before, or after PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert sweep is None or sweep.poll() is None, "the sweep ended before it was interrupted"
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@dataclass(frozen=True)
class Stage:
    """One interruption: rows before and after it, exit code and messages of the sweep, and how long
    its workers outlived it.
    """

    before: dict[str, tuple[Any, ...]]
    after: dict[str, tuple[Any, ...]]
    exit_code: int
    errors: str
    workers: int
    outlived_s: float


def interrupted(
    study: Path, folder: Path, count: int, rows: int, strike: Callable[[int, list[int]], None]
) -> Stage:
    """Run the sweep in a session of its own; once it has `count` workers and `rows` rows,
    strike(sweep, workers), and wait for its end.
    """
    before = stored_rows(folder)
    command = [*CLI, "sweep", str(study), "--out", str(folder), "--workers", str(count)]
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as sweep:
        try:
            wait_for(lambda: len(children(sweep.pid)) == count, sweep)
            workers = children(sweep.pid)
            wait_for(lambda: len(stored_rows(folder)) >= rows, sweep)
            strike(sweep.pid, workers)
            _, errors = sweep.communicate(timeout=PATIENCE_S)
            ended = time.monotonic()
            wait_for(lambda: not any(alive(worker) for worker in workers))
            return Stage(
                before,
                stored_rows(folder),
                sweep.returncode,
                errors,
                len(workers),
                time.monotonic() - ended,
            )
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(sweep.pid, signal.SIGKILL)


def kill(sweep: int, workers: list[int]) -> None:
    os.kill(sweep, signal.SIGKILL)


def kill_soon(sweep: int, workers: list[int]) -> None:
    """The workers are just starting."""
    time.sleep(0.3)
    kill(sweep, workers)


def kill_a_worker(sweep: int, workers: list[int]) -> None:
    os.kill(workers[0], signal.SIGKILL)


def press_ctrl_c(sweep: int, workers: list[int]) -> None:
    """A terminal sends it to the whole group: to the workers too, which are just starting, and must
    leave it to the parent.
    """
    for worker in workers:
        os.kill(worker, signal.SIGINT)
    time.sleep(0.5)
    os.killpg(sweep, signal.SIGINT)


@dataclass(frozen=True)
class Story:
    """A run and what happened to it."""

    folder: Path
    stages: dict[str, Stage]
    last_exit_code: int


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Kill -9 while the workers start, after 2 rows and after 9, Ctrl-C while they start, kill -9
    of a worker after 5; then left alone.
    """
    parent = tmp_path_factory.mktemp("story")
    study = write_study(parent, **GRID)
    folder = parent / "run"
    strikes = {
        "killed starting": (2, 0, kill_soon),
        "killed training": (2, 2, kill),
        "ctrl-c": (2, 0, press_ctrl_c),
        "worker": (1, 5, kill_a_worker),
        "killed at points": (1, 9, kill),
    }
    stages = {name: interrupted(study, folder, *strike) for name, strike in strikes.items()}
    last = subprocess.run(
        [*CLI, "sweep", str(study), "--out", str(folder), "--workers", "1"],
        capture_output=True,
        text=True,
    )
    return Story(folder, stages, last.returncode)


def test_every_interruption_came_in_the_middle(story: Story) -> None:
    assert len(story.stages["killed starting"].after) == 0
    assert all(
        2 <= len(stage.after) < TASKS
        for name, stage in story.stages.items()
        if name != "killed starting"
    )
    assert [stage.workers for stage in story.stages.values()] == [2, 2, 2, 1, 1]


def test_no_interruption_loses_or_changes_a_stored_row(story: Story) -> None:
    """Rows carry the seconds that their task took, so a task done twice would show."""
    final = stored_rows(story.folder)
    for stage in story.stages.values():
        assert {task: stage.after[task] for task in stage.before} == stage.before
        assert {task: final[task] for task in stage.after} == stage.after


def test_after_all_that_each_task_is_stored_once_and_the_results_are_those_of_an_undisturbed_run(
    story: Story, tmp_path: Path
) -> None:
    undisturbed = store_answers(tmp_path / "run", study_of(**GRID), work)
    assert story.last_exit_code == 0
    assert len(answers(story.folder)) == TASKS
    assert answers(story.folder) == answers(undisturbed)
    with open_run(undisturbed) as results:
        write_results_csv(results, tmp_path / "results.csv")
    assert (story.folder / "results.csv").read_bytes() == (tmp_path / "results.csv").read_bytes()


def test_no_half_written_file_is_left(story: Story) -> None:
    named = {row[5] for row in stored_rows(story.folder).values() if row[5]}
    assert {path.name for path in (story.folder / "artifacts").iterdir()} == named
    assert {path.name for path in story.folder.iterdir()} == {
        *(".lock", "artifacts", "store.sqlite"),
        *("report.html", "results.csv", "timing.csv"),
    }


@pytest.mark.parametrize("name", ["killed starting", "killed training", "killed at points"])
def test_workers_end_when_the_sweep_is_killed(name: str, story: Story) -> None:
    stage = story.stages[name]
    assert stage.exit_code == -signal.SIGKILL
    assert stage.outlived_s < 5


def test_ctrl_c_ends_with_130_and_a_sentence_and_nothing_else(story: Story) -> None:
    stage = story.stages["ctrl-c"]
    assert stage.exit_code == 130
    assert stage.errors.rstrip().endswith(
        "stochsim: stopped; what is finished is stored, the same command goes on from there"
    )
    assert "Traceback" not in stage.errors
    assert stage.outlived_s < 1


def test_a_killed_worker_is_one_clear_error(story: Story) -> None:
    stage = story.stages["worker"]
    assert stage.exit_code == 2
    last = stage.errors.rstrip().splitlines()[-1]
    assert last.startswith("stochsim: ")
    assert (
        "worker ended without a word (killed, or out of memory?); what is stored stays, the same "
        "command goes on from there" in last
    )
    assert "Traceback" not in stage.errors
    assert stage.outlived_s < 1
