"""Numbers, shapes and values of a program's arrays, checked by name."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stochsim.settings import SettingError


def numbers(field: str, given: Any, dtype: npt.DTypeLike) -> np.ndarray:
    """An array, or lists of numbers, of any shape in its own numbers; raises SettingError for rows
    of different lengths, and what this type cannot hold: complex numbers, objects and text in
    float64, floats too in an integer type.
    """
    kinds = "iu" if np.dtype(dtype).kind == "i" else "iuf"
    try:
        found = np.asarray(given)
    except (ValueError, TypeError, RuntimeError):  # RuntimeError: a tensor that needs its gradient
        found = None
    if found is None or found.dtype.kind not in kinds:
        rule = f"should be numbers that {np.dtype(dtype)} can hold"
        raise SettingError.of(field, given if found is None else found, rule)
    return found


def floats(field: str, given: Any) -> np.ndarray:
    """The same as finite float64, the array itself where it has these."""
    with np.errstate(over="ignore"):
        found = numbers(field, given, np.float64).astype(np.float64, copy=False)
    check_values(field, found, np.isfinite(found), "should be finite")
    return found


def check_shape(field: str, array: Any, axes: str, shape: tuple[int, ...]) -> None:
    """Raise SettingError unless an array has this shape; axes: what they count, "neuron, input"."""
    if np.shape(array) != shape:
        rule = f"should have shape ({axes}) = {shape}"
        raise SettingError.of(field, np.asarray(array), rule)


def check_values(field: str, values: np.ndarray, are_right: np.ndarray, rule: str) -> None:
    """Raise SettingError that shows the first value that is not right; arrays of one shape."""
    wrong = values[~are_right]
    if wrong.size:
        raise SettingError.of(field, wrong.flat[0], rule)
