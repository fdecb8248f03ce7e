"""Tasks that wait for others, and those that can start."""

import heapq
from collections.abc import Collection, Sequence

from stochsim.runs.task import Task


class WaitingTasks:
    """Tasks in the order in which they should start, each once all that it needs is done.

    tasks: in that order. done: hashes of what is done already.

    >>> from stochsim.runs import Task, WaitingTasks
    >>> first = Task("network", "{}", (), "a network")
    >>> second = Task("samples", "{}", (("network", first.hash),), "its samples")
    >>> waiting = WaitingTasks([second, first], done=[])
    >>> [task.label for task in waiting.take(2)]
    ['a network']
    >>> waiting.finished(first.hash)
    >>> [task.label for task in waiting.take(2)]
    ['its samples']
    """

    def __init__(self, tasks: Sequence[Task], done: Collection[str]) -> None:
        self._tasks = list(tasks)
        self._needed_by: dict[str, list[int]] = {}
        self._missing: dict[int, int] = {}
        self._ready: list[int] = []
        known = set(done)
        for place, task in enumerate(self._tasks):
            needs = {need for _, need in task.needs} - known
            for need in needs:
                self._needed_by.setdefault(need, []).append(place)
            if needs:
                self._missing[place] = len(needs)
            else:
                self._ready.append(place)

    def __bool__(self) -> bool:
        return bool(self._ready or self._missing)

    @property
    def can_start(self) -> bool:
        """Whether any task can start now."""
        return bool(self._ready)

    def take(self, most: int) -> list[Task]:
        """The first tasks that can start, at most so many; they wait no longer."""
        count = min(most, len(self._ready))
        return [self._tasks[heapq.heappop(self._ready)] for _ in range(count)]

    def again(self, task: Task) -> None:
        """A task that was taken waits once more, behind all others."""
        self._tasks.append(task)
        heapq.heappush(self._ready, len(self._tasks) - 1)

    def finished(self, task_hash: str) -> None:
        """A task is done: those that needed it alone can start."""
        for place in self._needed_by.pop(task_hash, ()):
            self._missing[place] -= 1
            if not self._missing[place]:
                del self._missing[place]
                heapq.heappush(self._ready, place)
