"""Numbers that files may hold as weights: as large as those of programs in Python, no larger."""

from typing import Any

import numpy as np

from stochsim.settings.largest import LARGEST

BOUND_RULE = f"should hold finite numbers of at most {LARGEST:g} in size"


def is_bounded(values: Any) -> bool:
    """Whether all numbers of an array are finite and at most LARGEST in size; whole numbers
    and truth values are.
    """
    found = np.asarray(values)
    if found.dtype.kind != "f" or not found.size:
        return True
    return bool(np.isfinite(found).all() and np.abs(found).max() <= LARGEST)
