"""Run a sweep: what is not yet stored, as soon as what it needs is, on two workers; stored by this
process alone.
"""

import datetime
import json
import platform
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stochsim.hardware import Hardware
from stochsim.runs import Message, Store, WorkerCrash, Workers
from stochsim.settings import StochsimError
from stochsim.studies.plan import PRIORITY, Task, plan_study
from stochsim.studies.study import Study

_VERSIONS = (
    "stochsim",
    "torch",
    "brevitas",
    "numba",
    "numpy",
    "scipy",
    "scikit-image",
    "scikit-learn",
    "arviz-stats",
    "matplotlib",
)


def run_sweep(study_path: Path, run_folder: Path, workers: int = 2) -> Path:
    """Run the study in `study_path` into `run_folder`, going on where an earlier run stopped;
    returns the folder.

    Raises StochsimError for a bad study or run folder, before anything is written.
    KeyboardInterrupt and kill lose only the tasks in progress, one per worker.
    """
    study = Study.read(study_path)
    hardware = study.hardware.resolve(study_path.parent)
    study.check(hardware)
    plan = plan_study(study, hardware)
    with Store.create_or_open(run_folder) as store:
        store.check_artifacts()
        store.set_about(_facts(study, hardware))
        missing = [task for task in plan.tasks.values() if task.hash not in store.hashes()]
        if missing:
            bar = closing(Progress(len(plan.tasks), len(plan.tasks) - len(missing)))
            with Workers(min(workers, len(missing)), run_folder, compute) as pool, bar as progress:
                work_off(missing, plan.tasks, store, pool, progress)
    return run_folder


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


def surroundings(*packages: str) -> dict[str, str]:
    """Versions, those of `packages` too, and the machine, as JSON: what a run's facts say of where
    its figures come from.
    """
    versions = {name: metadata.version(name) for name in (*_VERSIONS, *packages)} | {
        "python": platform.python_version()
    }
    return {
        "versions": json.dumps(versions),
        "machine": json.dumps({"processor": processor(), "system": platform.platform()}),
    }


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


class Progress:
    """A bar over the tasks, with what each worker is at."""

    unit = "task"

    def __init__(self, total: int, done: int) -> None:
        interval = 0.2 if sys.stderr.isatty() else 15.0
        self._bar = tqdm(
            total=total, initial=done, unit=self.unit, mininterval=interval, dynamic_ncols=True
        )
        self._running: dict[str, str] = {}
        self._share: dict[str, str] = {}

    def started(self, task: Task) -> None:
        """A worker has begun with it."""
        self._running[task.hash] = task.label
        self._show()

    def said(self, message: Message) -> None:
        """A worker says how far it is."""
        self._share[message.hash] = f" {message.content['done'] / message.content['total']:.0%}"
        self._show()

    def finished(self, task_hash: str) -> None:
        """It is stored."""
        self._running.pop(task_hash, None)
        self._bar.update()
        self._show()

    def _show(self) -> None:
        self._bar.set_postfix_str(
            " | ".join(label + self._share.get(key, "") for key, label in self._running.items()),
            refresh=False,
        )

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


def work_off(
    missing: list[Task], tasks: Mapping[str, Task], store: Store, pool: Workers, progress: Progress
) -> None:
    """Do these tasks, each as soon as what it needs is stored; `tasks` are all of them by hash."""
    waiting = sorted(
        missing, key=lambda task: PRIORITY.index(task.kind)
    )  # stable: the plan's order within a kind
    done = store.hashes()
    running = 0
    while waiting or running:
        for task in _startable(waiting, done, pool.idle):
            waiting.remove(task)
            pool.give(task.hash, _job(task, store))
            progress.started(task)
            running += 1
        for message in pool.messages():
            if message.kind == "progress":
                progress.said(message)
            else:
                _store_result(tasks[message.hash], message, store)
                done.add(message.hash)
                progress.finished(message.hash)
                running -= 1


def _startable(waiting: list[Task], done: set[str], idle: int) -> list[Task]:
    return [task for task in waiting if all(need in done for _, need in task.needs)][:idle]


def _job(task: Task, store: Store) -> dict[str, object]:
    artifacts = {role: store.row(need).artifact for role, need in task.needs}
    needs = {role: path.name for role, path in artifacts.items() if path is not None}
    return {"kind": task.kind, "hash": task.hash, "settings": task.settings, "needs": needs}


def _store_result(task: Task, message: Message, store: Store) -> None:
    if message.kind == "error":
        raise StochsimError(f"{task.label}: {message.content['text']}")
    if message.kind == "crash":
        raise WorkerCrash(f"{task.label}:\n{message.content['text']}")
    artifact = message.content["artifact"]
    finished = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    store.put(
        task,
        message.content["result"],
        Path(artifact) if artifact else None,
        message.content["seconds"],
        finished,
    )
