"""Settings of the neurons' noise, one test per setting, against closed forms.

Drawn codes are compared with `Chip.probabilities` (false-fail rate 1e-6 per test, a negative
control that must fail), and those with formulas.
"""

import numpy as np
import pytest
from arraytest import array_of, exact_sums, sums_of
from channeltest import GRID, WEIGHTS, X, assert_draws, chip_of, counts, flat
from scipy import stats
from stattest import assert_frequencies, assert_mean

from stochsim.hardware import Adc, Noise


def test_stochastic_dither_interpolates_between_codes():
    """P(code k) = max(0, 1 - |drive / step - k|), what lies beyond the outer codes clips to them:
    the mean code is the drive.
    """
    chip = chip_of(sigma=0.0, noise=Noise(dither="stochastic"))
    output = chip.program.output
    place = np.clip(chip.drive(X) / output.step, output.c_min, output.c_min + output.levels - 1)
    codes = output.c_min + np.arange(output.levels)
    np.testing.assert_allclose(
        chip.probabilities(X),
        np.maximum(0, 1 - np.abs(place[..., None] - codes)),
        rtol=0,
        atol=GRID,
    )
    np.testing.assert_allclose(chip.probabilities(X) @ codes, place, rtol=0, atol=1e-8)
    assert_draws(chip, chip_of(sigma=0.05, noise=Noise(dither="stochastic")))


def test_triangular_dither():
    """The edge at e is passed with the probability that a triangle of one step to either side
    leaves beyond it.
    """
    chip = chip_of(sigma=0.0, noise=Noise(dither="triangular"))
    output = chip.program.output
    edges = (output.c_min + np.arange(1, output.levels) - 0.5) * output.step
    below = stats.triang(0.5, -output.step, 2 * output.step).cdf(edges - chip.drive(X)[..., None])
    np.testing.assert_allclose(
        chip.probabilities(X), np.diff(below, axis=-1, prepend=0.0, append=1.0), rtol=0, atol=GRID
    )
    assert_draws(chip, chip_of(sigma=0.0, noise=Noise(dither="stochastic")))


def test_dither_comes_on_top_of_the_trained_sigma():
    """The convolution with a Gaussian, by the midpoint rule over its quantiles."""
    chip = chip_of(sigma=0.4, noise=Noise(dither="stochastic"))
    alone = chip_of(sigma=0.4)
    nodes = 1.1 * ((np.arange(400) + 0.5) / 400 - 0.5)
    output = chip.program.output
    edges = np.concatenate(
        [[-np.inf], (output.c_min + np.arange(1, output.levels) - 0.5) * output.step, [np.inf]]
    )
    below = np.mean(
        [stats.norm.cdf((edges - chip.drive(X)[..., None] - node) / 0.4) for node in nodes], axis=0
    )
    np.testing.assert_allclose(chip.probabilities(X), np.diff(below, axis=-1), rtol=0, atol=1e-6)
    assert np.abs(chip.probabilities(X) - alone.probabilities(X)).max() > 0.02


def test_explicit_weight_noise_equals_the_lumped_one():
    """Noise on every weight gives codes as one draw of sigma |x| does; 5 % more is the negative
    control.

    Neurons and stimuli do not covary.
    """
    lumped = {sigma: chip_of(sigma=0.0, noise=Noise(weight_sigma=sigma)) for sigma in (0.1, 0.105)}
    explicit = chip_of(sigma=0.0, noise=Noise(weight_sigma=0.1, weight_noise="explicit"))
    found = counts(explicit, 30_000)
    assert_frequencies(found, flat(lumped[0.1]))
    with pytest.raises(AssertionError):
        assert_frequencies(found, flat(lumped[0.105]))
    x = X.astype(np.int8)
    noisy = sums_of(explicit.product, x, 10_000) - exact_sums(WEIGHTS, x)[:, None]
    assert_mean(noisy, 0.0, 1e-6)
    assert_mean(noisy[:, :, 0] * noisy[:, :, 1], 0.0, 1e-6)
    assert_mean(noisy[0] * noisy[1], 0.0, 1e-6)


TABLE = "drive,p0,p1,p2,p3\n-4,1,0,0,0\n-1,0.5,0.25,0.25,0\n2,0,0.1,0.3,0.6\n"


@pytest.mark.parametrize("array", [None, array_of(Adc(bits=4))])
def test_measured_csv(array):
    """P(code | drive) of the table, linear between its rows, whatever sigma the network was trained
    with.
    """
    chip = chip_of(sigma=0.7, output_bits=2, array=array, noise=Noise(measured_csv=TABLE))
    drive = exact_sums(WEIGHTS, X.astype(int)) / 8
    rows = np.array([[1, 0, 0, 0], [0.5, 0.25, 0.25, 0], [0, 0.1, 0.3, 0.6]])
    expected = np.stack([np.interp(drive, [-4, -1, 2], rows[:, k]) for k in range(4)], axis=-1)
    if array is None:
        np.testing.assert_allclose(chip.probabilities(X), expected, rtol=0, atol=GRID)
    found = counts(chip)
    assert_frequencies(found, expected.reshape(-1, 4))
    with pytest.raises(AssertionError):
        assert_frequencies(found, (0.98 * expected + 0.02 / 4).reshape(-1, 4))
