"""Sums held in floating-point accumulators: every addition is exact, then rounded to the format.

Products are those of integers, exact in float64. An addition of float64 rounds by itself; it is
rounded to odd here, so that the second rounding, to at most 24 bits, gives what one rounding of the
exact sum would (Boldo and Melquiond, IEEE Transactions on Computers 57, 2008). So are products with
scales.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from stochsim_kernels._jit import helper, inline, kernel
from stochsim_kernels.tasks import run_tasks

NEAREST, TO_ZERO, FLOOR, HALF, SIZE = range(5)
"""Roundings: to nearest, halves to even; towards zero; at random, where r random bits cut the
remainder off, add a half of 2^-r to it first, or cut off that of the size.
"""

_EXPONENT = 0x7FF0000000000000
_WHOLE = 1.5 * 2.0**52  # added and taken off again, leaves an integer to nearest, halves to even
_LEVELS_OF_U = 2.0**31
_BELOW_1 = 1.0 - 2.0**-53
_SPLITS = 2.0**27 + 1.0


class Accumulator(NamedTuple):
    """A floating-point register: `ulp`, the distance of neighbouring numbers at 1, 2^(1-p) of p
    bits of significand (2 to 24); `least`, that of the smallest numbers; `largest` number, which
    larger sums take; rounding: one of the above; levels: 2^r of r random bits, 0.0 where the chance
    of the upper neighbour is the remainder itself.
    """

    ulp: float
    least: float
    largest: float
    rounding: int = NEAREST
    levels: float = 0.0

    @property
    def is_random(self) -> bool:
        """Whether integers u are drawn for every addition."""
        return self.rounding >= FLOOR


class Terms(NamedTuple):
    """How products are put together before the accumulator sees them.

    groups: (group + 1,) intp, where each group of neighbouring inputs begins and the last ends: its
    products are added exactly; block: (group,) intp, the block of each. The sum of a group is
    multiplied by factors (block, neuron) and scales (row, block), float64. is_wide: whether sums of
    a group, or their products with factors and scales, need up to 100 bits; they are pairs of
    numbers then.
    """

    groups: np.ndarray
    block: np.ndarray
    factors: np.ndarray
    scales: np.ndarray
    is_wide: bool = False


@intrinsic
def bits_of(_context, _value):
    """The 64 bits of a float64, int64."""

    def generate(_context, builder, _signature, values):
        return builder.bitcast(values[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def float_of(_context, _bits):
    """The float64 of 64 bits."""

    def generate(_context, builder, _signature, values):
        return builder.bitcast(values[0], ir.DoubleType())

    return types.float64(types.int64), generate


@inline
def _two_sum(a, b):
    """(sum, what it lost): together exactly a + b (Knuth's TwoSum)."""
    s = a + b
    of_b = s - a
    return s, (a - (s - of_b)) + (b - of_b)


@inline
def _split(a):
    """(high, low): together a, each of 26 bits (Veltkamp)."""
    spread = _SPLITS * a
    high = spread - (spread - a)
    return high, a - high


@inline
def _two_product(a, b):
    """(product, what it lost): together exactly a b (Dekker), of numbers far from the ends of
    float64.
    """
    p = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    return p, a_low * b_low - (((p - a_high * b_high) - a_low * b_high) - a_high * b_low)


@inline
def _to_odd(value, lost):
    """A sum or product of float64 and what it lost, as it is rounded to odd."""
    bits = bits_of(value)
    away = np.int64(1) if (lost > 0.0) == (value > 0.0) else np.int64(-1)
    return float_of(bits + away if lost != 0.0 and (bits & 1) == 0 else bits)


@helper
def _add(total, term):
    """Add term to total, (neuron,); term is left as what the addition lost."""
    for n in range(total.size):
        total[n], term[n] = _two_sum(total[n], term[n])


@helper
def _add_to_odd(total, term):
    """Add term to total, (neuron,), rounded to odd; term is left as what the addition lost."""
    _add(total, term)
    for n in range(total.size):
        total[n] = _to_odd(total[n], term[n])


@inline
def _step(value, accumulator):
    """The distance of the numbers of the format at this value."""
    return max(float_of(bits_of(value) & _EXPONENT) * accumulator.ulp, accumulator.least)


@inline
def _within(value, accumulator):
    return min(max(value, -accumulator.largest), accumulator.largest)


@helper
def _chance_up(part, is_negative, accumulator):
    """P(the upper neighbour) of a number that lies `part` of the way to it."""
    levels = accumulator.levels
    if levels == 0.0:
        return part
    if accumulator.rounding == HALF:
        return np.floor(part * levels + 0.5) / levels
    if accumulator.rounding == SIZE and is_negative:
        return np.ceil(part * levels) / levels
    return np.floor(part * levels) / levels


@helper
def _round(total, accumulator, u):
    """Round total (neuron,) to the format; u: (neuron,) uint32, or empty."""
    if accumulator.rounding == NEAREST:
        for n in range(total.size):
            whole = _step(total[n], accumulator) * _WHOLE
            total[n] = _within((total[n] + whole) - whole, accumulator)
    elif accumulator.rounding == TO_ZERO:
        for n in range(total.size):
            step = _step(total[n], accumulator)
            total[n] = _within(np.trunc(total[n] / step) * step, accumulator)
    else:
        for n in range(total.size):
            step = _step(total[n], accumulator)
            places = total[n] / step
            lower = np.floor(places)
            part = min(places - lower, _BELOW_1)  # of numbers just below 0
            chance = _chance_up(part, places < 0.0, accumulator)
            up = np.float64(u[n]) >= np.rint((1.0 - chance) * _LEVELS_OF_U)
            total[n] = _within((lower + (1.0 if up else 0.0)) * step, accumulator)


@inline
def _of_group(u, r, g, neurons, accumulator):
    """The random integers of a row's group, (neuron,), or any that are not looked at."""
    first = g * neurons if accumulator.rounding >= FLOOR else 0
    return u[r, first : first + neurons]


@helper
def _accumulate_exactly(r, x, w, groups, accumulator, u, out):
    total = out[r]
    total[:] = 0.0
    for g in range(groups.size - 1):
        for i in range(groups[g], groups[g + 1]):
            value = x[r, i]
            for n in range(total.size):
                total[n] += value * w[i, n]
        _round(total, accumulator, _of_group(u, r, g, total.size, accumulator))


@kernel
def fill_exact_sums(x, w, groups, accumulator, u, out):
    """Write sums (row, neuron) float64, as `fill_sums` does, where float64 has every sum of
    accumulator and group exactly: products of integers and one power of two, below 2^53 of them.

    x: (row, input), w: (input, neuron), float64; groups: as in `Terms`; u: as in `fill_sums`.
    """
    run_tasks(_accumulate_exactly, out.shape[0], (x, w, groups, accumulator, u, out))


@helper
def _group(x, w, begin, end, term):
    """Write the sums (neuron,) of a group's products of x (input,) to term."""
    term[:] = 0.0
    for i in range(begin, end):
        value = x[i]
        for n in range(term.size):
            term[n] += value * w[i, n]


@helper
def _wide_group(x, w, begin, end, term, low):
    """As `_group`, of sums beyond 53 bits; low: what term lacks."""
    term[:] = 0.0
    low[:] = 0.0
    for i in range(begin, end):
        value = x[i]
        for n in range(term.size):
            term[n], lost = _two_sum(term[n], value * w[i, n])
            low[n] += lost
    _add(term, low)


@helper
def _add_wide_to_odd(total, term, low):
    """Add term + low to total, rounded to odd: the sum of three numbers, of which the lower parts
    are rounded to odd first (Boldo and Melquiond).
    """
    _add(total, term)
    _add_to_odd(term, low)
    _add_to_odd(total, term)


@helper
def _scale_wide(term, low, factors, scale):
    """Multiply term + low, (neuron,), by factors (neuron,) and a scale, exactly but for what is
    2^-53 of low.
    """
    for n in range(term.size):
        value, lost = _two_product(term[n], factors[n])
        lost += low[n] * factors[n]
        term[n], lost_again = _two_product(value, scale)
        low[n] = lost_again + lost * scale


@helper
def _accumulate_row(r, x, w, terms, accumulator, u, out):
    neurons = out.shape[1]
    term = np.empty(neurons)
    low = np.zeros(neurons)
    total = out[r]
    total[:] = 0.0
    for g in range(terms.block.size):
        begin, end = terms.groups[g], terms.groups[g + 1]
        if terms.is_wide:
            _wide_group(x[r], w, begin, end, term, low)
        else:
            _group(x[r], w, begin, end, term)
        factors = terms.factors[terms.block[g]]
        scale = terms.scales[r, terms.block[g]]
        if terms.is_wide:
            _scale_wide(term, low, factors, scale)
            _add_wide_to_odd(total, term, low)
        else:
            for n in range(neurons):
                term[n] *= factors[n] * scale
            _add_to_odd(total, term)
        _round(total, accumulator, _of_group(u, r, g, neurons, accumulator))


@kernel
def fill_sums(x, w, terms, accumulator, u, out):
    """Write sums (row, neuron) float64: 0, to which the groups are added one after another, each
    addition rounded.

    x: (row, input), w: (input, neuron), integers in float64 whose sums of a group, times factors
    and scales, have 53 bits at most, or whose products have, where terms are wide. terms: `Terms`;
    u: (row, group neuron) uint32 below 2^31 where the accumulator rounds at random, else (row, 0).
    """
    run_tasks(_accumulate_row, out.shape[0], (x, w, terms, accumulator, u, out))


@helper
def _add_row(r, total, term, accumulator, u):
    _add_to_odd(total[r], term[r])
    _round(total[r], accumulator, u[r])


@kernel
def add_rounded(total, term, accumulator, u):
    """Add term to total, (row, neuron) float64, in place, each addition rounded; term is
    overwritten.

    u: (row, neuron) uint32 below 2^31 where the accumulator rounds at random, else (row, 0).
    """
    run_tasks(_add_row, total.shape[0], (total, term, accumulator, u))


@helper
def _scale_row(r, total, factors, accumulator, u):
    for n in range(factors.size):
        value, lost = _two_product(total[r, n], factors[n])
        total[r, n] = _to_odd(value, lost)
    _round(total[r], accumulator, u[r])


@kernel
def scale_rounded(total, factors, accumulator, u):
    """Multiply total (row, neuron) float64, numbers of the format, by factors (neuron,) in place:
    each exact product rounded once. u: as of `add_rounded`.
    """
    run_tasks(_scale_row, total.shape[0], (total, factors, accumulator, u))
