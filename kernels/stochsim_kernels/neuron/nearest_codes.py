"""Values to the codes of the nearest values of a uniform grid."""

import numpy as np

from stochsim_kernels._jit import helper, kernel
from stochsim_kernels.tasks import run_tasks

_BLOCK = 2**14  # values per task


@helper
def _round_block(block, values, scale, least, shift, highest, out):
    first = block * _BLOCK
    for i in range(first, min(first + _BLOCK, values.size)):
        code = np.rint(np.divide(np.float64(values[i]), scale)) + shift
        out[i] = np.int8(min(max(code, least), highest))


@kernel
def fill_nearest_codes(values, scale, least, shift, highest, out):
    """Write clip(round(value / scale) + shift, least, highest) to out (value,) int8, in float64,
    halves to the even integer; values (value,) float32 or float64 without NaN.
    """
    tasks = (values.size + _BLOCK - 1) // _BLOCK
    run_tasks(_round_block, tasks, (values, scale, least, shift, highest, out))
