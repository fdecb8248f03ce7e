"""Each setting of an array's cells moves the sums as predicted, one test per setting: noise of
every read, and what is drawn once per chip.
"""

import numpy as np
import pytest
from arraytest import (
    array_of,
    assert_variance,
    exact_sums,
    input_digits,
    places,
    product_of,
    random_inputs,
    random_weights,
    slice_digits,
    sums_of,
)
from stattest import assert_mean

from stochsim.hardware import Cells, Converter, device, devices

WEIGHTS = random_weights(4, 8, 48)
X = random_inputs(4, 4, 48)
X[0], X[1] = -8, 7  # no row is active, every row is in every cycle
THERMAL = Converter(bits=9, sigma_lsb=1.0)  # steps of 1, with room for noise
ROUNDING = 1 / 12
DEVICE = "g_us,programming_sigma_us,read_sigma_us\n5,0,2\n15,0,2\n"  # read noise of 0.2 cell steps
ONE_BIT = {"weight_bits": 1, "input_bits": 1}


def rounded(product, variance):
    """The variance that the chip draws for this one: its standard deviation is rounded to one of 64
    values where they are many.
    """
    conversion = product.conversion
    if conversion.sigma_step == 0:
        return variance
    sigma = conversion.sigma_min + conversion.sigma_step * conversion.sigma_class(variance)
    assert np.abs(sigma - np.sqrt(variance)).max() <= 0.5001 * conversion.sigma_step
    return sigma**2


def assert_noise_of_cells(cells, wrong, variances, reads=8_000, **geometry):
    """Deviations of every stimulus and neuron, in units of the spread that is right, and of one
    that is 5 % wrong in the cells' part.

    variances(cells, slice digits, line digits) -> variance of the cells in one partial sum
    (stimulus, neuron), in steps of 1.
    """
    array = array_of(THERMAL, cells, signs="differential", **geometry)
    product = product_of(WEIGHTS, array)
    assert product.range.lsb == 1
    found = sums_of(product, X, reads) - exact_sums(WEIGHTS, X)[:, None]
    stored = slice_digits(WEIGHTS, 4, array.cell_bits, "differential")
    lines = input_digits(X, 4, array.cycle_bits)

    def variance(assumed, as_drawn=lambda exact: exact):
        total = np.zeros((len(X), len(WEIGHTS)))
        for first in range(0, 48, array.rows):
            rows = slice(first, first + array.rows)
            for place, held in zip(places(3, array.cell_bits), stored, strict=True):
                for cycle, line in zip(places(4, array.cycle_bits), lines, strict=True):
                    own = variances(assumed, held[:, rows], line[:, rows]) + np.zeros(total.shape)
                    total += (place * cycle) ** 2 * (as_drawn(1 + own) + ROUNDING)
        return total[:, None]

    drawn = variance(cells, lambda exact: rounded(product, exact))
    assert np.abs(drawn / variance(cells) - 1).max() < 0.05
    for s in range(len(X)):
        assert_mean(found[s], 0.0, 1e-6)
    right = found / np.sqrt(drawn)
    for s in (1, 2):
        assert_variance(right[s], 1.0, float(np.mean((variance(wrong) / drawn)[s])))
    assert_mean(
        right[0] ** 2, 1.0, 1e-7
    )  # without an active row there is nothing that could be wrong


@pytest.mark.parametrize(
    "geometry", [{}, {"rows": 24, "cell_bits": 3}, {"rows": 8, "cell_bits": 2, "cycle_bits": 3}]
)
def test_read_sigma_grows_with_the_active_rows(geometry):
    """Two cells per row of a differential pair, each with read_sigma times its digit."""
    right, wrong = Cells(read_sigma=0.2), Cells(read_sigma=0.21)
    assert_noise_of_cells(
        right,
        wrong,
        lambda own, _, line: 2 * own.read_sigma**2 * (line**2).sum(axis=1)[:, None],
        **geometry,
    )


@pytest.mark.parametrize("geometry", [{}, {"rows": 8, "cell_bits": 3, "cycle_bits": 2}])
def test_shot_sigma_grows_with_the_current(geometry):
    """Variance: shot_sigma² × the current of both columns of a pair, in cell steps × digits."""
    right, wrong = Cells(shot_sigma=0.6), Cells(shot_sigma=0.63)
    assert_noise_of_cells(
        right, wrong, lambda own, held, line: own.shot_sigma**2 * line @ np.abs(held).T, **geometry
    )


def test_shot_noise_of_offset_columns():
    """Here the current is the partial sum itself, and packed bits count it."""
    weights = random_weights(1, 8, 64)
    bright = np.ones((1, 64), np.int8)
    product = product_of(
        weights, array_of(Converter(bits=8, sigma_lsb=1.0), Cells(shot_sigma=0.3)), **ONE_BIT
    )
    assert product.fused
    current = (weights == 1).sum(axis=1)
    right, wrong = (16 * (1 + ROUNDING + sigma**2 * current) for sigma in (0.3, 0.315))
    deviation = sums_of(product, bright, 20_000)[0] - exact_sums(weights, bright)
    assert_variance(deviation / np.sqrt(right), 1.0, float(np.mean(wrong / right)))


@pytest.mark.parametrize("kind", ["read_sigma", "shot_sigma", "device"])
@pytest.mark.parametrize("read_noise", ["lumped", "explicit"])
def test_lumped_noise_equals_noise_of_every_cell(read_noise, kind):
    """Mean, variance and covariance of neurons by the same closed form, whether drawn once per
    conversion or for every cell.

    False-fail rate below 1e-6; 5 % more noise of the cells is the negative control. 1-bit weights,
    24 inputs, all of them active.
    """
    weights = random_weights(1, 6, 24)
    x = np.ones((400, 24), np.int8)
    cells, variance = {
        "read_sigma": (Cells(read_sigma=0.2, read_noise=read_noise), 24 * 2 * 0.2**2),
        "shot_sigma": (Cells(shot_sigma=0.3, read_noise=read_noise), 24 * 0.3**2),
        "device": (
            Cells(device="measured", device_csv=DEVICE, read_noise=read_noise),
            24 * 2 * 0.2**2,
        ),
    }[kind]
    converter = Converter(bits=8, range="fixed", range_max=64.0)  # a step of 1/2
    product = product_of(weights, array_of(converter, cells, signs="differential"), **ONE_BIT)
    found = (sums_of(product, x, 30) - exact_sums(weights, x)[:, None]).reshape(-1, 6) / 2
    assert_mean(found, 0.0, 1e-6)
    step = 1 / 4 / 12
    assert_variance(found, variance + step, variance * 1.05**2 + step)
    for a, b in ((0, 1), (2, 3), (4, 5)):
        assert_mean(found[:, a] * found[:, b], 0.0, 1e-6)


def test_device_csv():
    """Programming errors of 0.5 µS at steps of 10 µS: 0.05 cell steps per cell, fixed per chip;
    read noise of 0.8 µS on top.
    """
    weights = random_weights(1, 20_000, 8)
    x = np.ones((1, 8), np.int8)
    converter = Converter(bits=9, range="fixed", range_max=32.0)

    def cells(read_us):
        text = f"g_us,programming_sigma_us,read_sigma_us\n5,0.5,{read_us}\n15,0.5,{read_us}\n"
        return Cells(device="measured", device_csv=text)

    def found(read_us, chip_key=0, key=3):
        product = product_of(
            weights,
            array_of(converter, cells(read_us), signs="differential"),
            **ONE_BIT,
            chip_key=chip_key,
        )
        return (sums_of(product, x, 2, key) - exact_sums(weights, x)[:, None])[0] / 2

    step = (1 / 8) ** 2 / 12
    fixed = found(0.0)
    assert_variance(fixed[0], 16 * 0.05**2 + step, 16 * (0.05 * 1.05) ** 2 + step)
    assert np.array_equal(fixed[0], fixed[1])
    assert np.array_equal(fixed, found(0.0, key=4))
    assert_mean(fixed[0] * found(0.0, chip_key=1)[0], 0.0, 1e-6)
    noisy = found(0.8)
    assert_variance(
        noisy[0] - noisy[1], 2 * (16 * 0.08**2 + step), 2 * (16 * (0.08 * 1.05) ** 2 + step)
    )


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

    The converter's step is at most half of the standard deviation expected; it reaches from -10 to
    10.
    """
    converter = Converter(
        bits=int(np.ceil(np.log2(20 * 2 / np.sqrt(variance)))), range="fixed", range_max=10.0
    )
    product = product_of(
        np.ones((neurons, 8), np.int8),
        array_of(converter, Cells(**cells), signs="differential"),
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
        Converter(bits=8), Cells(stuck_at_0_rate=rates[0], stuck_at_1_rate=rates[1]), cell_bits=2
    )
    x = random_inputs(4, 1, 48)
    found = (sums_of(product_of(weights, array), x, 2) - exact_sums(weights, x)[:, None])[0]
    assert np.array_equal(found[0], found[1])
    line = x[0].astype(int) + 8
    stored = slice_digits(weights[:1], 4, 2, "offset")[:, 0]

    def moved(zero, one):
        return sum(
            4**s * (line * (one * (3 - held) - zero * held)).sum() for s, held in enumerate(stored)
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
        found = sums_of(product_of(WEIGHTS, array_of(Converter(bits=8), cells, signs=signs)), x)[
            :, 0
        ]
        held = (
            np.full_like(WEIGHTS, code - 8, int)
            if signs == "offset"
            else np.zeros_like(WEIGHTS, int)
        )
        assert np.array_equal(found, exact_sums(WEIGHTS, x) + line @ (held - WEIGHTS).T)
