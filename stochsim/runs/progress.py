"""The bar of a run."""

import sys

from tqdm import tqdm

from stochsim.runs.task import Task
from stochsim.runs.workers import Message

_TERMINAL_SECONDS = 0.2
_FILE_SECONDS = 15.0


class Progress:
    """A bar over the tasks, with what each worker is at."""

    unit = "task"

    def __init__(self, total: int, done: int) -> None:
        interval = _TERMINAL_SECONDS if sys.stderr.isatty() else _FILE_SECONDS
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
