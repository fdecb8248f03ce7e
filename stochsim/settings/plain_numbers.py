"""NumPy's numbers as Python's: they add and multiply without a width, and JSON can hold them."""

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """A number or truth value of NumPy as Python's own, an array without axes too, in dicts, lists
    and tuples; anything else as it is, other arrays among it.
    """
    kind = type(value)
    if kind is float or kind is int:  # most are
        return value
    if kind is dict:
        return {name: plain(one) for name, one in value.items()}
    if kind is list or kind is tuple:
        return kind(map(plain, value))
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if not isinstance(value, np.generic):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    return float(value) if isinstance(value, np.floating) else value
