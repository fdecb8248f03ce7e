"""How long do whole jobs take, how much memory, beside what a user would pick instead, and how do
both grow?

- 1,000 reads of 64 stimuli of a 784-256-10 network, 4 bits, every neuron noisy, on a digital chip
  and on an RRAM array; beside torch in place (an expert's version: on the array as many
  conversions, in a loop over tiles, slices and cycles, each of the difference of a pair of
  columns), and beside aihwkit and CrossSim
  where they are installed (8 bits, one tile per layer, reads as a batch);
- the demo study, 30 settings, with 1,500 steps of training each, two worker processes;
- 1,500 steps of training a single-layer network for a chip's noise; beside the same layers through
  Brevitas's own forward pass, and through torch's, without noise and price;
- a reference posterior of 64 stimuli and 64 neurons by Gibbs sampling; beside NumPyro's NUTS, where
  it is installed, at equal effective samples of the worst coordinate;
- the bill of ResNet-20.

Each figure is of a fresh process whose kernels are compiled: wall time of one call, and memory at
its peak beyond what was held before it. Growth: exponents of power laws over at least three sizes,
as in `scaling.py`, in one process, turn by turn; of cores, which are few, the speed-up.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import replace

from _bench import Figure, Options, main
from _jobs import CHIPS, JOBS, OURS, Size, in_new_process, missing
from _speed import THREADS, quantiles
from scaling import exponents, peaks_bytes, times_s

FULL = Size(cores=THREADS)
QUICK = Size(cores=THREADS, batch=16, reads=50, settings=6, steps=60)
SIZES_OF = {"sweep": {"settings": 30}, "reference": {"width": 64}, "training": {"width": 64}}
"""Of a job, where they differ from those of the others."""
QUICK_SIZES_OF = {
    "sweep": {"settings": 6, "batch": 8, "reads": 100},
    "reference": {"width": 8, "batch": 2},
    "training": {"width": 64},
}
READS_OF_PEERS = 10
"""Reads of other simulators, whose time is proportional to them; times 100 for the job."""

GROWTH: dict[str, dict[str, tuple[int, ...]]] = {
    **{
        f"reads, {chip}": {
            "batch": (16, 64, 256),
            "width": (64, 256, 1024),
            "reads": (50, 200, 800),
            "bits": (2, 4, 8),
        }
        for chip in CHIPS
    },
    "training": {"batch": (64, 256, 1024), "width": (32, 64, 128), "bits": (2, 4, 8)},
    "reference": {"batch": (4, 8, 16), "width": (16, 32, 64)},
}
"""Job -> axis -> sizes, the others as in `GROWTH_SIZE`."""
GROWTH_SIZE = Size(batch=32, width=64, reads=100, steps=20, cores=1)
_FEW = {"batch": (2, 4, 8), "width": (16, 32, 64), "reads": (5, 10, 20), "bits": (2, 4, 8)}
QUICK_GROWTH = {
    job: {axis: (2, 4, 8) if job == "reference" else _FEW[axis] for axis in axes}
    for job, axes in GROWTH.items()
}
TURNS = {"reference": (3, 1)}
"""Turns and calls of jobs of which one call takes many seconds."""
QUICK_GROWTH_SIZE = Size(batch=2, width=16, reads=10, steps=3, cores=1)


def size_of(job: str, quick: bool) -> Size:
    """The size of a job."""
    own = (QUICK_SIZES_OF if quick else SIZES_OF).get(job, {})
    return replace(QUICK if quick else FULL, **own)


def job_figures(job: str, quick: bool) -> Iterator[Figure]:
    """Wall time and memory of every way that can be run here, and how many times faster ours is."""
    size = size_of(job, quick)
    ours: dict[str, float] = {}
    for way in JOBS[job]:
        found = measured(job, way, size)
        if not found:
            continue
        ours = ours or found
        yield one(f"{job}, {way}: wall time", found["seconds"], "s")
        yield one(f"{job}, {way}: peak memory", found["bytes"] / 1e6, "MB")
        if way != OURS:
            ratio = found["seconds"] / ours["seconds"]
            equal = "" if job != "reference" else " at equal effective samples"
            if equal:
                ratio *= ours["value"] / found["value"]
            yield one(f"{job}: times faster than {way}{equal}", ratio, "×", way, "higher")
    if job == "sweep" and ours:
        yield one("sweep: time per setting", ours["seconds"] / size.settings, "s")


def measured(job: str, way: str, size: Size) -> dict[str, float]:
    """What a fresh process says; empty, with a line on the screen, where the way cannot be run."""
    reason = missing(way)
    if reason:
        print(reason)
        return {}
    is_peer = job.startswith("reads") and way not in (OURS, "torch in place")
    asked = replace(size, reads=READS_OF_PEERS) if is_peer else size
    try:
        found = in_new_process(job, way, asked)
    except subprocess.CalledProcessError as error:
        print(f"{way}: could not run: {error}")
        return {}
    if is_peer:
        found["seconds"] *= size.reads / READS_OF_PEERS
    return found


def one(
    name: str, value: float, unit: str, against: str | None = None, better: str = "lower"
) -> Figure:
    """A figure of one measurement."""
    return Figure(
        name, value, value, value, unit, against, better="lower" if better == "lower" else "higher"
    )


def growth_figures(job: str, quick: bool) -> Iterator[Figure]:
    """Exponents of time and memory along every axis, and the speed-up by all cores."""
    build = JOBS[job][OURS]
    base = QUICK_GROWTH_SIZE if quick else GROWTH_SIZE
    turns, calls = (2, 1) if quick else TURNS.get(job, (9, 3))
    for axis, values in (QUICK_GROWTH if quick else GROWTH)[job].items():
        works = {value: build(replace(base, **{axis: value})) for value in values}
        span = f"{axis} {values[0]}–{values[-1]}"
        found = {
            "time": times_s(works, turns, calls),
            "memory": peaks_bytes(works, 1 if quick else 3),
        }
        for what, rows in found.items():
            slope = quantiles(exponents(values, rows))
            yield Figure(f"{job}: {what} ~ {axis}^k", *slope, "1", span, better="lower")
    if THREADS > 1:
        by_cores = {cores: build(replace(base, cores=cores)) for cores in (1, THREADS)}
        times = times_s(by_cores, turns, calls)
        faster = quantiles(times[:, 0] / times[:, 1])
        yield Figure(f"{job}: times faster on {THREADS} cores", *faster, "×", "1 core")


def measure(options: Options) -> list[Figure]:
    """Jobs, then their growth over 9 turns, a turn the best of three calls (`TURNS`: fewer of
    references); with --quick smaller jobs, 2 turns of one call.
    """
    figures: list[Figure] = []
    for job in JOBS:
        figures += job_figures(job, options.quick)
    for job in GROWTH:
        figures += growth_figures(job, options.quick)
    return figures


if __name__ == "__main__":
    main(__doc__, measure)
