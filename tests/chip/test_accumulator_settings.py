"""Width and overflow of accumulators, against sums made addition by addition."""

import numpy as np
import pytest
from arraytest import (
    array_of,
    exact_sums,
    operations_of,
    product_of,
    random_inputs,
    random_weights,
    sums_of,
)
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


@pytest.mark.filterwarnings("ignore:the array's ADCs clip")
@pytest.mark.parametrize(
    ("signs", "sign", "full"),
    [
        # 2 tiles × 15 places of slices × 15 of cycles × the top code: 13,950, and a sign
        ("offset", 1, 15),
        # 2 × 7 × 15 × -16 = -3,360
        ("differential", -1, 13),
    ],
)
def test_a_width_holds_every_sum_of_codes_and_one_bit_less_does_not(signs, sign, full):
    """Every cell conducts at every cycle, in ADCs of 5 bits whose range ends far below that."""
    weights = np.full((3, 12), 7 * sign, np.int8)
    x = np.full((1, 12), 7, np.int8)
    adc = Adc(bits=5, range="fixed", range_max=1.0)
    array = array_of(adc, rows=7, signs=signs)
    free = product_of(weights, array)
    assert free.hardware.accumulator_width(12) == full
    [billed] = [one.args for one in operations_of(free, x, 1) if one.kind == "add"]
    assert billed == (full,)
    wide, narrow = (
        sums_of(product_of(weights, array, accumulator_bits=bits), x) for bits in (full, full - 1)
    )
    assert np.array_equal(wide, sums_of(free, x))
    top = 2 * 15 * 15 * 31 if signs == "offset" else -2 * 7 * 15 * 16
    held = 2 ** (full - 2) - 1 if sign > 0 else -(2 ** (full - 2))
    step = free.range.lsb
    assert wide - narrow == pytest.approx(np.full((1, 1, 3), step * (top - held)))


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize("bits", [8, 12, 17])
def test_the_zero_of_a_calibrated_range_is_added_after_the_accumulator(bits, overflow):
    """Steps finer than those of cells, from far above 0: the ADC puts out codes from 0, which the
    accumulator sums.
    """
    random = np.random.default_rng(0)
    weights = random_weights(4, 5, 64)
    x = random.integers(-8, 8, (40, 64)).astype(np.int8)
    array = array_of(Adc(bits=8, range="calibrated", clip_share=0.0), rows=64)
    line, stored = x.astype(int) + 8, weights.astype(int) + 8
    partial = {(s, c): (line >> c & 1) @ (stored >> s & 1).T for s in range(4) for c in range(4)}
    low = min(one.min() for one in partial.values())
    step = (max(one.max() for one in partial.values()) - low) / 255
    zero = round(low / step)
    assert step < 1
    assert zero > 0
    codes = sum(
        2 ** (s + c) * (np.rint(one / step).astype(int) - zero).clip(0, 255)
        for (s, c), one in partial.items()
    )
    half = 2 ** (bits - 1)
    held = (
        codes.clip(-half, half - 1)
        if overflow == "saturate"
        else (codes + half) % (2 * half) - half
    )
    product = product_of(
        weights,
        array,
        calibration=x.astype(float),
        accumulator_bits=bits,
        accumulator_overflow=overflow,
    )
    through_the_array = step * (held + 15 * 15 * zero)
    expected = exact_sums(weights, x) - line @ stored.T + through_the_array
    assert sums_of(product, x)[:, 0] == pytest.approx(expected, rel=1e-9)
    assert np.array_equal(held, codes) == (bits == 17)
