"""Code books fitted to numbers: Lloyd-Max, the least mean square error of so many values."""

from typing import Any

import numpy as np

from stochsim.formats.books import MOST_BITS, CodeBook
from stochsim.settings import SettingError, bounded_array, check_whole

_MOST_GROUPS = 1024
_MOST_ROUNDS = 10_000
_SETTLED = 1e-9  # of the range, by which no value moves any more


def lloyd_max(numbers: Any, bits: int) -> CodeBook:
    """The code book of 2^bits values with the least mean square error on these numbers (n,).

    Values are the means of what is nearest to them, edges are halfway (Lloyd 1982, Max 1960). Of
    up to 1,024 numbers the error is the least there is, by dynamic programming over their cuts;
    of more, numbers are cut between 1,024 groups of neighbours first, and values then move to the
    means, and edges between them, in turn until none moves. Raises SettingError for fewer different
    numbers than values, numbers that are not finite or too large to square, and bits beyond 1 to 8.

    >>> import numpy as np
    >>> from stochsim.formats import lloyd_max
    >>> lloyd_max(np.array([0.0, 0.0, 1.0, 2.0, 7.0, 9.0]), bits=1).values
    (0.75, 8.0)
    """
    bits = check_whole("bits", bits, 1, MOST_BITS + 1)
    rows = np.sort(bounded_array("numbers", numbers, "number").astype(np.float64))
    groups = _grouped(rows)
    if len(groups) < 2**bits:
        rule = f"has {len(groups)} different numbers: {2**bits} values need as many at least"
        raise SettingError.of("numbers", rule=rule)
    values = _settled(rows, _best_means(groups, 2**bits))
    return CodeBook(tuple(values.tolist()), name=f"lloyd-{bits}")


def _grouped(rows: np.ndarray) -> np.ndarray:
    """(group, 2): how many neighbours, and their mean; different numbers, where these are few."""
    different, first, counts = np.unique(rows, return_index=True, return_counts=True)
    if different.size <= _MOST_GROUPS:
        return np.stack([counts.astype(float), different], axis=1)
    starts = np.searchsorted(first, np.arange(_MOST_GROUPS) * rows.size / _MOST_GROUPS)
    starts = np.unique(first[np.minimum(starts, first.size - 1)])
    sizes = np.diff(starts, append=rows.size).astype(float)
    return np.stack([sizes, np.add.reduceat(rows, starts) / sizes], axis=1)


def _best_means(groups: np.ndarray, levels: int) -> np.ndarray:
    """Means (level,) of the runs of groups with the least square error in all."""
    sizes, means = groups.T
    centred = means - means.mean()
    count, total, square = (
        np.concatenate([[0.0], np.cumsum(one)])
        for one in (sizes, sizes * centred, sizes * centred**2)
    )
    n = count[None] - count[:, None]  # [first, end] of a run
    with np.errstate(invalid="ignore", divide="ignore"):
        error = square[None] - square[:, None] - (total[None] - total[:, None]) ** 2 / n
    error[n <= 0] = np.inf
    best = error[0]
    cuts = []
    for _ in range(levels - 1):
        through = best[:, None] + error
        cuts.append(through.argmin(axis=0))
        best = through.min(axis=0)
    ends = [len(sizes)]
    for cut in reversed(cuts):
        ends.insert(0, int(cut[ends[0]]))
    starts = [0, *ends[:-1]]
    return np.add.reduceat(sizes * means, starts) / np.add.reduceat(sizes, starts)


def _settled(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values and the means of what is nearest to them, in turn, until none moves."""
    sums = np.concatenate([[0.0], np.cumsum(rows)])
    for _ in range(_MOST_ROUNDS):
        ends = np.searchsorted(rows, 0.5 * values[:-1] + 0.5 * values[1:], side="right")
        ends = np.concatenate([[0], ends, [rows.size]])
        means = np.diff(sums[ends]) / np.diff(ends)
        if np.abs(means - values).max() <= _SETTLED * (rows[-1] - rows[0]):
            return means
        values = means
    return values
