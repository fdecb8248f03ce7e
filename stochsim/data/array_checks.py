"""Checks of arrays that come from outside: shape, and no NaN or infinity; the error names the row
and the column.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stochsim.settings import LARGEST, SettingError, StochsimError, check_whole, real_array


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


def check_stimuli(x: ArrayLike, inputs: int) -> NDArray[np.floating]:
    """`x` as an array (stimulus, inputs) of floats; SettingError for another shape or type, NaN or
    infinity.
    """
    inputs = check_whole("inputs", inputs, 1, 2**31)
    rule = f"should be of shape (stimulus, {inputs})"
    stimuli = real_array("stimuli", x, rule)
    if stimuli.ndim != 2 or stimuli.shape[1] != inputs:
        raise SettingError.of("stimuli", stimuli, rule)
    if stimuli.dtype.kind != "f":
        stimuli = stimuli.astype(np.float64)
    largest = max(stimuli.max(initial=0.0), -stimuli.min(initial=0.0))
    if not np.isfinite(largest) and (complaint := _first_bad(stimuli)):
        raise SettingError.of("stimuli", rule=complaint)
    if largest > LARGEST:
        raise SettingError.of("stimuli", float(largest), f"should be at most {LARGEST:g} in size")
    return stimuli
