"""The approximate quantile keeps its bound; single thresholds are those of
`channel.fill_thresholds`.
"""

import numpy as np
import pytest
from scipy import special
from stochsim_kernels._jit import inline
from stochsim_kernels.neuron import channel, nearest_edge, quantile
from stochsim_kernels.neuron.quantile_octaves import OCTAVES
from stochsim_kernels.neuron.simd import LANES
from stochsim_kernels.processor import AVX512, processor_has

ONE = 2**31


WAYS = {
    "octaves": pytest.param(
        True,
        marks=pytest.mark.skipif(not processor_has(AVX512), reason="a processor without AVX-512"),
    ),
    "logarithm": pytest.param(False),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys(), scope="module")
def quantiles(request):
    """t(u) of integers, by one of the two ways; compiled here, for Numba's cache does not tell them
    apart.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantile, "processor_has", lambda _: request.param)

        @inline
        def fill_quantiles(halves, out):
            for first in range(0, halves.size, LANES):
                quantile.quantile_block(first, halves, out)

        fill_quantiles(np.zeros((1, LANES), np.uint32), np.empty((1, LANES), np.float32))
    return lambda u: _quantiles(fill_quantiles, u)


def _quantiles(fill_quantiles, u):
    u = np.asarray(u, np.int64)
    halves = np.zeros((1, -(-u.size // LANES) * LANES), np.uint32)
    halves[0, : u.size] = 2 * u
    out = np.empty(halves.shape, np.float32)
    fill_quantiles(halves, out)
    return out[0, : u.size]


def error(quantiles, u):
    """Largest |t(u) - exact|, exact from the nearer tail."""
    below = np.minimum(u, ONE - 1 - u)
    exact = np.where(u < ONE // 2, 1.0, -1.0) * special.ndtri((below + 0.5) / ONE)
    return np.abs(quantiles(u).astype(np.float64) - exact).max()


def borders():
    """Integers where the mantissa of 1 - x^2 begins anew: the cells of the logarithm, from the tail
    to the middle.
    """
    product = 2.0 ** -np.arange(0.0, 31.0)
    return np.unique(np.round(ONE / 2 * (1 - np.sqrt(1 - product))).astype(np.int64))


def test_error_stays_below_its_bound(quantiles):
    """Both tails, the middle, the borders of all cells and of octaves and every 509th integer; over
    all 2^31 of them the largest error is 1.74e-6 by the logarithm, 7.4e-7 by octaves.
    """
    near = np.arange(-2_000, 2_001)
    covers = [np.arange(2**18), ONE // 2 + np.arange(-(2**17), 2**17), np.arange(0, ONE, 509)]
    octaves = 2 ** np.arange(1, 30)
    covers += [(border + near).clip(0, ONE - 1) for border in (*borders(), *octaves)]
    both = [(cover, ONE - 1 - cover) for cover in covers]
    worst = max(error(quantiles, u) for pair in both for u in pair)
    assert 3e-7 < worst < 2e-6 < quantile.T_ERROR


@pytest.mark.parametrize("octave", range(31))
def test_polynomials_are_the_inverse_normal_in_their_octave(octave):
    """In float64; the negative control is that of the next octave."""
    y = np.linspace(-0.5, 0.5, 1001)
    exact = -special.ndtri((1.5 + y) * 2.0 ** (octave - 32))
    found, next_one = (
        np.polynomial.Polynomial(OCTAVES[e].astype(float))(y) for e in (octave, (octave + 1) % 31)
    )
    assert np.abs(found - exact).max() < 6e-7
    assert np.abs(next_one - exact).max() > 0.05


def test_quantiles_are_antisymmetric(quantiles):
    u = np.arange(0, ONE // 2, 4_999)
    assert np.array_equal(quantiles(u), -quantiles(ONE - 1 - u))


@pytest.mark.parametrize("family", ["gaussian", "logistic", "uniform"])
def test_single_thresholds_are_those_of_the_table(family):
    """Sigmas of 0, of a share that is neglected, and usual ones; edges out to infinity and at the
    drive itself.
    """
    edges = np.array([-np.inf, -60.0, -6.0, -1.0, -1e-3, 0.0, 0.5, 2.0, 6.0, 60.0, np.inf])
    law = channel.NeuronLaw(channel.FAMILIES[family], channel.IDENTITY, edges, 0.0, 1.0, 0)
    grid = [0.0, 1e-300, 1e-7, 0.3, 1.0, 1e9]
    for sigma in grid:
        for other in grid:
            if sigma == 0.0 and other == 0.0:
                continue
            drive = np.array([[-0.4, 0.0, 0.5, 1e5]])
            out = np.empty((1, edges.size, 4), np.uint32)
            sigmas, others = np.full((1, 4), sigma), np.full((1, 4), other)
            channel.fill_thresholds(drive, sigmas, others, law, out)
            single = [
                [
                    nearest_edge.threshold(edge, a, sigma, other, channel.FAMILIES[family])
                    for a in drive[0]
                ]
                for edge in edges
            ]
            assert np.array_equal(single, out[0]), (sigma, other)
