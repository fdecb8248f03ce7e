"""Run a sweep: the tasks of a study that are not yet stored, by the engine of runs."""

import contextlib
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from stochsim.hardware import Hardware
from stochsim.runs import MOST_WORKERS, Progress, Store, Task, Workers, surroundings, work_off
from stochsim.settings import (
    AnyPath,
    SettingError,
    as_path,
    check_whole,
    errors_in,
    renamed_arguments,
)
from stochsim.studies.custom.custom_file import custom_study_of
from stochsim.studies.custom.custom_study import CustomStudy
from stochsim.studies.custom.run_custom_study import run_custom_study
from stochsim.studies.needs import Needs, announce_needs, check_needs, needs_of
from stochsim.studies.plan import Plan, by_priority, plan_study
from stochsim.studies.study import Study
from stochsim.studies.study_file import checked_study, read_study


@renamed_arguments(study_path="study")
def run_sweep(
    study: AnyPath | Study | CustomStudy,
    run_folder: AnyPath,
    workers: int = 2,
    *,
    allow_code: bool = False,
    as_json: bool = False,
    **options: Any,
) -> Path:
    """Run a study, or the one in a TOML file, into `run_folder`, going on where an earlier run
    stopped; returns the folder.

    as_json: progress as lines of JSON on stdout. Of a study with axes alone: allow_code, for a file
    that names functions (see `read_custom_study`), and options, see `RunOptions`. Raises
    StochsimError for a bad study or run folder, before anything is written. KeyboardInterrupt and
    kill lose only the tasks in progress, one per worker.

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
    custom = custom_study_of(study, allow_code)
    if custom is not None:
        return run_custom_study(custom, run_folder, workers, as_json=as_json, **options)
    for name in options:
        rule = "is an option of studies with axes"
        raise SettingError.unknown(name, ("run_folder", "workers"), rule)
    folder = as_path("run_folder", run_folder)
    workers = check_whole("workers", workers, 1, MOST_WORKERS + 1)
    given = study if isinstance(study, Study) else as_path("study", study)
    study, hardware, plan = _planned(given)
    if not (folder / "store.sqlite").exists():
        _check_needs(given, folder, study, plan, list(plan.tasks.values()), workers)
    with Store.create_or_open(folder) as store:
        store.check_artifacts()
        stored = store.hashes()
        missing = [task for task in plan.tasks.values() if task.hash not in stored]
        _check_needs(given, folder, study, plan, missing, workers)
        store.set_about(_facts(study, hardware))
        if missing:
            announce_needs(needs_of(study, missing, workers, len(plan.cells)))
            done = len(plan.tasks) - len(missing)
            bar = closing(Progress(len(plan.tasks), done, missing, as_json))
            with Workers(min(workers, len(missing)), folder, compute) as pool, bar as progress:
                work_off(by_priority(missing), plan.tasks, store, pool, progress)
    return folder


@renamed_arguments(study_path="study")
def study_needs(study: AnyPath | Study, run_folder: AnyPath, workers: int = 2) -> Needs:
    """What `run_sweep` with the same arguments would need; nothing runs, and nothing is written.

    Of a run that has begun, what is left of it. Raises StochsimError as `run_sweep` does, but not
    for a need that is too large.
    """
    folder = as_path("run_folder", run_folder)
    workers = check_whole("workers", workers, 1, MOST_WORKERS + 1)
    study, _, plan = _planned(study if isinstance(study, Study) else as_path("study", study))
    stored: set[str] = set()
    if (folder / "store.sqlite").exists():
        with closing(Store.open(folder)) as store:
            stored = store.hashes()
    missing = [task for task in plan.tasks.values() if task.hash not in stored]
    return needs_of(study, missing, workers, len(plan.cells))


def _planned(given: Path | Study) -> tuple[Study, Hardware, Plan]:
    study, hardware = checked_study(given) if isinstance(given, Study) else read_study(given)
    return study, hardware, plan_study(study, hardware)


def _check_needs(
    given: Path | Study, folder: Path, study: Study, plan: Plan, tasks: list[Task], workers: int
) -> None:
    with errors_in(given) if isinstance(given, Path) else contextlib.nullcontext():
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
