"""Stochastic rounding with few numbers: uniform noise one step wide reaches two neighbouring codes,
told by one integer threshold.
"""

import functools
import math

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from stochsim_kernels._jit import helper
from stochsim_kernels.neuron.channel import UNIFORM
from stochsim_kernels.neuron.nearest_edge import threshold
from stochsim_kernels.neuron.simd import (
    CODES,
    I64,
    INTEGERS,
    address,
    each_read,
    emit,
    halves,
    load,
    paired_streams,
    splat,
    store_bytes,
)

NEVER = np.uint32(1 << 31)  # above every u


def uniform_sigma(step: float) -> float:
    """The standard deviation of uniform noise one step wide, which makes rounding to nearest
    stochastic rounding.
    """
    return step / math.sqrt(12)


@helper
def _fill_two_codes(drive, sigma, edges, lower, least):
    """`two_codes`, written to lower and least.

    The edges that every u passes, those of threshold 0, are found by bisection.
    """
    for s in range(drive.shape[0]):
        for n in range(drive.shape[1]):
            low, high = 0, edges.size
            while low < high:
                middle = (low + high) // 2
                if threshold(edges[middle], drive[s, n], 0.0, sigma, UNIFORM) == 0:
                    low = middle + 1
                else:
                    high = middle
            lower[s, n] = low
            least[s, n] = (
                NEVER
                if low == edges.size
                else threshold(edges[low], drive[s, n], 0.0, sigma, UNIFORM)
            )


def two_codes(drive: np.ndarray, step: float, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How drives (stimulus, neuron) are rounded stochastically: level = lower + (u >= least), uint8
    and uint32 of that shape.

    These are the codes, less the smallest, of `drawing.draw` under uniform noise of
    `uniform_sigma(step)` and no other, before rounding to nearest between edges (levels - 1,) that
    lie one step apart: of their thresholds at most one is neither 0 nor 2^31.
    """
    lower = np.empty(drive.shape, np.uint8)
    least = np.empty(drive.shape, np.uint32)
    _fill_two_codes(
        np.require(drive, np.float64, ("C", "W")), uniform_sigma(step), edges, lower, least
    )
    return lower, least


def _emit_round(b, items, first, least, streams, out):
    threshold = load(b, address(b, least, I64(0), first), INTEGERS, 4, items)

    def one_read(_read, state, place):
        u = b.lshr(halves(b, state), splat(INTEGERS, 1))
        passed = b.icmp_unsigned(">=", u, threshold)
        store_bytes(b, b.zext(passed, CODES), place, items)
        return [b.add(place, inputs)]

    reads = b.extract_value(out.shape, 0)
    inputs = b.extract_value(out.shape, 1)
    stream = paired_streams(b, streams, first)
    each_read(b, stream, I64(0), reads, one_read, address(b, out, I64(0), first))


@intrinsic
def round_block(_context, first, least, streams, out):
    """Write u >= least to out (read, input), int8, one read at least, for up to LANES inputs from
    `first` on.

    least: (1, input) uint32; streams as in `simd_thresholds.count_rows`. C-contiguous. Indices are
    not checked.
    """

    def generate(context, b, signature, arguments):
        return emit(context, b, signature, arguments, functools.partial(_emit_round, b))

    return types.void(types.int64, least, streams, out), generate
