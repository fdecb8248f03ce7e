"""Width and overflow of accumulators, against sums made addition by addition."""

import numpy as np
import pytest
from arraytest import array_of, exact_sums, product_of, random_inputs, random_weights, sums_of
from channeltest import WEIGHTS

from stochsim.hardware import Adc, Memory


@pytest.mark.parametrize("bits", [2, 5, 7, 33, 64])
@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_accumulators_of_a_digital_product(bits, overflow):
    """Products added in the order of the inputs, clipped or wrapped at each addition."""
    x, weights = random_inputs(4, 40, 12), WEIGHTS
    sums = np.zeros((40, 5), object)
    half = 2 ** (bits - 1)
    for i in range(12):
        sums = sums + np.outer(x[:, i].astype(int), weights[:, i].astype(int))
        sums = (
            np.clip(sums, -half, half - 1)
            if overflow == "saturate"
            else (sums + half) % (2 * half) - half
        )
    found = sums_of(product_of(weights, accumulator_bits=bits, accumulator_overflow=overflow), x)[
        :, 0
    ]
    assert np.array_equal(found, sums.astype(np.int64))
    assert np.array_equal(found, exact_sums(weights, x)) == (bits > 8)


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_accumulators_hold_their_width_with_transient_weight_errors(overflow):
    product = product_of(
        WEIGHTS,
        accumulator_bits=6,
        accumulator_overflow=overflow,
        memory=Memory(weight_read_errors=0.2),
    )
    found = sums_of(product, random_inputs(4, 300, 12))
    assert (found.min(), found.max()) == (-32, 31)


@pytest.mark.parametrize("signs", ["offset", "differential"])
@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize("bits", [6, 8, 33, 64])
def test_accumulators_of_an_array(bits, overflow, signs):
    """ADC codes times their places, added by tile, slice and cycle; the corrections of offset
    codes come afterwards, exactly.
    """
    x = random_inputs(4, 40, 12)
    weights = random_weights(4, 5, 12)
    half = 2 ** (bits - 1)
    array = array_of(Adc(bits=5), rows=7, signs=signs)
    stored = weights.astype(int) + 8 if signs == "offset" else np.abs(weights.astype(int))
    line = x.astype(int) + 8
    total = np.zeros((40, 5), object)
    for first in (0, 7):
        rows = slice(first, first + 7)
        for s in range(4 if signs == "offset" else 3):
            digits = (stored[:, rows] >> s & 1) * (
                1 if signs == "offset" else np.sign(weights[:, rows])
            )
            for c in range(4):
                total = total + 2 ** (s + c) * ((line[:, rows] >> c & 1) @ digits.T).astype(object)
                total = (
                    np.clip(total, -half, half - 1)
                    if overflow == "saturate"
                    else (total + half) % (2 * half) - half
                )
    found = sums_of(
        product_of(weights, array, accumulator_bits=bits, accumulator_overflow=overflow), x, 2
    )
    through_the_array = line @ (stored if signs == "offset" else weights.astype(int)).T
    expected = exact_sums(weights, x) - through_the_array + total.astype(np.int64)
    assert np.array_equal(found, np.repeat(expected[:, None], 2, axis=1))
    assert np.array_equal(found[:, 0], exact_sums(weights, x)) == (bits > 8)
