"""How long a run still takes, from what its tasks took so far.

Tasks of one kind take alike, those of different kinds do not: a reference posterior takes a
hundred times what its samples do. So time left is a sum over the kinds of what is left, never the
time so far by the share of tasks done.
"""

import math
import time
from collections.abc import Callable, Mapping

from stochsim.runs.progress_views import clock


class TimeLeft:
    """Seconds of finished tasks by kind, and how many run at once.

    clock: seconds since some moment.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._running: dict[str, tuple[str, float]] = {}
        self._spent: dict[str, list[float]] = {}

    def started(self, task_hash: str, kind: str) -> None:
        """A worker has begun with a task."""
        if not self._running and not self._spent:
            self._begun = self._clock()
        self._running[task_hash] = (kind, self._clock())

    def finished(self, task_hash: str) -> str:
        """It is done; returns its kind, "" of one that never started here."""
        if task_hash not in self._running:
            return ""
        kind, begun = self._running.pop(task_hash)
        self._spent.setdefault(kind, []).append(self._clock() - begun)
        return kind

    def seconds(self, left: Mapping[str, float]) -> tuple[float, bool]:
        """Seconds that tasks take, given how many of each kind are left, those that run among them;
        and whether that is all of it: kinds of which none is finished yet count as nothing. NaN
        where nothing is known.
        """
        known = {kind: count for kind, count in left.items() if kind in self._spent}
        is_all = all(kind in known for kind, count in left.items() if count > 0)
        if not known and not is_all:
            return math.nan, False
        work = sum(count * self._mean(kind) for kind, count in known.items())
        return max(0.0, work - self._begun_work()) / self._at_once(), is_all

    def _mean(self, kind: str) -> float:
        spent = self._spent[kind]
        return sum(spent) / len(spent)

    def _begun_work(self) -> float:
        """What of the tasks that run is done already, as far as known: at most their mean."""
        now = self._clock()
        return sum(
            min(now - begun, self._mean(kind))
            for kind, begun in self._running.values()
            if kind in self._spent
        )

    def _at_once(self) -> float:
        """Tasks that ran at once, on average; below 1 where something else took time, too."""
        now = self._clock()
        work = sum(map(sum, self._spent.values()))
        work += sum(now - begun for _, begun in self._running.values())
        wall = now - self._begun
        return work / wall if work > 0 and wall > 0 else 1.0


def left_words(seconds: float, is_all: bool) -> str:
    """The time left as a bar shows it: "3:20 left", "over 3:20 left", "" of what is not known."""
    if math.isnan(seconds):
        return ""
    return f"{'' if is_all else 'over '}{clock(seconds)} left"
