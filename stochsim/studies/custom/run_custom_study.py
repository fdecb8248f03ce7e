"""Run a study of a user's own parts, by the engine of runs."""

import functools
import json
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

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
    check_positive,
    check_whole,
)
from stochsim.studies.custom.custom_study import CustomStudy
from stochsim.studies.custom.points import measured

FACTS = "custom_study"
FAILED = "failed"
PLAN = "plan"


class Shard(NamedTuple):
    """Part `number` of `of` equal parts of a study's points, counted from 1."""

    number: int
    of: int

    @classmethod
    def named(cls, text: str) -> "Shard":
        """The shard of a text as "2/8"; raises SettingError for another.

        >>> from stochsim.studies import Shard
        >>> Shard.named("2/8")
        Shard(number=2, of=8)
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text) if isinstance(text, str) else None
        number, of = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= of:
            rule = "should be a part of all, as '1/4' to '4/4' are"
            raise SettingError.of("shard", text, rule)
        return cls(number, of)

    def tasks(self, tasks: Mapping[str, Task]) -> dict[str, Task]:
        """Every `of`-th task, from its number on: points that take long stand side by side, and so
        they are shared out.
        """
        return dict(list(tasks.items())[self.number - 1 :: self.of])


def run_custom_study(
    study: CustomStudy,
    run_folder: AnyPath,
    workers: int = 2,
    *,
    shard: str | None = None,
    retries: int = 1,
    limit_s: float | None = None,
    dask: str | None = None,
) -> Path:
    """Measure the points of a study into a folder, going on where an earlier run stopped; returns
    the folder.

    shard: "2/8" for the second of eight parts, each in a folder of its own, which `merge_runs` puts
    together. retries: how often a point is tried again whose worker ended without a word. limit_s:
    seconds after which a point is given up. dask: the address of a Dask scheduler, whose workers
    take the place of processes here; they should see the folder (see `runs.DaskWorkers`). A point
    that fails is kept with its error, and all others are measured; the next run tries it again.
    Raises StochsimError for a folder of another kind, and parts that cannot be sent to workers;
    KeyboardInterrupt loses the points in progress.

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
    part = None if shard is None else Shard.named(shard)
    failures = Failures(check_whole("retries", retries, 0, 1000))
    limit_s = None if limit_s is None else check_positive("limit_s", limit_s)
    parts = sent(study)
    tasks = study.tasks if part is None else part.tasks(study.tasks)
    if not tasks:
        rule = f"has no points: there are {len(study.points)} in all"
        raise SettingError.of("shard", shard, rule)
    with Store.create_or_open(folder) as store:
        store.set_about(_facts(study, tasks, part))
        take_up(tasks, store)
        stored = store.hashes()
        missing = [task for name, task in tasks.items() if name not in stored]
        if missing:
            count = min(workers, len(missing))
            with (
                _pool(parts, folder, count, dask, limit_s) as pool,
                closing(Progress(len(tasks), len(tasks) - len(missing), missing)) as shown,
            ):
                try:
                    work_off(missing, tasks, store, pool, shown, failures)
                finally:
                    store.set_about({FAILED: json.dumps(failures.texts)})
    return folder


def _pool(parts: bytes, folder: Path, workers: int, dask: str | None, limit_s: float | None) -> Any:
    """Worker processes here, or those of a cluster."""
    if dask is not None:
        return DaskWorkers(dask, folder, run_point, parts, limit_s=limit_s)
    job = functools.partial(run_point, parts)
    return Workers(workers, folder, job, replaces=True, limit_s=limit_s)


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


@functools.lru_cache(maxsize=1)
def _received(study: bytes) -> CustomStudy:
    """What the process that started this one sent over its pipe."""
    found: CustomStudy = cloudpickle.loads(study)
    return found


def _facts(study: CustomStudy, tasks: Mapping[str, Task], shard: Shard | None) -> dict[str, str]:
    table = {
        "hash": study.hash,
        "title": str(study).splitlines()[0],
        "axes": study.axes,
        "measures": [
            {
                "name": one.name,
                "unit": one.unit,
                "better": one.better,
                "statistic": "mean" if one.is_mean else "",
            }
            for one in study.measures
        ],
        "reads": study.reads,
        "stimuli": study.data.count,
        "hardware": None if study.hardware is None else study.hardware.to_table(),
        "shard": None if shard is None else list(shard),
        "points": len(study.points),
    }
    facts = {FACTS: json.dumps(table), PLAN: json.dumps(list(tasks))}
    return facts | surroundings()
