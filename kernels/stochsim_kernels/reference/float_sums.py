"""Sums in floating-point accumulators, in fractions: the oracle of `product.float_sums`."""

import math
from fractions import Fraction

import numpy as np

from stochsim_kernels.product.float_sums import HALF, NEAREST, SIZE, TO_ZERO, Accumulator, Terms


def exponent(value: Fraction) -> int:
    """⌊log2 |value|⌋ of what is not 0."""
    found = abs(value).numerator.bit_length() - value.denominator.bit_length()
    return found if abs(value) >= Fraction(2) ** found else found - 1


def neighbours(value: Fraction, accumulator: Accumulator) -> tuple[Fraction, Fraction, Fraction]:
    """(lower, step, part): the largest multiple of the step that is not above the value, and which
    part of a step lies between them.
    """
    step = Fraction(accumulator.least)
    if value:
        step = max(step, Fraction(accumulator.ulp) * Fraction(2) ** exponent(value))
    places = value / step
    lower = math.floor(places)
    return lower * step, step, places - lower


def chance_up(part: Fraction, is_negative: bool, accumulator: Accumulator) -> Fraction:
    """P(upper neighbour) of rounding at random."""
    levels = int(accumulator.levels)
    if levels == 0:
        return part
    if accumulator.rounding == HALF:
        return Fraction(math.floor(part * levels + Fraction(1, 2)), levels)
    cut = math.ceil if accumulator.rounding == SIZE and is_negative else math.floor
    return Fraction(cut(part * levels), levels)


def rounded(value: Fraction, accumulator: Accumulator, u: int | None = None) -> Fraction:
    """The number of the format for an exact value; u: 0 … 2^31 - 1, where it is rounded at
    random.
    """
    lower, step, part = neighbours(value, accumulator)
    if accumulator.rounding == NEAREST:
        is_odd = (lower / step) % 2 == 1
        goes_up = part > Fraction(1, 2) or (part == Fraction(1, 2) and is_odd)
    elif accumulator.rounding == TO_ZERO:
        goes_up = part > 0 and value < 0
    else:
        assert u is not None
        goes_up = u >= round((1 - chance_up(part, value < 0, accumulator)) * 2**31)
    found = lower + step * int(goes_up)
    largest = Fraction(accumulator.largest)
    return min(max(found, -largest), largest)


def sums(
    x: np.ndarray, w: np.ndarray, terms: Terms, accumulator: Accumulator, u: np.ndarray
) -> np.ndarray:
    """As `product.float_sums.fill_sums`, float64 (row, neuron)."""
    out = np.empty((len(x), w.shape[1]))
    for r, n in np.ndindex(out.shape):
        total = Fraction(0)
        for g, block in enumerate(terms.block):
            inputs = range(terms.groups[g], terms.groups[g + 1])
            of_group = sum(Fraction(x[r, i]) * Fraction(w[i, n]) for i in inputs)
            factor = Fraction(terms.factors[block, n]) * Fraction(terms.scales[r, block])
            drawn = int(u[r, g * len(w.T) + n]) if accumulator.is_random else None
            total = rounded(total + of_group * factor, accumulator, drawn)
        out[r, n] = float(total)
    return out
