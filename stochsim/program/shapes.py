"""Numbers, shapes and values of a program's arrays, checked by name."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stochsim.settings import LARGEST, SettingError, check_positive, real_array


def numbers(field: str, given: Any, dtype: npt.DTypeLike) -> np.ndarray:
    """An array, a tensor or lists of numbers, of any shape in its own numbers; raises SettingError
    for rows of different lengths, and what this type cannot hold: complex numbers, objects and text
    in float64, floats too in an integer type.
    """
    kinds = "iu" if np.dtype(dtype).kind == "i" else "iuf"
    rule = f"should be numbers that {np.dtype(dtype)} can hold"
    found = real_array(field, given, rule)
    if found.dtype.kind not in kinds:
        raise SettingError.of(field, found, rule)
    return found


def floats(field: str, given: Any) -> np.ndarray:
    """The same as finite float64 of at most LARGEST in size, in an array of its own that nobody
    writes into.
    """
    with np.errstate(over="ignore"):
        found = numbers(field, given, np.float64).astype(np.float64)
    check_values(field, found, np.isfinite(found), "should be finite")
    check_values(field, found, np.abs(found) <= LARGEST, f"should be at most {LARGEST:g} in size")
    return kept(found)


LEAST_SCALE = 2.0**-126
"""The smallest scale of codes: values are float32, whose smallest normal number this is."""


def scale(field: str, given: Any) -> float:
    """The scale of codes; raises SettingError for one that float32 or products of values cannot
    hold.
    """
    found = check_positive(field, given)
    if not LEAST_SCALE <= found <= LARGEST:
        rule = f"should be from 2^-126 = {LEAST_SCALE:.3g} to {LARGEST:g}"
        raise SettingError.of(field, given, rule)
    return found


def scales(field: str, given: Any, axes: str, shape: tuple[int, ...]) -> float | np.ndarray:
    """The scale of a layer's weights, or several of this shape in float64, axes: what they count;
    raises SettingError as `scale` does, and for another shape.
    """
    if isinstance(given, list | tuple) or (isinstance(given, np.ndarray) and given.ndim > 0):
        found = floats(field, given)
        check_shape(field, found, axes, shape)
        for one in (found.min(), found.max()):
            scale(field, float(one))
        return found
    return scale(field, given)


def levels(field: str, given: Any) -> np.ndarray:
    """Noise levels: as `floats`, none negative."""
    found = floats(field, given)
    check_values(field, found, found >= 0, "should be at least 0")
    return found


def kept(array: np.ndarray) -> np.ndarray:
    """The array, read-only from here on: a value does not change after it was checked."""
    array.flags.writeable = False
    return array


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
