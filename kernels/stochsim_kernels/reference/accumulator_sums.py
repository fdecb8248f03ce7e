"""Sums in accumulators of a chosen width, in plain NumPy and Python integers: the oracle of
`accumulator`.
"""

import numpy as np


def wrap(value: int, bits: int) -> int:
    """The integer of `bits` bits, two's complement, that is left of a value."""
    low = value % 2**bits
    return low - 2**bits if low >= 2 ** (bits - 1) else low


def saturating_product(x_codes: np.ndarray, w_codes: np.ndarray, bits: int) -> np.ndarray:
    """Products added in the order of the inputs, each sum clipped to `bits` bits, int64 (stimulus,
    neuron).
    """
    out = np.empty((len(x_codes), len(w_codes)), np.int64)
    for s, n in np.ndindex(out.shape):
        total = 0
        for x, w in zip(x_codes[s].tolist(), w_codes[n].tolist(), strict=True):
            total = min(max(total + x * w, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)
        out[s, n] = total
    return out
