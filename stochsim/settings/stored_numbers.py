"""Numbers that files may hold as weights: finite, and so small that float32 sums of them are."""

from typing import Any

import numpy as np

MOST_OF_WEIGHT = 1e30
"""In size, of a weight, bias or other number of a network in a file."""

BOUND_RULE = f"should hold finite numbers of at most {MOST_OF_WEIGHT:g} in size"


def is_bounded(values: Any) -> bool:
    """Whether all numbers of an array are finite and at most MOST_OF_WEIGHT in size; whole numbers
    and truth values are.
    """
    found = np.asarray(values)
    if found.dtype.kind != "f" or not found.size:
        return True
    return bool(np.isfinite(found).all() and np.abs(found).max() <= MOST_OF_WEIGHT)
