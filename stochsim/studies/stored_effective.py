"""What chip samples store so that its samples can be counted and its bill priced anew: effective
samples, and operations per read.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from stochsim.energy import Operation, Operations
from stochsim.posterior import NOTHING_VARIES, Estimate, mean_estimate
from stochsim.runs import Row
from stochsim.settings import StochsimError

OFF_THE_CHIP = "counted of networks on the chip alone"
OLDER = "stored by an older version"
NAMES = ("effective_samples", "joules_per_effective_sample")


def operations_to_json(operations: Operations, reads: int) -> list[list[Any]]:
    """The operations of `reads` reads in all as rows [kind, arguments, count per read], JSON
    values, sorted.
    """
    return [
        [operation.kind, list(operation.args), count / reads]
        for operation, count in sorted(operations.items())
    ]


def operations_from_json(rows: Iterable[Sequence[Any]]) -> Operations:
    """Operations per read; raises SettingError for kinds that are unknown and counts that are
    none.
    """
    return Operations({Operation(kind, tuple(args)): count for kind, args, count in rows})


def stored_operations(task: Row) -> Operations:
    """Operations per read of stored chip samples; raises StochsimError for other tasks and for
    samples of older versions.
    """
    rows = task.result.get("operations")
    if rows is None:
        raise StochsimError(f"{task.label}: no operations: {_absent(task)}")
    return operations_from_json(rows)


def effective_estimates(tasks: Sequence[Row], reads: int, key: int) -> dict[str, Estimate]:
    """Effective samples per stimulus of one cell at each of its keys, and joules of each; intervals
    over stimuli (and keys).

    Joules are those of all reads of a stimulus by its effective samples, then the mean: what it
    takes to have as many of every stimulus. Infinite where the joules of a read are, n/a where no
    read of any stimulus varies.
    """
    if any(NAMES[0] not in task.result for task in tasks):
        return dict.fromkeys(NAMES, Estimate.missing(_absent(tasks[0])))
    samples = np.array([task.result[NAMES[0]] for task in tasks], np.float64)
    joules = reads * np.array([[sum(task.result["energy"]["parts_j"].values())] for task in tasks])
    return {
        name: _estimate(array, key)
        for name, array in zip(NAMES, (samples, joules / samples), strict=True)
    }


def all_effective_samples(task: Row) -> float:
    """Effective samples of all stimuli of chip samples, 0 of other tasks."""
    return float(np.nansum(np.array(task.result.get(NAMES[0], []), np.float64)))


def _estimate(array: np.ndarray, key: int) -> Estimate:
    if np.isinf(array).any():
        return Estimate(np.inf, np.inf, np.inf)
    return mean_estimate(array[0] if len(array) == 1 else array, key, NOTHING_VARIES)


def _absent(task: Row) -> str:
    return OLDER if task.kind == "chip_samples" else OFF_THE_CHIP
