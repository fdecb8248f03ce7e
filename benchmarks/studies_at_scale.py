"""What does the engine of studies add to a point, how long does a finished run take to be found
finished, and how much do two processes gain?

- 10,000 cheap points (a sampler that draws 8 x 4 numbers, one measure), two worker processes: wall
  time of the run over its points, less what the same points take in this process one after another,
  shared by two; then the same command again, which finds all of it stored, and the results read as
  a table;
- points of pure arithmetic (half a second each), by one worker process and by two, turn by turn:
  the ratio of wall times, start of the processes included;
- results of one process, two, and three shards put together: how many differ, to the last bit.

Medians over turns, with the least and the greatest.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _bench import Figure, Options, main

import stochsim as ss
from stochsim.runs import Store
from stochsim.studies import CustomStudy, merge_runs
from stochsim.studies.custom.points import measured

_OVERHEAD_MS = 5.0
_RESUME_S = 2.0
_GAIN = 1.8


def cheap(stimuli: np.ndarray, reads: int, key: int, width: float) -> np.ndarray:
    """Reads of a Gaussian about 0."""
    return np.random.default_rng(key).normal(scale=width, size=(len(stimuli), reads, 1))


def spread(samples: Any, truth: Any) -> np.ndarray:
    """The standard deviation of the reads of each stimulus."""
    found: np.ndarray = samples.values[:, :, 0].std(axis=1)
    return found


def busy(stimuli: np.ndarray, reads: int, key: int, seconds: float, number: int) -> np.ndarray:
    """Reads after so many seconds of the process's own work, in Python."""
    begun, total = time.process_time(), 0
    while time.process_time() - begun < seconds:
        total += sum(range(1000))
    return np.full((len(stimuli), reads, 1), float(number))


def cheap_study(points: int) -> CustomStudy:
    """Of as many points, on two axes."""
    return study_of(
        cheap, {"width": [1.0 + n / points for n in range(points // 10)], "key": range(10)}
    )


def busy_study(points: int, seconds: float) -> CustomStudy:
    """Of points that take so many seconds each."""
    return study_of(busy, {"seconds": [seconds], "number": range(points)})


def study_of(sampler: Callable[..., Any], axes: dict[str, Any]) -> CustomStudy:
    """Of a sampler, on eight stimuli of nothing."""
    return CustomStudy(
        sampler=sampler, data=np.zeros((8, 1)), measures=[spread], axes=axes, reads=4
    )


def seconds_of(work: Callable[..., object], *given: Any) -> float:
    """Wall time of a call."""
    started = time.perf_counter()
    work(*given)
    return time.perf_counter() - started


def figure(name: str, values: list[float], unit: str, **more: Any) -> Figure:
    """Median, least and greatest."""
    return Figure(name, float(np.median(values)), min(values), max(values), unit, **more)


def overhead(folder: Path, points: int, turns: int) -> list[Figure]:
    """Of cheap points: the engine's share, resumption, reading."""
    study = cheap_study(points)
    alone = seconds_of(_measured_here, study, 1000) / 1000
    per_point, resumed, read = [], [], []
    for turn in range(turns):
        run = folder / f"cheap{turn}"
        wall = seconds_of(ss.run_sweep, study, run, 2)
        per_point.append(1e3 * (wall / points - alone / 2))
        again = cheap_study(points)
        resumed.append(seconds_of(ss.run_sweep, again, run, 2))
        read.append(seconds_of(_table_of, run))
    many = f"{points:,} points"
    better: dict[str, Any] = {"better": "lower"}
    return [
        figure(
            f"engine, {many}, two processes", per_point, "ms a point", bar=_OVERHEAD_MS, **better
        ),
        figure(f"a point alone, of {many}", [1e3 * alone], "ms", **better),
        figure(f"a finished run of {many} again", resumed, "s", bar=_RESUME_S, **better),
        figure(f"results of {many} as a table", read, "s", **better),
    ]


def gain(folder: Path, points: int, seconds: float, turns: int) -> Figure:
    """How much faster two processes are than one."""
    ratios = []
    for turn in range(turns):
        study = busy_study(points, seconds)
        one, two = (seconds_of(ss.run_sweep, study, folder / f"busy{turn}-{n}", n) for n in (1, 2))
        ratios.append(one / two)
    name = f"two processes, {points} points of {seconds:g} s"
    return figure(name, ratios, "x", baseline="one process", bar=_GAIN)


def differing(folder: Path, points: int) -> Figure:
    """Results that differ between one process, two, and shards put together."""
    study = cheap_study(points)
    runs = [ss.run_sweep(study, folder / f"by{n}", workers=n) for n in (1, 2)]
    shards = [
        ss.run_sweep(study, folder / f"shard{n}", workers=1, shard=f"{n}/3") for n in (1, 2, 3)
    ]
    found = [_results(run) for run in (*runs, merge_runs(shards, folder / "merged"))]
    off = sum(found[0][name] != other[name] for other in found[1:] for name in found[0])
    more: dict[str, Any] = {"better": "lower", "bar": 0.0}
    return figure(f"results that differ, of {2 * points:,}", [float(off)], "points", **more)


def _measured_here(study: CustomStudy, points: int) -> None:
    for point in study.points[:points]:
        measured(study, point)


def _table_of(run: Path) -> None:
    ss.open_run(run).frame()


def _results(folder: Path) -> dict[str, Any]:
    with Store.open(folder) as store:
        return {name: store.row(name).result for name in store.hashes()}


def measure(options: Options) -> list[Figure]:
    """All figures."""
    points, busy_points, turns = (1_000, 8, 1) if options.quick else (10_000, 40, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [
            *overhead(folder, points, turns),
            gain(folder, busy_points, 0.5, turns),
            differing(folder, 100 if options.quick else 500),
        ]


if __name__ == "__main__":
    main(__doc__, measure)
