"""Each setting of the noise that an array's cells have at every read moves the sums as predicted,
one test per setting.
"""

import numpy as np
import pytest
from arraytest import (
    ONE_BIT,
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

from stochsim.hardware import Adc, Array, Cells

WEIGHTS = random_weights(4, 8, 48)
X = random_inputs(4, 4, 48)
X[0], X[1] = -8, 7  # no row is active, every row is in every cycle
THERMAL = Adc(bits=9, sigma_lsb=1.0)  # steps of 1, with room for noise
ROUNDING = 1 / 12
DEVICE = "g_us,programming_sigma_us,read_sigma_us\n5,0,2\n15,0,2\n"  # read noise of 0.2 cell steps
RATIO_3 = "g_us,programming_sigma_us\n5,0\n15,0\n"  # level 0 draws half a cell step


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
            for place, digits in zip(places(3, array.cell_bits), stored, strict=True):
                for cycle, line in zip(places(4, array.cycle_bits), lines, strict=True):
                    own = variances(assumed, digits[:, rows], line[:, rows]) + np.zeros(total.shape)
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


@pytest.mark.parametrize("read_noise", ["lumped", "explicit"])
@pytest.mark.parametrize(("cell_bits", "steps"), [(1, 1), (2, 3), (3, 7)])
def test_read_sigma_fs_is_the_same_as_a_share_of_full_conductance(cell_bits, steps, read_noise):
    """Code for code; another share gives other codes."""
    weights = random_weights(4, 6, 24)
    x = np.random.default_rng(3).integers(-8, 8, (20, 24)).astype(np.int8)

    def codes(**sigma):
        cells = Cells(read_noise=read_noise, **sigma)
        array = Array(cell_bits=cell_bits, signs="differential", adc=Adc(bits=8), cells=cells)
        return sums_of(product_of(weights, array), x, 50)

    same = codes(read_sigma=0.125 * steps)
    np.testing.assert_array_equal(codes(read_sigma_fs=0.125), same)
    assert np.any(codes(read_sigma_fs=0.25) != same)


@pytest.mark.parametrize("geometry", [{}, {"rows": 8, "cell_bits": 3, "cycle_bits": 2}])
def test_shot_sigma_grows_with_the_current(geometry):
    """Variance: shot_sigma² × the current of both columns of a pair, in cell steps × digits."""
    right, wrong = Cells(shot_sigma=0.6), Cells(shot_sigma=0.63)
    assert_noise_of_cells(
        right,
        wrong,
        lambda own, digits, line: own.shot_sigma**2 * line @ np.abs(digits).T,
        **geometry,
    )


def test_shot_noise_of_offset_columns():
    """Here the current is the partial sum itself, and packed bits count it."""
    weights = random_weights(1, 8, 64)
    bright = np.ones((1, 64), np.int8)
    product = product_of(
        weights, array_of(Adc(bits=8, sigma_lsb=1.0), Cells(shot_sigma=0.3)), **ONE_BIT
    )
    assert product.fused
    current = (weights == 1).sum(axis=1)
    right, wrong = (16 * (1 + ROUNDING + sigma**2 * current) for sigma in (0.3, 0.315))
    deviation = sums_of(product, bright, 20_000)[0] - exact_sums(weights, bright)
    assert_variance(deviation / np.sqrt(right), 1.0, float(np.mean(wrong / right)))


@pytest.mark.parametrize("kind", ["read_sigma", "shot_sigma", "shot of off-currents", "device"])
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
        "shot of off-currents": (  # 24 cells at level 1, and the current of level 0 in all 48
            Cells(shot_sigma=0.3, read_noise=read_noise, device="measured", device_csv=RATIO_3),
            (24 + 48 / 2) * 0.3**2,
        ),
        "device": (
            Cells(device="measured", device_csv=DEVICE, read_noise=read_noise),
            24 * 2 * 0.2**2,
        ),
    }[kind]
    adc = Adc(bits=8, range="fixed", range_max=64.0)  # a step of 1/2
    product = product_of(weights, array_of(adc, cells, signs="differential"), **ONE_BIT)
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
    adc = Adc(bits=9, range="fixed", range_max=32.0)

    def cells(read_us):
        text = f"g_us,programming_sigma_us,read_sigma_us\n5,0.5,{read_us}\n15,0.5,{read_us}\n"
        return Cells(device="measured", device_csv=text)

    def found(read_us, chip_key=0, key=3):
        product = product_of(
            weights,
            array_of(adc, cells(read_us), signs="differential"),
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
