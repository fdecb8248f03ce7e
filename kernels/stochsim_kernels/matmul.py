"""Integer products: exact, by the fastest arithmetic that holds the accumulator. The choice rule stands here and nowhere else."""

import numpy as np


def accumulator_bound(x_codes: np.ndarray, w_codes: np.ndarray) -> int:
    """The largest magnitude that any partial sum of x_codes @ w_codes.T can reach."""
    if x_codes.size == 0 or w_codes.size == 0:
        return 0
    return int(x_codes.shape[1]) * int(np.abs(x_codes.astype(np.int64)).max()) * int(np.abs(w_codes.astype(np.int64)).max())


def integer_product(x_codes: np.ndarray, w_codes: np.ndarray) -> np.ndarray:
    """x_codes (stimulus, input) times w_codes (neuron, input), transposed: int64 (stimulus, neuron), exact.

    Floats are exact on integers up to 2^24 (float32) and 2^53 (float64), whatever the order of summation, so BLAS does the work.
    Raises ValueError for a shape mismatch and OverflowError for sums that float64 cannot hold.
    """
    if x_codes.ndim != 2 or w_codes.ndim != 2 or x_codes.shape[1] != w_codes.shape[1]:
        raise ValueError(f"integer_product needs (stimulus, input) and (neuron, input); got {x_codes.shape} and {w_codes.shape}")
    bound = accumulator_bound(x_codes, w_codes)
    if bound >= 2**53:
        raise OverflowError(f"partial sums may reach {bound}, beyond the exact range 2^53")
    float_type: type[np.floating] = np.float32 if bound < 2**24 else np.float64
    product: np.ndarray = np.matmul(x_codes.astype(float_type), w_codes.astype(float_type).T)
    return product.astype(np.int64)
