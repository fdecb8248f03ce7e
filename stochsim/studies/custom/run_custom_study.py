"""Run a study of a user's own parts, by the engine of runs."""

import functools
import json
import traceback
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import cloudpickle

from stochsim.runs import (
    MOST_WORKERS,
    DaskWorkers,
    Failures,
    Progress,
    Store,
    Task,
    Workers,
    surroundings,
    take_up,
    work_off,
)
from stochsim.settings import (
    AnyPath,
    SettingError,
    StochsimError,
    as_path,
    check_kind,
    check_whole,
)
from stochsim.studies.custom.custom_study import CustomStudy
from stochsim.studies.custom.points import measured
from stochsim.studies.custom.run_options import RunOptions, Shard

FACTS = "custom_study"
FAILED = "failed"
PLAN = "plan"


def run_custom_study(
    study: CustomStudy,
    run_folder: AnyPath,
    workers: int = 2,
    **options: Any,
) -> Path:
    """Measure the points of a study into a folder, going on where an earlier run stopped; returns
    the folder.

    options: see `RunOptions`. A point that fails is kept with its error, and all others are
    measured; the next run tries it again. Raises StochsimError for a folder of another kind, and
    parts that cannot be sent to workers; KeyboardInterrupt loses the points in progress.

    >>> import numpy as np
    >>> import stochsim as ss
    >>> def draws(stimuli, reads, key, width):
    ...     return np.random.default_rng(key).normal(scale=width, size=(len(stimuli), reads, 1))
    >>> def spread(samples, truth):
    ...     return samples.values[:, :, 0].std(axis=1)
    >>> study = ss.Study(
    ...     sampler=draws, data=np.zeros((8, 1)), measures=[spread], axes={"width": [1.0, 3.0]}
    ... )
    >>> from stochsim.studies import run_custom_study
    >>> run_custom_study(study, "runs/widths", workers=1).name
    'widths'
    """
    check_kind("study", study, CustomStudy, "should be a Study with axes")
    folder = as_path("run_folder", run_folder)
    workers = check_whole("workers", workers, 1, MOST_WORKERS + 1)
    chosen = RunOptions(**options)
    parts = sent(study)
    at = chosen.points(study.axes)
    asked = {
        name: task
        for (name, task), point in zip(study.tasks.items(), study.points, strict=True)
        if at.items() <= point.items()
    }
    tasks = chosen.part.tasks(asked)
    if not tasks:
        rule = f"has no points: there are {len(study.points)} in all"
        field = "at" if chosen.at else "shard"
        raise SettingError.of(field, getattr(chosen, field), rule)
    with Store.create_or_open(folder) as store:
        store.set_about(_facts(study, tasks, chosen.part))
        take_up(tasks, store)
        stored = store.hashes()
        missing = [task for name, task in tasks.items() if name not in stored]
        if missing:
            _work_off(missing, tasks, store, _pool(parts, folder, workers, chosen), chosen)
    return folder


def _work_off(
    missing: list[Task],
    tasks: Mapping[str, Task],
    store: Store,
    pool: Any,
    options: RunOptions,
) -> None:
    failures = Failures(options.retries)
    progress = Progress(len(tasks), len(tasks) - len(missing), missing, options.as_json)
    with pool, closing(progress):
        try:
            work_off(missing, tasks, store, pool, progress, failures)
        finally:
            store.set_about({FAILED: json.dumps(failures.texts)})


def _pool(parts: bytes, folder: Path, workers: int, options: RunOptions) -> Any:
    """Worker processes here, or those of a cluster."""
    if options.dask is not None:
        return DaskWorkers(options.dask, folder, run_point, parts, limit_s=options.limit_s)
    job = functools.partial(run_point, parts)
    return Workers(workers, folder, job, replaces=True, limit_s=options.limit_s)


def sent(study: CustomStudy) -> bytes:
    """A study as workers get it; raises SettingError for parts that cannot be sent to another
    process.
    """
    parts = {
        "network": getattr(study.subject, "network", None),
        "sampler": getattr(study.subject, "sampler", None),
        "measures": study.measures,
        "data": study.data,
    }
    for name, part in parts.items():
        try:
            cloudpickle.dumps(part)
        except Exception as error:  # whatever an object's own methods raise
            rule = f"cannot be sent to a worker process ({error})"
            raise SettingError.of(name, part, rule) from None
    return bytes(cloudpickle.dumps(study))


def run_point(
    study: bytes, job: dict[str, Any], _folder: Path, _progress: Callable[[int, int], None]
) -> tuple[dict[str, Any], None]:
    """In a worker process: measure the point of a job."""
    point = json.loads(job["settings"])["point"]
    try:
        return measured(_received(study), point), None
    except StochsimError:
        raise
    except MemoryError:
        raise StochsimError("not enough memory") from None
    except (OSError, SystemExit):  # of a function of the user's: nothing is written here
        raise StochsimError(traceback.format_exc()) from None


@functools.lru_cache(maxsize=1)
def _received(study: bytes) -> CustomStudy:
    """What the process that started this one sent over its pipe."""
    found: CustomStudy = cloudpickle.loads(study)
    return found


def _facts(study: CustomStudy, tasks: Mapping[str, Task], shard: Shard) -> dict[str, str]:
    table = {
        "hash": study.hash,
        "title": str(study).splitlines()[0],
        "axes": study.axes,
        "measures": list(study.measure_facts.values()),
        "reads": study.reads,
        "stimuli": study.data.count,
        "hardware": None if study.hardware is None else study.hardware.to_table(),
        "shard": list(shard),
        "points": len(study.points),
    }
    facts = {FACTS: json.dumps(table), PLAN: json.dumps(list(tasks))}
    return facts | surroundings()
