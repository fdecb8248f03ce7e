"""How long does a user wait before anything runs? The first call of every compiled function.

`python benchmarks/_first_calls.py` makes them in a fresh process and prints the seconds as JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _bench import Figure


def report(cold: bool) -> dict[str, Any]:
    """Seconds of importing Numba and the kernels, and of every first call; raises RuntimeError for
    a kernel that was not called.
    """
    started = time.perf_counter()
    import numba

    numba_s = time.perf_counter() - started
    started = time.perf_counter()
    from stochsim_kernels.first_calls import first_calls, uncalled

    calls = first_calls()
    kernels_s = time.perf_counter() - started
    calls_s = {}
    for name, call in calls.items():
        started = time.perf_counter()
        call()
        calls_s[name] = time.perf_counter() - started
    if missing := uncalled(kernels_only=not cold):
        raise RuntimeError(
            f"no first call reaches {', '.join(missing)}: add one to "
            f"stochsim_kernels/first_calls.py"
        )
    return {
        "numba": numba.__version__,
        "numba_s": numba_s,
        "kernels_s": kernels_s,
        "calls_s": calls_s,
    }


def in_new_process(cache: Path, cold: bool) -> dict[str, Any]:
    """`report` of a fresh process whose compile cache lies in this folder; raises
    CalledProcessError where it failed.
    """
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, __file__, *(["--cold"] if cold else [])]
    result: dict[str, Any] = json.loads(
        subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    )
    return result


def _sum_s(found: dict[str, Any]) -> float:
    return float(found["kernels_s"] + sum(found["calls_s"].values()))


def first_call_figures(later_processes: int) -> list[Figure]:
    """All first calls together: compiled, then from the cache in `later_processes` others.

    The import of Numba itself stands apart.
    """
    with tempfile.TemporaryDirectory() as folder:
        cold = in_new_process(Path(folder), cold=True)
        later = [in_new_process(Path(folder), cold=False) for _ in range(later_processes)]
    slowest = sorted(cold["calls_s"].items(), key=lambda item: -item[1])[:3]
    print(
        "first calls that compile longest: "
        + ", ".join(f"{name} {taken:.1f} s" for name, taken in slowest)
    )

    def figure(name: str, values: list[float], bar: float | None) -> Figure:
        middle = sorted(values)[len(values) // 2]
        return Figure(name, middle, min(values), max(values), "s", None, bar, "lower")

    return [
        figure("first calls of all kernels, compiled", [_sum_s(cold)], 20.0),
        figure(
            "first calls in a later process, from the cache", [_sum_s(one) for one in later], 1.0
        ),
        figure(
            "the same with the import of Numba",
            [_sum_s(one) + one["numba_s"] for one in later],
            None,
        ),
    ]


if __name__ == "__main__":
    print(json.dumps(report(cold="--cold" in sys.argv[1:])))
