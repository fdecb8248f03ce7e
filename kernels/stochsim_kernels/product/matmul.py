"""Integer products: exact, by the fastest arithmetic that holds the accumulator.

The choice rule stands here and nowhere else.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from stochsim_kernels.processor import VECTOR_POPCOUNT, VNNI, processor_has
from stochsim_kernels.product import int_tiles, matrix_tiles, packing
from stochsim_kernels.product.int_tiles import TiledProduct
from stochsim_kernels.product.matrix_tiles import TILE, has_matrix_unit
from stochsim_kernels.product.packing import Span, Words, span

Arithmetic = Literal["matrix", "bits", "bytes", "float32", "float64", "halves"]

_HALF = 2.0**16
_MOST_OF_HALVES = 2**32
"""Integers that two halves of 16 bits hold, and inputs whose products of halves float64 adds
exactly.
"""

MOST_PLANE_PAIRS = 3
"""Pairs of bit planes (of x and of w) up to which counting common bits beats 8-bit dot products,
measured from 64 to 1,024 inputs.
"""


def largest_magnitude(codes: np.ndarray) -> int:
    """max |code| of an integer array (any shape), without a copy; 0 for an empty one."""
    return max(abs(int(codes.min())), abs(int(codes.max()))) if codes.size else 0


def accumulator_bound(x_codes: np.ndarray, w_codes: np.ndarray) -> int:
    """The largest magnitude that any partial sum of x_codes (stimulus, input) @ w_codes (neuron,
    input).T can reach.
    """
    return int(x_codes.shape[1]) * largest_magnitude(x_codes) * largest_magnitude(w_codes)


def arithmetic(x: Span, w: Span, bound: int) -> Arithmetic:
    """The rule: how codes of these spans are multiplied when partial sums reach `bound`.

    Sums in 32 bits of codes of 8 bits are added by the processor's matrix unit where it has one.
    Else they are counted from planes of bits where these are few (only one of each where vectors
    cannot count bits), or added by 8-bit dot products where the processor has them. Else BLAS:
    floats are exact on integers up to 2^24 (float32) and 2^53 (float64), whatever the order of
    summation. Larger sums are put together from products of halves of 16 bits. Raises OverflowError
    for integers beyond 32 bits there, and 2^20 inputs of them.
    """
    are_bytes = w.within(-128, 127) and (x.within(-128, 127) or x.within(0, 255))
    if bound < 2**31 and are_bytes and has_matrix_unit():
        return "matrix"
    plane_pairs = len(x.bits) * len(w.bits)
    if bound < 2**31 and plane_pairs <= (MOST_PLANE_PAIRS if processor_has(VECTOR_POPCOUNT) else 1):
        return "bits"
    if bound < 2**31 and are_bytes and processor_has(VNNI):
        return "bytes"
    if bound >= 2**53:
        inputs = bound // max(x.magnitude * w.magnitude, 1)
        if max(x.magnitude, w.magnitude) >= _MOST_OF_HALVES or inputs > 2**20:
            raise OverflowError(
                f"partial sums may reach {bound}, beyond the exact range 2^53, of integers up to "
                f"{max(x.magnitude, w.magnitude)}"
            )
        return "halves"
    return "float32" if bound < 2**24 else "float64"


@dataclass(frozen=True, eq=False)
class PackedWeights:
    """Weight codes (neuron, input) and the forms in which products take them, each made at its
    first use.
    """

    codes: np.ndarray

    @cached_property
    def span(self) -> Span:
        """Smallest and largest code and the bits in use."""
        return span(self.codes)

    @cached_property
    def sums(self) -> np.ndarray:
        """Sum over the inputs, int64 (neuron,)."""
        total: np.ndarray = self.codes.sum(axis=1, dtype=np.int64)
        return total

    @cached_property
    def bits(self) -> Words:
        """Planes of bits."""
        return packing.weight_planes(self.codes, self.span)

    @cached_property
    def bytes(self) -> Words:
        """Four codes to a word."""
        return packing.weight_bytes(self.codes)

    @cached_property
    def matrix(self) -> np.ndarray:
        """Four codes to a word, whole tiles of words, (panel, word, neuron of the panel)."""
        return packing.weight_bytes(self.codes, 4 * TILE).words[:, 0]

    @cached_property
    def float32(self) -> np.ndarray:
        """(neuron, input) float32, for BLAS."""
        return self.codes.astype(np.float32)

    @cached_property
    def float64(self) -> np.ndarray:
        """(neuron, input) float64, for BLAS."""
        return self.codes.astype(np.float64)

    @cached_property
    def halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Upper halves, and lower ones from 0 to 2^16 - 1, (neuron, input) float64."""
        return _halves(self.float64)


def pack_weights(w_codes: np.ndarray) -> PackedWeights:
    """Weight codes (neuron, input), integers, for many products; a copy, so that later changes of
    `w_codes` do not matter.

    Raises ValueError for another number of axes or codes that are no integers.
    """
    codes = _integers(w_codes, "(neuron, input)").copy()
    codes.flags.writeable = False
    return PackedWeights(codes)


def product(x_codes: np.ndarray, weights: PackedWeights) -> np.ndarray:
    """x_codes (stimulus, input) times the weights (neuron, input), transposed: (stimulus, neuron),
    exact.

    int32 where no partial sum can reach 2^31, int64 where none can reach 2^53, else float64, the
    nearest to the exact sum. Raises ValueError for a shape mismatch or codes that are no integers,
    and OverflowError as `arithmetic` does.
    """
    x_codes, _ = operands(x_codes, weights.codes)
    x = span(x_codes, looks_at_bits=not has_matrix_unit())
    bound = x_codes.shape[1] * x.magnitude * weights.span.magnitude
    way = arithmetic(x, weights.span, bound)
    if way == "matrix":
        return _by_matrix_unit(x_codes, x, weights)
    if way == "bits":
        return _by_tiles(
            packing.stimulus_planes(x_codes, x),
            weights.bits,
            weights.sums,
            len(x_codes),
            int_tiles.BITS,
        )
    if way == "bytes":
        return _by_tiles(
            packing.stimulus_bytes(x_codes, x),
            weights.bytes,
            weights.sums,
            len(x_codes),
            int_tiles.BYTES,
        )
    if way == "halves":
        return _by_halves(x_codes, weights)
    w_float = getattr(weights, way)
    result: np.ndarray = np.matmul(x_codes.astype(way), w_float.T)
    return result.astype(np.int32 if bound < 2**31 else np.int64)


def _halves(whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers in float64 as upper · 2^16 + lower, 0 <= lower < 2^16."""
    upper = np.floor(whole / _HALF)
    return upper, whole - upper * _HALF


def _by_halves(x_codes: np.ndarray, weights: PackedWeights) -> np.ndarray:
    """Sums (stimulus, neuron) float64, the nearest to the exact ones: four exact products of
    halves, carried so that the last addition alone rounds.
    """
    x_upper, x_lower = _halves(x_codes.astype(np.float64))
    w_upper, w_lower = weights.halves
    upper = x_upper @ w_upper.T
    middle = x_upper @ w_lower.T + x_lower @ w_upper.T
    carry, lower = _halves(x_lower @ w_lower.T)
    carry, next_lower = _halves(middle + carry)
    result: np.ndarray = (upper + carry) * _HALF**2 + (next_lower * _HALF + lower)
    return result


def operands(x_codes: np.ndarray, w_codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x_codes (stimulus, input) and w_codes (neuron, input) as integers, booleans as 0 and 1;
    ValueError where they are none, have other axes, or differ in their inputs.
    """
    x_codes = _integers(x_codes, "(stimulus, input)")
    w_codes = _integers(w_codes, "(neuron, input)")
    if x_codes.shape[1] != w_codes.shape[1]:
        raise ValueError(
            f"a product needs (stimulus, input) and (neuron, input); got {x_codes.shape} and "
            f"{w_codes.shape}"
        )
    return x_codes, w_codes


def integer_product(x_codes: np.ndarray, w_codes: np.ndarray) -> np.ndarray:
    """x_codes (stimulus, input) times w_codes (neuron, input), transposed: `pack_weights` and
    `product` in one.
    """
    return product(x_codes, pack_weights(w_codes))


def _by_tiles(x: Words, w: Words, w_sums: np.ndarray, stimuli: int, holds: int) -> np.ndarray:
    """Products (stimulus, neuron) int32: with x = a + u and w = b + v, sum of x w = sum of u v + a
    (sum of w) + b (sum of u), modulo 2^32 throughout.
    """
    x_term = w.offset * packing.plane_sums(x, stimuli) if w.offset else np.zeros(stimuli, np.int64)
    out = np.empty((stimuli, w_sums.size), np.int32)
    tiled = TiledProduct(
        x.words,
        w.words,
        np.multiply.outer(x.scales, w.scales),
        x_term.astype(np.int32),
        (x.offset * w_sums).astype(np.int32),
    )
    int_tiles.fill_product(tiled, holds, 0, out)
    return out


def _by_matrix_unit(x_codes: np.ndarray, x: Span, weights: PackedWeights) -> np.ndarray:
    """Products (stimulus, neuron) int32: with x = a + u, sum of x w = sum of u w + a (sum of w),
    modulo 2^32 throughout.
    """
    shift = 128 if x.low < 0 else 0
    terms = packing.aligned((len(weights.matrix) * int_tiles.COLUMNS,), np.int32)
    terms[: weights.sums.size] = (-shift * weights.sums).astype(np.int32)
    out = packing.aligned((len(x_codes), weights.sums.size), np.int32)
    codes = np.ascontiguousarray(packing.as_bytes(x_codes))
    matrix_tiles.multiply(matrix_tiles.MatrixProduct(codes, shift, weights.matrix, terms), out)
    return out


def _integers(codes: np.ndarray, axes: str) -> np.ndarray:
    if codes.ndim != 2 or codes.dtype.kind not in "iub":
        raise ValueError(f"a product needs integer codes {axes}; got {codes.dtype} {codes.shape}")
    return codes.view(np.uint8) if codes.dtype == np.bool_ else codes
