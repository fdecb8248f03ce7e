"""Checks of arrays that come from outside: shape, and no NaN or infinity; the error names the row
and the column.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stochsim.settings import SettingError, StochsimError


def _first_bad(values: NDArray[np.floating]) -> str | None:
    finite = np.isfinite(values)
    if finite.all():
        return None
    bad = np.argwhere(~finite)
    row, column = bad[0]
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    return f"row {row}, column {column} is {values[row, column]}{more}; every value must be finite"


def check_data(values: NDArray[np.floating], name: str) -> None:
    """Raise StochsimError if the data (row, column) hold a NaN or an infinity."""
    if complaint := _first_bad(values):
        raise StochsimError(f"data '{name}': {complaint}")


def real_array(name: str, value: Any, rule: str) -> NDArray[Any]:
    """An array, a list or a torch tensor as an array of real numbers that NumPy and torch both
    compute with: integers as they are, floats of at most 64 bits in the machine's byte order.

    Raises SettingError of this name and rule for anything else, and for masked entries.
    """
    if hasattr(value, "detach"):  # a tensor, which may be on a device, with a gradient, in bfloat16
        value = _of_tensor(name, value, rule)
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise SettingError.of(name, value, "has masked entries: fill or leave them out")
        value = value.data
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError):
        raise SettingError.of(name, rule=f"rows of unequal length, or no numbers: {rule}") from None
    if array.dtype.kind not in "fiu":
        raise SettingError.of(name, array, f"should be real numbers: {rule}")
    if array.dtype.kind == "f" and (array.itemsize > _DOUBLE or not array.dtype.isnative):
        return array.astype(np.float64)
    return array


_DOUBLE = 8


def _of_tensor(name: str, value: Any, rule: str) -> Any:
    try:
        plain = value.detach().cpu()
        return (plain.float() if str(plain.dtype) == "torch.bfloat16" else plain).numpy()
    except (RuntimeError, NotImplementedError, TypeError):
        raise SettingError.of(name, rule=f"is a tensor without values: {rule}") from None


def check_stimuli(x: ArrayLike, inputs: int) -> NDArray[np.floating]:
    """`x` as an array (stimulus, inputs) of floats; SettingError for another shape or type, NaN or
    infinity.
    """
    rule = f"should be of shape (stimulus, {inputs})"
    stimuli = real_array("stimuli", x, rule)
    if stimuli.ndim != 2 or stimuli.shape[1] != inputs:
        raise SettingError.of("stimuli", stimuli, rule)
    if stimuli.dtype.kind != "f":
        stimuli = stimuli.astype(np.float64)
    if complaint := _first_bad(stimuli):
        raise SettingError.of("stimuli", rule=complaint)
    return stimuli
