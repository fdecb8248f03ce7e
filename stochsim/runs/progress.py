"""The progress of a run: how much is done, what failed, what each worker is at, the time left."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from stochsim.runs.progress_views import view_of
from stochsim.runs.task import Task
from stochsim.runs.time_left import TimeLeft, left_words
from stochsim.runs.workers import Message


class Progress:
    """How far a run is, with the time left and what each worker is at: a bar on a terminal, lines
    elsewhere, JSON where asked.

    missing: the tasks that are still to be done.
    """

    unit = "task"

    def __init__(
        self, total: int, done: int, missing: Iterable[Task] = (), as_json: bool = False
    ) -> None:
        self.total, self.done = total, done
        self._view = view_of(total, done, self.unit, as_json)
        self._running: dict[str, str] = {}
        self._share: dict[str, str] = {}
        self._time = TimeLeft()
        self._missing = Counter(task.kind for task in missing)
        self._failed = Counter[str]()
        self._show()

    def started(self, task: Task) -> None:
        """A worker has begun with it."""
        self._running[task.hash] = task.label
        self._time.started(task.hash, task.kind)
        self._show()

    def said(self, message: Message) -> None:
        """A worker says how far it is."""
        self._share[message.hash] = f" {message.content['done'] / message.content['total']:.0%}"
        self._show()

    def finished(self, task_hash: str) -> None:
        """It is stored."""
        self._ended(task_hash)
        self.done += 1
        self._show()

    def failed(self, task_hash: str) -> None:
        """It is given up, and will not be stored."""
        self._failed[self._ended(task_hash)] += 1
        self._show()

    def again(self, task_hash: str) -> None:
        """It did not come to an end, and waits once more."""
        self._missing[self._ended(task_hash)] += 1
        self._show()

    def _ended(self, task_hash: str) -> str:
        """Forget a task that has run; returns its kind."""
        self._running.pop(task_hash, None)
        self._share.pop(task_hash, None)
        kind = self._time.finished(task_hash)
        self._missing[kind] -= 1
        return kind

    def _left(self) -> Mapping[str, float]:
        """How many tasks of each kind are left."""
        return {kind: count for kind, count in self._missing.items() if count > 0}

    @property
    def facts(self) -> dict[str, Any]:
        """What views show."""
        running = [label + self._share.get(key, "") for key, label in self._running.items()]
        seconds, is_all = self._time.seconds(self._left())
        failed = [f"{count} failed" for count in [self._failed.total()] if count]
        words = (*failed, left_words(seconds, is_all), " | ".join(running))
        return {
            "total": self.total,
            "done": self.done,
            "failed": dict(self._failed),
            "seconds_left": None if math.isnan(seconds) else round(seconds, 3),
            "is_all_left": is_all,
            "running": running,
            "words": ", ".join(filter(None, words)),
        }

    def _show(self) -> None:
        self._view.show(self.facts)

    def close(self) -> None:
        """Leave it as it is."""
        self._view.close(self.facts)
