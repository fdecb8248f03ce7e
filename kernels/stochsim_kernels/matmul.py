"""Integer products: exact, by the fastest arithmetic that holds the accumulator. The choice rule stands here and nowhere else."""

import numpy as np
from numba import prange

from stochsim_kernels._jit import kernel
from stochsim_kernels.bits import popcount64


def largest_magnitude(codes: np.ndarray) -> int:
    """max |code| of an integer array, without a copy; 0 for an empty one."""
    return max(abs(int(codes.min())), abs(int(codes.max()))) if codes.size else 0


def accumulator_bound(x_codes: np.ndarray, w_codes: np.ndarray) -> int:
    """The largest magnitude that any partial sum of x_codes @ w_codes.T can reach."""
    return int(x_codes.shape[1]) * largest_magnitude(x_codes) * largest_magnitude(w_codes)


def integer_product(x_codes: np.ndarray, w_codes: np.ndarray) -> np.ndarray:
    """x_codes (stimulus, input) times w_codes (neuron, input), transposed: int64 (stimulus, neuron), exact.

    Where both hold signs only (-1 and 1 throughout), packed bits and their population count; else BLAS: floats are exact on integers up to
    2^24 (float32) and 2^53 (float64), whatever the order of summation. Raises ValueError for a shape mismatch and OverflowError for sums
    that float64 cannot hold.
    """
    if x_codes.ndim != 2 or w_codes.ndim != 2 or x_codes.shape[1] != w_codes.shape[1]:
        raise ValueError(f"integer_product needs (stimulus, input) and (neuron, input); got {x_codes.shape} and {w_codes.shape}")
    bound = accumulator_bound(x_codes, w_codes)
    if bound == x_codes.shape[1] > 0 and x_codes.all() and w_codes.all():
        return sign_product(x_codes, w_codes)
    if bound >= 2**53:
        raise OverflowError(f"partial sums may reach {bound}, beyond the exact range 2^53")
    float_type: type[np.floating] = np.float32 if bound < 2**24 else np.float64
    product: np.ndarray = np.matmul(x_codes.astype(float_type), w_codes.astype(float_type).T)
    return product.astype(np.int64)


def sign_product(x_signs: np.ndarray, w_signs: np.ndarray) -> np.ndarray:
    """The product of two arrays of -1 and 1: inputs - 2 × (places where the signs differ), int64 (stimulus, neuron)."""
    out = np.empty((x_signs.shape[0], w_signs.shape[0]), np.int64)
    fill_sign_product(pack_signs(x_signs), np.ascontiguousarray(pack_signs(w_signs).T), x_signs.shape[1], out)
    return out


def pack_signs(signs: np.ndarray) -> np.ndarray:
    """One bit per sign (1 where positive), 64 to a word, zeros behind the last: (row, word) uint64."""
    packed = np.packbits(signs > 0, axis=1, bitorder="little")
    padded = np.zeros((signs.shape[0], -(-packed.shape[1] // 8) * 8), np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64)


@kernel
def fill_sign_product(x_words, w_words, inputs, out):
    """Write inputs - 2 × (bits that differ between x_words (stimulus, word) and w_words (word, neuron)) to out (stimulus, neuron), int64.

    Neurons innermost: one word of the stimulus against a row of words, which runs on vectors.
    """
    for s in prange(x_words.shape[0]):
        count = np.zeros(w_words.shape[1], np.uint64)
        for k in range(x_words.shape[1]):
            word, row = x_words[s, k], w_words[k]
            for n in range(count.size):
                count[n] += popcount64(word ^ row[n])
        for n in range(count.size):
            out[s, n] = np.int64(inputs) - np.int64(2) * np.int64(count[n])
