"""The scheduler of a run: each task goes to a worker as soon as what it needs is stored, and its
answer is stored by this process alone.
"""

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from stochsim.runs.dask_workers import left_behind
from stochsim.runs.pool import Pool
from stochsim.runs.progress import Progress
from stochsim.runs.store import Store
from stochsim.runs.task import Task
from stochsim.runs.waiting import WaitingTasks
from stochsim.runs.workers import Message, WorkerCrash
from stochsim.settings import StochsimError


class Failures:
    """Tasks that failed in a run that goes on without them, by hash: what each says.

    retries: how often a task starts anew whose worker ended without a word, by a signal or for want
    of memory; what a task says itself is not tried again, for it would say the same.
    """

    def __init__(self, retries: int = 1) -> None:
        self.texts: dict[str, str] = {}
        self._retries = retries
        self._ended = Counter[str]()

    def take(self, task: Task, message: Message) -> bool:
        """Whether a task that did not succeed is to start anew; else its error is kept."""
        self._ended[task.hash] += 1
        if message.kind == "gone" and self._ended[task.hash] <= self._retries:
            return True
        self.texts[task.hash] = str(message.content["text"])
        return False


def work_off(
    missing: Sequence[Task],
    tasks: Mapping[str, Task],
    store: Store,
    pool: Pool,
    progress: Progress,
    failures: Failures | None = None,
) -> None:
    """Do the `missing` tasks, the first of those that can start first; `tasks` are all by hash.

    failures: where they are kept, so that all other tasks are done; tasks that need one that failed
    are not. None: raises StochsimError with the label of a task that failed, WorkerCrash with the
    traceback of one that has a bug.
    """
    waiting = WaitingTasks(missing, store.hashes())
    running = 0
    while waiting.can_start or running:
        for task in waiting.take(pool.idle):
            pool.give(task.hash, _job(task, store))
            progress.started(task)
            running += 1
        for message in pool.messages():
            if message.is_progress:
                progress.said(message)
                continue
            running -= 1
            task = tasks[message.hash]
            if message.kind == "result":
                _store_result(task, message, store)
                waiting.finished(task.hash)
                progress.finished(task.hash)
            elif failures is None:
                raise _error(task, message)
            elif failures.take(task, message):
                waiting.again(task)
                progress.again(task.hash)
            else:
                progress.failed(task.hash)


def take_up(tasks: Mapping[str, Task], store: Store) -> None:
    """Store what workers of a cluster have left in a run's folder: results of these tasks."""
    done = store.hashes()
    for message in left_behind(store.folder):
        if message.hash in tasks and message.hash not in done:
            _store_result(tasks[message.hash], message, store)


def _job(task: Task, store: Store) -> dict[str, object]:
    artifacts = {role: store.row(need).artifact for role, need in task.needs}
    needs = {role: path.name for role, path in artifacts.items() if path is not None}
    return {"kind": task.kind, "hash": task.hash, "settings": task.settings, "needs": needs}


def _store_result(task: Task, message: Message, store: Store) -> None:
    artifact = message.content["artifact"]
    finished = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    store.put(
        task,
        message.content["result"],
        Path(artifact) if artifact else None,
        message.content["seconds"],
        finished,
    )


def _error(task: Task, message: Message) -> Exception:
    text = message.content["text"]
    if message.kind == "crash":
        return WorkerCrash(f"{task.label}:\n{text}")
    return StochsimError(f"{task.label}: {text}")
