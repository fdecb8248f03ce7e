"""Code books fitted to numbers: Lloyd-Max, the least mean square error of so many values, and the
scale of given values with the least.
"""

from typing import Any

import numpy as np

from stochsim.formats.books import MOST_BITS, CodeBook
from stochsim.settings import SettingError, bounded_array, check_whole, finite_array

_MOST_GROUPS = 1024
_MOST_ROUNDS = 10_000
_SETTLED = 1e-9  # of the range, by which no value moves any more
_SCALES = np.geomspace(0.02, 3.0, 80)
_FINER = np.geomspace(0.94, 1.06, 41)


def lloyd_max(numbers: Any, bits: int, weights: Any = None) -> CodeBook:
    """The code book of 2^bits values with the least mean square error on these numbers (n,).

    Values are the means of what is nearest to them, edges are halfway (Lloyd 1982, Max 1960). Of
    up to 1,024 numbers the error is the least there is, by dynamic programming over their cuts;
    of more, numbers are cut between 1,024 groups of neighbours first, and values then move to the
    means, and edges between them, in turn until none moves. weights (n,), above 0: of each squared
    error; values then move from where equal weights have them to the weighted means of what is
    nearest. Raises SettingError for fewer different numbers than values, numbers that are not
    finite or too large to square, weights of another shape or not above 0, and bits beyond 1 to 8.

    >>> import numpy as np
    >>> from stochsim.formats import lloyd_max
    >>> lloyd_max(np.array([0.0, 0.0, 1.0, 2.0, 7.0, 9.0]), bits=1).values
    (0.75, 8.0)
    """
    bits = check_whole("bits", bits, 1, MOST_BITS + 1)
    given = bounded_array("numbers", numbers, "number").astype(np.float64)
    order = np.argsort(given, kind="stable")
    rows = given[order]
    groups = _grouped(rows)
    if len(groups) < 2**bits:
        rule = f"has {len(groups)} different numbers: {2**bits} values need as many at least"
        raise SettingError.of("numbers", rule=rule)
    values = _settled(rows, np.ones(rows.size), _best_means(groups, 2**bits))
    if weights is not None:
        values = _settled(rows, _checked_weights(weights, rows.size)[order], values)
    return CodeBook(tuple(values.tolist()), name=f"lloyd-{bits}")


def best_scale(book: CodeBook, numbers: np.ndarray, weights: np.ndarray | float = 1.0) -> float:
    """The scale of a book's values with the least squared error on numbers (n,), weights (n,) of
    each.

    >>> import numpy as np
    >>> from stochsim.formats import best_scale, code_book
    >>> round(best_scale(code_book("fp4-e2m1"), np.array([-3.0, 0.25, 1.0])), 2)
    0.5
    """
    largest = float(np.abs(numbers).max())
    scale = (largest or 1.0) / max(abs(value) for value in book.values)

    def error(one: float) -> float:
        rounded = one * book.decode(book.encode(numbers / one))
        return float(np.mean(weights * (rounded - numbers) ** 2))

    for factors in (_SCALES, _FINER):
        scale = float(min(factors * scale, key=error))
    return scale


def _checked_weights(given: Any, count: int) -> np.ndarray:
    weights = finite_array("weights", given, "number", (count,)).astype(np.float64)
    if not (weights > 0).all():
        raise SettingError.of("weights", weights, "should be above 0")
    return weights / weights.mean()


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


def _settled(rows: np.ndarray, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values and the weighted means of what is nearest to them, in turn, until none moves; one that
    nothing is nearest to stays.
    """
    sums = np.concatenate([[0.0], np.cumsum(weights * rows)])
    total = np.concatenate([[0.0], np.cumsum(weights)])
    for _ in range(_MOST_ROUNDS):
        ends = np.searchsorted(rows, 0.5 * values[:-1] + 0.5 * values[1:], side="right")
        ends = np.concatenate([[0], ends, [rows.size]])
        share = np.diff(total[ends])
        means = np.where(share > 0, np.diff(sums[ends]) / np.where(share > 0, share, 1.0), values)
        if np.abs(means - values).max() <= _SETTLED * (rows[-1] - rows[0]):
            return means
        values = means
    return values
