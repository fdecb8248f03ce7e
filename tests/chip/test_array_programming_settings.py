"""What is drawn once per chip when an array's cells are programmed: a device's errors and drift,
and stuck cells, one test per setting.
"""

import numpy as np
import pytest
from arraytest import (
    ONE_BIT,
    array_of,
    exact_sums,
    product_of,
    random_inputs,
    random_weights,
    slice_digits,
    sums_of,
)
from stattest import assert_mean

from stochsim.hardware import Adc, Cells, device, devices

WEIGHTS = random_weights(4, 8, 48)


def simulated(name, age_s, code, draws=200_000):
    """Mean and variance of cells of this device read once, and their mean as programmed, in cell
    steps: by the device's own laws.
    """
    chosen = device(name)
    random = np.random.default_rng(7)
    step = chosen.g_max_us - chosen.g_min_us
    target = np.full(draws, chosen.g_min_us + code * step)
    programmed = chosen.programmed_us(target, random, age_s)
    now = chosen.drifted_us(programmed, age_s, random, target)
    read = now + chosen.read_sigma_us(now, age_s, programmed) * random.standard_normal(draws)
    in_steps = (read - chosen.g_min_us) / step
    return (
        in_steps.mean(),
        in_steps.var(),
        (programmed.mean() - chosen.g_min_us) / step,
        (now.mean() - chosen.g_min_us) / step,
    )


def partial_sums(variance, neurons=8_000, **cells):
    """Partial sums of 8 cells that hold 1 less their 8 partners that hold 0, one read, (neuron,),
    and the variance of rounding them.

    The ADC's step is at most half of the standard deviation expected; it reaches from -10 to
    10.
    """
    adc = Adc(bits=int(np.ceil(np.log2(20 * 2 / np.sqrt(variance)))), range="fixed", range_max=10.0)
    product = product_of(
        np.ones((neurons, 8), np.int8),
        array_of(adc, Cells(**cells), signs="differential"),
        **ONE_BIT,
    )
    return (sums_of(product, np.ones((1, 8), np.int8))[0, 0] + 8) / 2, product.range.lsb**2 / 12


def assert_cells(found, mean, variance):
    """Within 6 standard errors of both sides, simulated from 200,000 cells (false-fail rate below
    1e-6).
    """
    sums, rounding = found
    error = np.sqrt((variance + rounding) * (1 / sums.size + 8 / 200_000))
    assert abs(sums.mean() - mean) < 6 * error
    kurtosis = np.mean((sums - sums.mean()) ** 4) / sums.var() ** 2
    assert abs(sums.var() / (variance + rounding) - 1) < 6 * np.sqrt(
        (kurtosis - 1) / sums.size + 20 / 200_000
    )


@pytest.mark.parametrize("name", [name for name in devices() if name != "ideal"])
def test_device(name):
    """Mean and spread of a sum are those of the device's laws; a tenth more spread, or 5 % more
    mean, is not.
    """
    one, spread_1, *_ = simulated(name, None, 1)
    none, spread_0, *_ = simulated(name, None, 0)
    mean, variance = 8 * (one - none), 8 * (spread_1 + spread_0)
    found = partial_sums(variance, device=name)
    assert_cells(found, mean, variance)
    with pytest.raises(AssertionError):
        assert_cells(found, mean, variance * 1.1**2)
    with pytest.raises(AssertionError):
        assert_cells(found, mean * 1.05, variance)


def test_age_s_and_drift_compensation():
    """Phase-change cells lose conductance with age; compensation multiplies all by one factor that
    restores the chip's total.
    """
    name = "pcm-nandakumar"
    age = 1e6
    one, spread_1, was_1, is_1 = simulated(name, age, 1)
    none, spread_0, was_0, is_0 = simulated(name, age, 0)
    variance = 8 * (spread_1 + spread_0)
    aged = partial_sums(variance, device=name, age_s=age)
    assert_cells(aged, 8 * (one - none), variance)
    factor = (was_1 + was_0) / (is_1 + is_0)
    restored = partial_sums(variance, device=name, age_s=age, drift_compensation=True)
    assert_cells(restored, 8 * factor * (one - none), factor**2 * variance)
    for other in (aged, partial_sums(variance, device=name, age_s=20.0)):
        with pytest.raises(AssertionError):
            assert_cells(other, 8 * factor * (one - none), factor**2 * variance)


@pytest.mark.parametrize(
    ("rates", "wrong"),
    [((0.1, 0.0), (0.11, 0.0)), ((0.0, 0.1), (0.0, 0.11)), ((0.05, 0.15), (0.15, 0.05))],
)
def test_stuck_cells(rates, wrong):
    """A cell stuck at 0 loses its code, one stuck at 1 has the full code: what the sum loses and
    gains on average, by slices of 2 bits.
    """
    weights = np.tile(random_weights(4, 1, 48), (5_000, 1))
    array = array_of(
        Adc(bits=8), Cells(stuck_at_0_rate=rates[0], stuck_at_1_rate=rates[1]), cell_bits=2
    )
    x = random_inputs(4, 1, 48)
    found = (sums_of(product_of(weights, array), x, 2) - exact_sums(weights, x)[:, None])[0]
    assert np.array_equal(found[0], found[1])
    line = x[0].astype(int) + 8
    stored = slice_digits(weights[:1], 4, 2, "offset")[:, 0]

    def moved(zero, one):
        return sum(
            4**s * (line * (one * (3 - digits) - zero * digits)).sum()
            for s, digits in enumerate(stored)
        )

    assert_mean(found[0], moved(*rates), 1e-6)
    with pytest.raises(AssertionError):
        assert_mean(found[0], moved(*wrong), 1e-6)


@pytest.mark.parametrize("signs", ["offset", "differential"])
def test_every_cell_stuck(signs):
    """Offset columns then hold 0 or 15 instead of W + 8, differential ones nothing; the digital
    corrections are those of the weights.
    """
    x = random_inputs(4, 3, 48)
    line = x.astype(int) + 8
    for cells, code in ((Cells(stuck_at_0_rate=1.0), 0), (Cells(stuck_at_1_rate=1.0), 15)):
        found = sums_of(product_of(WEIGHTS, array_of(Adc(bits=8), cells, signs=signs)), x)[:, 0]
        digits = (
            np.full_like(WEIGHTS, code - 8, int)
            if signs == "offset"
            else np.zeros_like(WEIGHTS, int)
        )
        assert np.array_equal(found, exact_sums(WEIGHTS, x) + line @ (digits - WEIGHTS).T)
