"""Each setting of Hardware that moves the output, one test per setting, against the closed form of
the channel; the others move joules only.

Settings here: precision.output_bits, precision.input_bits, precision.weight_bits, noise.family,
noise.read_sigma, noise.read_sigma_lsb, noise.weight_sigma, noise.weight_sigma_lsb, and the
multiplier of the trained sigma.
"""

import numpy as np
import pytest
from scipy import stats

from stochsim.chip import Chip
from stochsim.hardware import Noise, RandomSource, Reliability

GRID = 2.0**-30
LAWS = {
    "gaussian": stats.norm(),
    "logistic": stats.logistic(scale=np.sqrt(3) / np.pi),
    "uniform": stats.uniform(-np.sqrt(3), 2 * np.sqrt(3)),
}


@pytest.fixture
def x():
    return np.random.default_rng(9).normal(0, 1, (6, 12))


def channel_of(drive, spread, quantizer, law=LAWS["gaussian"]):
    """P(code | drive), (stimulus, neuron, level), from a law of unit variance scaled by
    `spread`.
    """
    edges = quantizer.z + (quantizer.c_min + np.arange(1, quantizer.levels) - 0.5) * quantizer.step
    below = law.cdf((edges - drive[..., None]) / np.broadcast_to(spread, drive.shape)[..., None])
    return np.diff(below, axis=-1, prepend=0.0, append=1.0)


def assert_channel(chip, x, spread, law=LAWS["gaussian"]):
    expected = channel_of(chip.drive(x), spread, chip.program.output, law)
    np.testing.assert_allclose(chip.probabilities(x), expected, rtol=0, atol=2 * GRID)


@pytest.fixture
def chip_with(make_program, make_hardware):
    """A function (noise section, multiplier, sigma) -> Chip of 4 bits."""

    def build(noise=None, multiplier=1.0, sigma=0.3):
        return Chip(
            make_program(sigma=sigma), make_hardware().replace(noise=noise or Noise()), multiplier
        )

    return build


def test_trained_sigma_alone(chip_with, x):
    assert_channel(chip_with(), x, 0.3)
    assert_channel(
        chip_with(sigma=[0.1, 0.2, 0.3, 0.4, 0.5]), x, np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    )


@pytest.mark.parametrize("multiplier", [0.25, 1.0, 2.0, 4.0])
def test_noise_multiplier(chip_with, x, multiplier):
    assert_channel(chip_with(multiplier=multiplier), x, 0.3 * multiplier)


def test_noise_multiplier_0_is_certain_and_leaves_the_hardware_its_own_noise(chip_with, x):
    assert np.isin(chip_with(multiplier=0.0).probabilities(x), (0.0, 1.0)).all()
    assert_channel(chip_with(Noise(read_sigma=0.2), multiplier=0.0), x, 0.2)


def test_read_sigma(chip_with, x):
    assert_channel(chip_with(Noise(read_sigma=0.4)), x, 0.5)
    assert_channel(
        chip_with(Noise(read_sigma=0.4), multiplier=2.0), x, np.hypot(0.6, 0.4)
    )  # the chip's own noise is not multiplied


def test_read_sigma_lsb(chip_with, x):
    """In steps of the output, 0.25 here."""
    assert_channel(chip_with(Noise(read_sigma_lsb=1.6)), x, 0.5)


def test_read_sigma_fs(chip_with, x):
    """As a share of the outputs' full scale: 16 steps of 0.25 here."""
    assert_channel(chip_with(Noise(read_sigma_fs=0.1)), x, 0.5)


def lumped(chip, x, weight_sigma):
    """sigma |x|, (stimulus, 1), over the quantised input."""
    quantised = chip.program.input.values(chip.program.input.codes(x)).astype(float)
    return weight_sigma * np.linalg.norm(quantised, axis=1)[:, None]


def test_weight_sigma(chip_with, x):
    chip = chip_with(Noise(weight_sigma=0.1))
    assert_channel(chip, x, np.hypot(0.3, lumped(chip, x, 0.1)))


def test_weight_sigma_lsb(chip_with, x):
    chip = chip_with(Noise(weight_sigma_lsb=0.5))
    assert_channel(chip, x, np.hypot(0.3, lumped(chip, x, 0.5 * chip.program.readout.weight_scale)))


def test_all_gaussian_sources_add_in_variance(chip_with, x):
    chip = chip_with(Noise(read_sigma=0.2, weight_sigma=0.05), multiplier=0.5)
    assert_channel(chip, x, np.sqrt(0.15**2 + 0.2**2 + lumped(chip, x, 0.05) ** 2))


@pytest.mark.parametrize("family", ["gaussian", "logistic", "uniform"])
def test_family(chip_with, x, family):
    assert_channel(
        chip_with(Noise(family=family, read_sigma=0.4), multiplier=0.0), x, 0.4, LAWS[family]
    )
    moved = chip_with(Noise(family=family, read_sigma=0.4)).probabilities(x)
    assert (np.abs(moved - chip_with(Noise(read_sigma=0.4)).probabilities(x)).max() > 1e-3) == (
        family != "gaussian"
    )


@pytest.mark.parametrize("family", ["logistic", "uniform"])
def test_family_mixes_with_the_trained_gaussian(chip_with, x, family):
    """The convolution, by a fine midpoint rule over the family's quantiles; its tails are good to
    5e-5.
    """
    chip = chip_with(Noise(family=family, read_sigma=0.4))
    nodes = 0.4 * LAWS[family].ppf((np.arange(4000) + 0.5) / 4000)
    drive = chip.drive(x[:2])
    expected = np.mean(
        [channel_of(drive + node, 0.3, chip.program.output) for node in nodes], axis=0
    )
    np.testing.assert_allclose(chip.probabilities(x[:2]), expected, rtol=0, atol=5e-5)


@pytest.mark.parametrize("bits", [1, 2, 3, 5, 8])
def test_precision_sets_levels(make_program, make_hardware, x, bits):
    """precision.output_bits: 2^b codes, all of the channel's; input and weight bits: the integers
    of the drive.
    """
    chip = Chip(make_program(bits, scale=0.9 / bits), make_hardware(bits))
    probabilities = chip.probabilities(x)
    assert probabilities.shape == (6, 5, 2**bits)
    assert_channel(chip, x, 0.3)
    assert np.unique(chip.program.input.codes(x)).size <= 2**bits
    drives = (chip.drive(x) - chip.program.readout.bias) / (
        chip.program.readout.weight_scale * chip.program.input.scale
    )
    np.testing.assert_allclose(drives, np.rint(drives), atol=1e-9)


def test_prices_random_bits_and_reliability_move_joules_and_no_code(make_program, make_hardware, x):
    hardware = make_hardware()
    codes = Chip(make_program(), hardware).sample(x, 50, 1).codes
    others = (
        hardware.replace(random=RandomSource(random_bits_per_code=1)),
        hardware.replace(reliability=Reliability(s=3.0)),
        hardware.replace(accumulator_bits=40),
        hardware.replace(prices=hardware.prices.model_copy(update={"voltage_v": 0.5})),
    )
    for other in others:
        assert np.array_equal(Chip(make_program(), other).sample(x, 50, 1).codes, codes)


def test_lumped_weight_noise_equals_noise_on_every_weight(chip_with, x):
    """Fresh Gaussian noise on each weight and read, against one draw of sigma |x| per neuron: mean
    and covariance of the drive.

    Statistical: every entry within 5.7 standard errors (30 entries, false-fail rate below 1e-6);
    noise of another sigma is the negative control.
    """
    chip = chip_with(Noise(weight_sigma=0.1), multiplier=0.0)
    reads = 40_000
    sigma = 0.1
    program = chip.program
    quantised = program.input.values(program.input.codes(x[:1]))[0].astype(float)
    random = np.random.default_rng(4)
    weights = (
        program.readout.weight_scale * program.readout.weight_codes
        + sigma * random.standard_normal((reads, *program.readout.weight_codes.shape))
    )
    explicit = weights @ quantised + program.readout.bias
    mean, spread = chip.drive(x[:1])[0], lumped(chip, x[:1], sigma)[0, 0]
    np.testing.assert_allclose(chip.sigmas(x[:1])[0], spread)

    def errors(assumed):
        mean_z = (explicit.mean(axis=0) - mean) / (assumed / np.sqrt(reads))
        products = (explicit - mean).T @ (explicit - mean) / reads - assumed**2 * np.eye(5)
        return np.abs(mean_z).max(), np.abs(
            products / (assumed**2 * np.sqrt((1 + np.eye(5)) / reads))
        ).max()

    assert max(errors(spread)) < 5.7
    assert max(errors(1.05 * spread)) > 5.7
