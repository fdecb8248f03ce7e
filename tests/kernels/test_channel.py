"""The channel: thresholds against the definition, against quadrature where families meet, and
exactly without noise.
"""

import itertools

import numpy as np
import pytest
from scipy import special, stats
from stochsim_kernels._jit import helper
from stochsim_kernels.neuron import channel, normal_cdf
from stochsim_kernels.reference import neuron_codes as reference

ONE = 2**31
OTHERS = [family for family in channel.FAMILIES if family != "gaussian"]
DRIVES = np.array([[-2.3, -0.4, 0.0], [0.06, 0.51, 1.9]])


def quantiser(bits, scale=0.25):
    """(z, step, c_min, levels) of a b-bit output with the conventions of Brevitas."""
    return (-scale, 2 * scale, 0, 2) if bits == 1 else (0.0, scale, -(2 ** (bits - 1)), 2**bits)


def thresholds(drive, sigma, other, family, activation, z, step, c_min, levels):
    """Kernel thresholds (stimulus, levels - 1, neuron) as int64; sigma and other broadcast to the
    drives.
    """
    numbers = channel.FAMILIES[family], channel.ACTIVATIONS[activation]
    law = channel.neuron_law(*numbers, z, step, c_min, levels)
    out = np.empty((drive.shape[0], levels - 1, drive.shape[1]), np.uint32)
    sigmas = [
        np.ascontiguousarray(np.broadcast_to(np.asarray(value, float), drive.shape))
        for value in (sigma, other)
    ]
    channel.fill_thresholds(drive, *sigmas, law, out)
    return out.astype(np.int64)


def noiseless_codes(drive, activation, z, step, c_min, levels):
    """Codes at sigma = 0 from the thresholds, which must all be 0 or 2^31."""
    table = thresholds(drive, 0.0, 0.0, "gaussian", activation, z, step, c_min, levels)
    assert np.isin(table, (0, ONE)).all()
    return c_min + (table == 0).sum(axis=1)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("activation", channel.ACTIVATIONS)
@pytest.mark.parametrize(
    ("family", "sigma", "other"),
    [("gaussian", 0.3, 0.4), *((family, 0.0, 0.5) for family in OTHERS)],
)
def test_thresholds_equal_the_reference_implementation(bits, activation, family, sigma, other):
    """±1: the last place of erfc and exp differs between libraries."""
    arguments = (DRIVES, sigma, other, family, activation, *quantiser(bits))
    law = reference.PlainLaw(*arguments[3:])
    expected = reference.thresholds(*arguments[:3], law).astype(np.int64)
    assert np.abs(thresholds(*arguments) - expected).max() <= 1


@pytest.mark.parametrize("activation", ["identity", "tanh"])
@pytest.mark.parametrize("family", OTHERS)
def test_thresholds_of_mixed_families_equal_the_reference_implementation(activation, family):
    arguments = (DRIVES[:, 1:], 0.2, 0.4, family, activation, *quantiser(2))
    law = reference.PlainLaw(*arguments[3:])
    expected = reference.thresholds(*arguments[:3], law).astype(np.int64)
    assert np.abs(thresholds(*arguments) - expected).max() <= 1


@pytest.mark.parametrize("family", ["logistic", "uniform"])
@pytest.mark.parametrize(
    "ratio", [1e-12, 1e-9, 1e-6, 1e-4, 0.01, 0.1, 0.5, 1.0, 2.0, 10.0, 100.0, 1e4, 1e6]
)
def test_mixed_families_agree_with_quadrature(family, ratio):
    """Gaussian sigma = ratio × the other sigma; within 1e-9, at the kinks of the uniform
    distribution too.
    """
    sigma, other = 0.7 * ratio, 0.7
    spread = np.hypot(sigma, other)
    corner = np.sqrt(3) * other
    for t in [
        -6 * spread,
        -spread,
        -0.1 * spread,
        0.0,
        0.3 * spread,
        2 * spread,
        corner,
        corner - sigma,
        -corner + 0.5 * sigma,
    ]:
        ours = channel.noise_cdf(t, sigma, other, channel.FAMILIES[family])
        assert ours == pytest.approx(reference.noise_cdf(t, sigma, other, family), rel=0, abs=1e-9)


@pytest.mark.parametrize("family", ["logistic", "uniform", "triangular"])
@pytest.mark.parametrize("distance", [1e3, 1e9, 1e15])
def test_mixed_families_far_out_are_certain(family, distance):
    for t, expected in ((-distance, 0.0), (distance, 1.0)):
        assert channel.noise_cdf(t, 0.5, 0.1, channel.FAMILIES[family]) == expected


@pytest.mark.parametrize("ratio", [1e-12, 9e-6, 1e-3, 0.3, 3.0, 30.0, 199.0, 201.0, 1e4])
def test_triangular_dither_under_gaussian_noise_is_right_to_1e_10(ratio):
    """Far below the grid of 2^-31, also at ratio 200, where the second difference loses most and
    the Gaussian takes over.
    """
    sigma, other = 0.7 * ratio, 0.7
    corner = np.sqrt(6) * other
    for t in (
        *np.hypot(sigma, other) * np.array([-5.0, -0.74, -0.1, 0.0, 0.3, 2.33]),
        corner,
        0.5 * sigma - corner,
    ):
        ours = channel.noise_cdf(t, sigma, other, channel.TRIANGULAR)
        assert ours == pytest.approx(
            reference.noise_cdf(t, sigma, other, "triangular"), rel=0, abs=2e-11
        )


def test_gaussian_sources_add_in_variance():
    for t in (-1.0, 0.2, 3.0):
        assert channel.noise_cdf(t, 0.3, 0.4, channel.GAUSSIAN) == pytest.approx(
            special.ndtr(t / 0.5), abs=1e-15
        )


@pytest.mark.parametrize("family", channel.FAMILIES)
def test_families_have_unit_variance_and_the_named_law(family):
    law = {
        "gaussian": stats.norm(),
        "logistic": stats.logistic(scale=np.sqrt(3) / np.pi),
        "uniform": stats.uniform(-(3**0.5), 2 * 3**0.5),
    }
    law["triangular"] = stats.triang(0.5, -(6**0.5), 2 * 6**0.5)
    assert law[family].var() == pytest.approx(1)
    for t in np.linspace(-8, 8, 33):
        assert channel.unit_cdf(t, channel.FAMILIES[family]) == pytest.approx(
            law[family].cdf(t), abs=1e-14
        )


def test_stochastic_rounding_is_uniform_noise_of_one_step():
    """sigma = step / sqrt(12): P(code) is the linear interpolation between neighbouring codes."""
    z, step, c_min, levels = quantiser(4)
    drive = np.linspace(-1.0, 0.9, 39)[:, None]
    below = (
        thresholds(drive, 0.0, step / np.sqrt(12), "uniform", "identity", z, step, c_min, levels)[
            :, :, 0
        ]
        / ONE
    )
    mean = c_min + (1 - below).sum(axis=1)
    np.testing.assert_allclose(mean * step, drive[:, 0], atol=1e-8)


def test_triangular_dither_makes_mean_and_variance_of_the_code_independent_of_the_drive():
    """sigma = step / sqrt(6): the mean value is the drive and the variance step^2 / 4; stochastic
    rounding has the mean alone.
    """
    z, step, c_min, levels = quantiser(4)
    drive = np.linspace(-1.0, 0.9, 39)[:, None]

    def moments(family, sigma):
        below = (
            thresholds(drive, 0.0, sigma, family, "identity", z, step, c_min, levels)[:, :, 0] / ONE
        )
        probability = np.diff(below, axis=1, prepend=0.0, append=1.0)
        value = step * (c_min + np.arange(levels))
        mean = probability @ value
        return mean, probability @ value**2 - mean**2

    mean, variance = moments("triangular", step / np.sqrt(6))
    np.testing.assert_allclose(mean, drive[:, 0], atol=1e-8)
    np.testing.assert_allclose(variance, step**2 / 4, atol=1e-8)
    assert np.ptp(moments("uniform", step / np.sqrt(12))[1]) > 0.2 * step**2


@pytest.mark.parametrize(
    ("weight_bits", "input_bits", "output_bits"), list(itertools.product((1, 2, 3, 4), repeat=3))
)
def test_noiseless_codes_round_half_to_even_for_every_sum(weight_bits, input_bits, output_bits):
    """Every integer that a sum over three inputs can reach, at scales that are powers of two: ties
    are frequent and go to the even code.
    """
    largest = 3 * 2 ** (max(weight_bits, 2) - 1) * 2 ** (max(input_bits, 2) - 1)
    sums = np.arange(-largest, largest + 1)
    for scale in (0.125, 0.25, 0.5, 1.0):
        drive = (scale * sums).reshape(-1, 1)
        z, step, c_min, levels = quantiser(output_bits, 0.5)
        codes = noiseless_codes(drive, "identity", z, step, c_min, levels)[:, 0]
        rounded = (
            (drive[:, 0] >= 0).astype(int)
            if levels == 2
            else np.clip(np.round(drive[:, 0] / step), c_min, c_min + levels - 1)
        )
        assert np.array_equal(codes, rounded)


def test_ties_are_in_that_test_and_matter():
    drive = 0.25 * np.arange(-15.0, 16.0)[:, None]
    z, step, c_min, levels = quantiser(4, 0.5)
    codes = noiseless_codes(drive, "identity", z, step, c_min, levels)[:, 0]
    half_up = np.clip(np.floor(drive[:, 0] / step + 0.5), c_min, c_min + levels - 1)
    assert (codes != half_up).sum() >= 7


@pytest.mark.parametrize("activation", channel.ACTIVATIONS)
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_noiseless_codes_equal_the_reference_implementation(activation, bits):
    drive = np.round(np.linspace(-3, 3, 97), 4).reshape(-1, 1)  # 0 and ties among them
    arguments = (activation, *quantiser(bits))
    law = reference.PlainLaw("gaussian", *arguments)
    expected = [reference.noiseless_code(a, law) for a in drive[:, 0].tolist()]
    assert noiseless_codes(drive, *arguments)[:, 0].tolist() == expected


def test_one_bit_drive_0_gives_1_and_neighbours_their_sign():
    drive = np.array([[0.0, -0.0, -1e-12, 1e-12]])
    assert noiseless_codes(drive, "identity", *quantiser(1, 0.8)).tolist() == [[1, 1, 0, 1]]


@pytest.mark.parametrize("family", channel.FAMILIES)
def test_certain_codes_have_exact_thresholds(family):
    """A drive 50 sigma inside a wide cell: probabilities 0 and 1 are 0 and 2^31, not one less."""
    z, step, c_min, levels = quantiser(2, 1.0)
    table = thresholds(np.array([[0.0]]), 0.01, 0.0, family, "identity", z, step, c_min, levels)
    assert table[0, :, 0].tolist() == [0, 0, ONE]


@pytest.mark.parametrize("activation", channel.ACTIVATIONS)
@pytest.mark.parametrize("family", channel.FAMILIES)
@pytest.mark.parametrize("bits", [4, 8])
def test_thresholds_grow_with_the_code_and_fall_with_the_drive(activation, family, bits):
    drive = np.sort(np.random.default_rng(2).normal(0, 2, (1, 400)))
    for sigma, other in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.3, 0.3), (1e-3, 0.0)):
        table = thresholds(drive, sigma, other, family, activation, *quantiser(bits, 4 / 2**bits))[
            0
        ]
        assert (
            np.diff(table, axis=0) >= -1
        ).all()  # ±1: mixtures are sums, whose last place may differ
        assert (np.diff(table, axis=1) <= 1).all()
        assert table.min() >= 0
        assert table.max() <= ONE


def test_codes_out_of_reach_of_the_activation_have_probability_0():
    z, step, c_min, levels = quantiser(3, 0.5)
    for activation, lowest, highest in (("relu", 0, 3), ("tanh", -2, 2), ("step", 0, 2)):
        below = thresholds(DRIVES, 5.0, 0.0, "gaussian", activation, z, step, c_min, levels)
        probabilities = np.diff(below, axis=1, prepend=0, append=ONE)
        possible = c_min + np.flatnonzero(probabilities.any(axis=(0, 2)))
        assert (possible.min(), possible.max()) == (lowest, highest)


def test_the_table_of_the_normal_cdf_is_exact_to_its_last_places():
    """On random points, on the table's own points and half way between them, where the Taylor
    series reaches farthest.
    """

    @helper
    def tabled(t, out):
        for i in range(t.size):
            out[i] = normal_cdf.tabled_normal_cdf(t[i])

    grid = np.arange(-6.4, 6.4, 1 / 32)
    t = np.concatenate(
        [
            grid,
            np.nextafter(grid, 7),
            np.random.default_rng(3).uniform(-6.4, 6.4, 100_000),
            [-6.4, 6.4],
        ]
    )
    out = np.empty_like(t)
    tabled(t, out)
    assert np.abs(out - special.ndtr(t)).max() <= 1e-15


def test_every_activation_has_its_response_in_numpy():
    """Equal to the reference implementation's, and the inverse of the edges' own."""
    assert list(channel.RESPONSES) == list(channel.ACTIVATIONS)
    drive = np.linspace(-3, 3, 41)
    for name, response in channel.RESPONSES.items():
        expected = reference._ACTIVATIONS[name](drive)
        np.testing.assert_allclose(response(drive), expected, rtol=1e-14, atol=1e-15)
