"""Races: one work done in our way and in another's, timed turn by turn in one process."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import torch
from _bench import Figure

Way = Callable[[], Any]

THREADS = min(2, os.cpu_count() or 1)
CALLS = 20
SECONDS_PER_TURN = 0.3
KEY = np.uint64(1)


@dataclass(frozen=True)
class Race:
    """`ours` against `theirs` (None: nobody else does it); both return what they computed, so that
    a test can compare it.

    A call makes `items` of what `item` names. `limit`: the name of a rate that bounds the
    work, and how much of it an item takes; `share_bar`: how many percent of it should be reached.
    """

    name: str
    items: float
    item: str
    ours: Way
    theirs: Way | None = None
    baseline: str = "torch in place"
    bar: float | None = None
    limit: tuple[str, float] | None = None
    share_bar: float | None = None


@dataclass(frozen=True)
class Result:
    """Seconds (turn,) of one race."""

    race: Race
    ours_s: np.ndarray
    theirs_s: np.ndarray | None

    def ratio(self) -> list[Figure]:
        """How many times faster; empty without a baseline."""
        if self.theirs_s is None:
            return []
        return [
            Figure(
                self.race.name,
                *quantiles(self.theirs_s / self.ours_s),
                "×",
                self.race.baseline,
                self.race.bar,
            )
        ]

    def time(self) -> Figure:
        """Our time per item."""
        return Figure(
            f"{self.race.name}: time per {self.race.item}",
            *quantiles(1e9 * self.ours_s / self.race.items),
            "ns",
            better="lower",
        )

    def share(self, rates: Mapping[str, float]) -> list[Figure]:
        """How much of its limit the work reaches; rates: units per second by name."""
        if self.race.limit is None:
            return []
        name, units = self.race.limit
        least_s = self.race.items * units / rates[name]
        return [
            Figure(
                f"{self.race.name}: share of limit",
                *quantiles(100 * least_s / self.ours_s),
                "%",
                name,
                self.race.share_bar,
            )
        ]


def seconds(work: Way, calls: int = 1) -> float:
    """Wall time of the best of `calls` calls, with the threads of both libraries set first: each of
    them changes the other's.
    """
    numba.set_num_threads(THREADS)
    torch.set_num_threads(THREADS)
    best = np.inf
    for _ in range(calls):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


def turn_by_turn(works: Mapping[str, Way], turns: int) -> dict[str, np.ndarray]:
    """Seconds (turn,) of each work, measured in turn so that a busy machine slows all alike, after
    two rounds of warm-up.

    A turn is the best of 20 calls, for a thread that loses its core stalls a whole call, and short
    calls most; of fewer where the slowest of the works takes long, and of equally many for each.
    """
    for work in works.values():
        seconds(work)
    slowest = max(seconds(work) for work in works.values())
    calls = max(1, min(CALLS, int(SECONDS_PER_TURN / slowest)))
    rounds = [{name: seconds(work, calls) for name, work in works.items()} for _ in range(turns)]
    return {name: np.array([one[name] for one in rounds]) for name in works}


def run(race: Race, turns: int) -> Result:
    """Time a race."""
    works = {"ours": race.ours} | ({} if race.theirs is None else {"theirs": race.theirs})
    times = turn_by_turn(works, turns)
    return Result(race, times["ours"], times.get("theirs"))


def quantiles(values: np.ndarray) -> tuple[float, float, float]:
    """Median, 10 % and 90 % quantile."""
    low, median, high = np.quantile(values, [0.1, 0.5, 0.9])
    return float(median), float(low), float(high)
