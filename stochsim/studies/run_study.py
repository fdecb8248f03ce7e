"""Run a sweep: the tasks of a study that are not yet stored, by the engine of runs."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from stochsim.hardware import Hardware
from stochsim.runs import MOST_WORKERS, Progress, Store, Task, Workers, surroundings, work_off
from stochsim.settings import AnyPath, as_path, check_whole, errors_in
from stochsim.studies.needs import Needs, announce_needs, check_needs, needs_of
from stochsim.studies.plan import Plan, by_priority, plan_study
from stochsim.studies.study import Study
from stochsim.studies.study_file import read_study


def run_sweep(study_path: AnyPath, run_folder: AnyPath, workers: int = 2) -> Path:
    """Run the study in `study_path` into `run_folder`, going on where an earlier run stopped;
    returns the folder.

    Raises StochsimError for a bad study or run folder, before anything is written.
    KeyboardInterrupt and kill lose only the tasks in progress, one per worker.

    >>> import stochsim as ss
    >>> from stochsim.settings import write_toml
    >>> write_toml("study.toml", {
    ...     "version": 1,
    ...     "model": {"kind": "linear_gaussian", "neurons": 4, "noise_sd": 0.5},
    ...     "data": {"kind": "digits", "size": 8, "components": 8},
    ...     "train": {"steps": 20},
    ...     "hardware": {"preset": "digital-45nm"},
    ...     "grid": {"bits": [4], "noise": [1.0]},
    ...     "measure": {"stimuli": 8, "reads": 100},
    ... })
    >>> ss.run_sweep("study.toml", "runs/study", workers=1).name
    'study'
    >>> len(ss.open_run("runs/study").rows)
    1
    """
    path = as_path("study_path", study_path)
    folder = as_path("run_folder", run_folder)
    workers = check_whole("workers", workers, 1, MOST_WORKERS + 1)
    study, hardware, plan = _planned(path)
    if not (folder / "store.sqlite").exists():
        _check_needs(path, folder, study, plan, list(plan.tasks.values()), workers)
    with Store.create_or_open(folder) as store:
        store.check_artifacts()
        stored = store.hashes()
        missing = [task for task in plan.tasks.values() if task.hash not in stored]
        _check_needs(path, folder, study, plan, missing, workers)
        store.set_about(_facts(study, hardware))
        if missing:
            announce_needs(needs_of(study, missing, workers, len(plan.cells)))
            bar = closing(Progress(len(plan.tasks), len(plan.tasks) - len(missing), missing))
            with Workers(min(workers, len(missing)), folder, compute) as pool, bar as progress:
                work_off(by_priority(missing), plan.tasks, store, pool, progress)
    return folder


def study_needs(study_path: AnyPath, run_folder: AnyPath, workers: int = 2) -> Needs:
    """What `run_sweep` with the same arguments would need; nothing runs, and nothing is written.

    Of a run that has begun, what is left of it. Raises StochsimError as `run_sweep` does, but not
    for a need that is too large.
    """
    path = as_path("study_path", study_path)
    folder = as_path("run_folder", run_folder)
    workers = check_whole("workers", workers, 1, MOST_WORKERS + 1)
    study, _, plan = _planned(path)
    stored: set[str] = set()
    if (folder / "store.sqlite").exists():
        with closing(Store.open(folder)) as store:
            stored = store.hashes()
    missing = [task for task in plan.tasks.values() if task.hash not in stored]
    return needs_of(study, missing, workers, len(plan.cells))


def _planned(path: Path) -> tuple[Study, Hardware, Plan]:
    study, hardware = read_study(path)
    return study, hardware, plan_study(study, hardware)


def _check_needs(
    path: Path, folder: Path, study: Study, plan: Plan, tasks: list[Task], workers: int
) -> None:
    with errors_in(path):
        check_needs(needs_of(study, tasks, workers, len(plan.cells)), folder)


def compute(
    job: dict[str, Any], folder: Path, progress: Callable[[int, int], None]
) -> tuple[dict[str, Any], Path | None]:
    """`run_task`, imported where it runs: in a worker, for torch takes seconds."""
    from stochsim.studies.tasks import run_task

    return run_task(job, folder, progress)


def _facts(study: Study, hardware: Hardware) -> dict[str, str]:
    return {
        "study": json.dumps(study.to_table()),
        "hardware": json.dumps(hardware.to_table()),
        **surroundings(),
    }
