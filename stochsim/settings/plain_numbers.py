"""NumPy's numbers as Python's: they add and multiply without a width, and JSON can hold them."""

import sys
from typing import Any


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
    # not imported for its own sake: without it nothing is NumPy's
    numpy = sys.modules.get("numpy")
    return value if numpy is None else _of_numpy(value, numpy)


def _of_numpy(value: Any, numpy: Any) -> Any:
    if isinstance(value, numpy.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, numpy.bool_):
        return bool(value)
    if isinstance(value, numpy.integer):
        return int(value)
    return float(value) if isinstance(value, numpy.floating) else value
