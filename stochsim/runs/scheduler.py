"""The scheduler of a run: each task goes to a worker as soon as what it needs is stored, and its
answer is stored by this process alone.
"""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

from stochsim.runs.progress import Progress
from stochsim.runs.store import Store
from stochsim.runs.task import Task
from stochsim.runs.workers import Message, WorkerCrash, Workers
from stochsim.settings import StochsimError


def work_off(
    missing: Sequence[Task],
    tasks: Mapping[str, Task],
    store: Store,
    pool: Workers,
    progress: Progress,
) -> None:
    """Do the `missing` tasks, the first of those that can start first; `tasks` are all by hash.

    Raises StochsimError with the label of a task that failed, WorkerCrash with the traceback of one
    that has a bug.
    """
    waiting = list(missing)
    done = store.hashes()
    running = 0
    while waiting or running:
        for task in _startable(waiting, done, pool.idle):
            waiting.remove(task)
            pool.give(task.hash, _job(task, store))
            progress.started(task)
            running += 1
        for message in pool.messages():
            if message.is_progress:
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
    _check_answered(task, message)
    artifact = message.content["artifact"]
    finished = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    store.put(
        task,
        message.content["result"],
        Path(artifact) if artifact else None,
        message.content["seconds"],
        finished,
    )


def _check_answered(task: Task, message: Message) -> None:
    match message.kind:
        case "error":
            raise StochsimError(f"{task.label}: {message.content['text']}")
        case "crash":
            raise WorkerCrash(f"{task.label}:\n{message.content['text']}")
