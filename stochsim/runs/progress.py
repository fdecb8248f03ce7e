"""The bar of a run."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping

from tqdm import tqdm

from stochsim.runs.task import Task
from stochsim.runs.time_left import TimeLeft, left_words
from stochsim.runs.workers import Message

_TERMINAL_SECONDS = 0.2
_FILE_SECONDS = 15.0
_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


class Progress:
    """A bar over the tasks, with the time left and what each worker is at.

    missing: the tasks that are still to be done.
    """

    unit = "task"

    def __init__(self, total: int, done: int, missing: Iterable[Task] = ()) -> None:
        interval = _TERMINAL_SECONDS if sys.stderr.isatty() else _FILE_SECONDS
        self._bar = tqdm(
            total=total,
            initial=done,
            unit=self.unit,
            mininterval=interval,
            dynamic_ncols=True,
            bar_format=_FORMAT,
        )
        self._running: dict[str, str] = {}
        self._share: dict[str, str] = {}
        self._time = TimeLeft()
        self._missing = Counter(task.kind for task in missing)

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
        self._bar.update()
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

    def _show(self) -> None:
        running = " | ".join(
            label + self._share.get(key, "") for key, label in self._running.items()
        )
        words = left_words(*self._time.seconds(self._left()))
        self._bar.set_postfix_str(", ".join(filter(None, (words, running))), refresh=False)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()
