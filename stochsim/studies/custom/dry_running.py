"""What a study with axes will need, from a few of its points that are measured and thrown away."""

import json
import resource
import statistics
import sys
import time
from dataclasses import dataclass

from stochsim.settings import card, check_whole
from stochsim.studies.custom.custom_study import CustomStudy
from stochsim.studies.custom.points import measured

_ROW_BYTES = 400


@dataclass(frozen=True)
class DryRun:
    """points: of the study. seconds: of one point on one core, the median of those that were
    measured. first_seconds: of the first one, which makes what others find made (a converted
    network, compiled kernels). memory_bytes: of this process at its peak, each worker's too.
    disk_bytes: of all points.
    """

    points: int
    seconds: float
    first_seconds: float
    memory_bytes: int
    disk_bytes: int

    def seconds_with(self, workers: int) -> float:
        """Seconds that the run takes with so many worker processes, each on a core of its own."""
        return self.first_seconds + self.seconds * self.points / workers

    def __str__(self) -> str:
        """A card: points, time, memory, disk."""
        times = ", ".join(f"{_clock(self.seconds_with(n))} with {n} workers" for n in (1, 2, 16))
        rows = [
            ("a point", f"{self.seconds:.3g} s; the first one {self.first_seconds:.3g} s"),
            ("time", times.replace("1 workers", "1 worker")),
            ("memory", f"{self.memory_bytes / 2**20:.0f} MiB in each worker"),
            ("disk", f"{self.disk_bytes / 2**20:.2f} MiB"),
        ]
        return card(f"dry run: {self.points:,} points", rows)


def dry_run(study: CustomStudy, timed: int = 3) -> DryRun:
    """Measure `timed` points of a study, spread over it, and say what all will need; nothing is
    written. Raises StochsimError for a point that cannot be run.

    >>> import numpy as np
    >>> import stochsim as ss
    >>> from stochsim.studies import dry_run
    >>> def draws(stimuli, reads, key, width):
    ...     return np.full((len(stimuli), reads, 1), width)
    >>> def middle(samples, truth):
    ...     return samples.values.mean(axis=(1, 2))
    >>> study = ss.Study(
    ...     sampler=draws, data=np.zeros((8, 1)), measures=[middle], axes={"width": [1.0, 3.0]}
    ... )
    >>> dry_run(study).points
    2
    """
    timed = min(check_whole("timed", timed, 1, 1001), len(study.points))
    places = [round(one * (len(study.points) - 1) / max(1, timed - 1)) for one in range(timed)]
    seconds, sizes = [], []
    for place in places:
        started = time.perf_counter()
        found = measured(study, study.points[place])
        seconds.append(time.perf_counter() - started)
        sizes.append(len(json.dumps(found)) + _ROW_BYTES)
    unit = 1 if sys.platform == "darwin" else 1024
    return DryRun(
        len(study.points),
        statistics.median(seconds[1:] or seconds),
        seconds[0],
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        round(statistics.mean(sizes) * len(study.points)),
    )


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 5400 else f"{seconds / 3600:.3g} h"
