"""Run a sweep: the tasks of a study that are not yet stored, by the engine of runs."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from stochsim.hardware import Hardware
from stochsim.runs import Progress, Store, Workers, surroundings, work_off
from stochsim.settings import AnyPath, as_path, check_whole
from stochsim.studies.plan import by_priority, plan_study
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
    workers = check_whole("workers", workers, 1, 2**16)
    study, hardware = read_study(path)
    plan = plan_study(study, hardware)
    with Store.create_or_open(folder) as store:
        store.check_artifacts()
        store.set_about(_facts(study, hardware))
        stored = store.hashes()
        missing = [task for task in plan.tasks.values() if task.hash not in stored]
        if missing:
            bar = closing(Progress(len(plan.tasks), len(plan.tasks) - len(missing)))
            with Workers(min(workers, len(missing)), folder, compute) as pool, bar as progress:
                work_off(by_priority(missing), plan.tasks, store, pool, progress)
    return folder


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
