"""Shapes and values of a program's arrays, checked by name."""

from typing import Any

import numpy as np

from stochsim.settings import SettingError


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
