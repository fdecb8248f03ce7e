"""Sums held in two's-complement accumulators of a chosen width, that wrap around or saturate."""

import numpy as np

from stochsim_kernels.product import int_tiles, packing
from stochsim_kernels.product.matmul import (
    accumulator_bound,
    integer_product,
    largest_magnitude,
    operands,
)


def wrap(sums: np.ndarray, bits: int) -> np.ndarray:
    """Integer sums (any shape) modulo 2^bits in -2^(bits-1) … 2^(bits-1) - 1, of the same dtype;
    the array itself if it has no more bits.

    Where only the end result matters, as here, order does not: an accumulator that wraps at every
    addition holds the same. Raises ValueError for bits outside 2 … 64 and for sums that are no
    signed integers.
    """
    _check_bits(bits)
    if sums.dtype.kind != "i":
        raise ValueError(f"wrap needs signed integers; got {sums.dtype}")
    unused = 8 * sums.dtype.itemsize - bits
    return sums if unused <= 0 else (sums << unused) >> unused


def saturating_product(x_codes: np.ndarray, w_codes: np.ndarray, bits: int) -> np.ndarray:
    """x_codes (stimulus, input) times w_codes (neuron, input), transposed: (stimulus, neuron),
    where each addition saturates.

    Products are added in the order of the inputs and clipped to -2^(bits-1) … 2^(bits-1) - 1 after
    each addition; order matters: in 8 bits 127, 1, -1 end at 126, but 127, -1, 1 at 127. Where no
    partial sum can reach the limits this is `integer_product`, with its dtype and errors; else
    int32 up to 32 bits and int64 above. Raises ValueError for bits outside 2 … 64 and OverflowError
    for sums beyond int64.
    """
    _check_bits(bits)
    x_codes, w_codes = operands(x_codes, w_codes)
    bound = accumulator_bound(x_codes, w_codes)
    limit = 2 ** (bits - 1)
    if bound < limit:
        return integer_product(x_codes, w_codes)
    largest_sum = limit + largest_magnitude(x_codes) * largest_magnitude(w_codes)
    if largest_sum >= 2**63:
        raise OverflowError(f"sums may reach {largest_sum} before they saturate, beyond int64")
    sums = (
        _in_tiles(x_codes, w_codes, limit)
        if largest_sum < 2**31
        else _input_by_input(x_codes, w_codes, limit)
    )
    return sums.astype(np.int32 if bits <= 32 else np.int64, copy=False)


def _in_tiles(x_codes: np.ndarray, w_codes: np.ndarray, limit: int) -> np.ndarray:
    """Saturated sums (stimulus, neuron) int32, by tiles, where no sum needs more than 31 bits."""
    out = np.empty((len(x_codes), len(w_codes)), np.int32)
    nothing = np.zeros(max(out.shape), np.int32)
    one = np.ones((1, 1), np.int32)
    x = packing.stimulus_words(x_codes)
    w = packing.weight_words(w_codes)
    tiled = int_tiles.TiledProduct(x, w, one, nothing, nothing)
    int_tiles.fill_product(tiled, int_tiles.SATURATING, limit, out)
    return out


def _input_by_input(x_codes: np.ndarray, w_codes: np.ndarray, limit: int) -> np.ndarray:
    """Saturated sums (stimulus, neuron) in int64, of 31 bits and more, that leave their
    accumulator: slow, and rarely needed.
    """
    sums = np.zeros((len(x_codes), len(w_codes)), np.int64)
    for x, w in zip(x_codes.T.astype(np.int64), w_codes.T.astype(np.int64), strict=True):
        np.clip(sums + np.multiply.outer(x, w), -limit, limit - 1, out=sums)
    return sums


def _check_bits(bits: int) -> None:
    if not 2 <= bits <= 64:
        raise ValueError(f"an accumulator of {bits} bits: should have 2 to 64")
