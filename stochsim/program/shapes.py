"""Shapes of a program's arrays, checked by name."""

from typing import Any

import numpy as np

from stochsim.settings import SettingError


def check_shape(field: str, array: Any, axes: str, shape: tuple[int, ...]) -> None:
    """Raise SettingError unless an array has this shape; axes: what they count, "neuron, input"."""
    if np.shape(array) != shape:
        rule = f"should have shape ({axes}) = {shape}"
        raise SettingError.of(field, np.asarray(array), rule)
