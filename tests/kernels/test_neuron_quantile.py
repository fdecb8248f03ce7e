"""The approximate quantile keeps its bound; single thresholds are those of
`channel.fill_thresholds`.
"""

import numpy as np
import pytest
from scipy import special
from stochsim_kernels._jit import helper
from stochsim_kernels.neuron import channel, nearest_edge, quantile
from stochsim_kernels.neuron.simd import LANES

ONE = 2**31


@helper
def fill_quantiles(halves, out):
    for first in range(0, halves.size, LANES):
        quantile.quantile_block(first, halves, out)


def quantiles(u):
    u = np.asarray(u, np.int64)
    halves = np.zeros((1, -(-u.size // LANES) * LANES), np.uint32)
    halves[0, : u.size] = 2 * u
    out = np.empty(halves.shape, np.float32)
    fill_quantiles(halves, out)
    return out[0, : u.size]


def error(u):
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


def test_error_stays_below_its_bound():
    """Both tails, the middle, the borders of all cells and every 509th integer; over all 2^31 of
    them the largest error is 1.74e-6.
    """
    near = np.arange(-2_000, 2_001)
    covers = [np.arange(2**18), ONE // 2 + np.arange(-(2**17), 2**17), np.arange(0, ONE, 509)]
    covers += [(border + near).clip(0, ONE - 1) for border in borders()]
    worst = max(max(error(cover), error(ONE - 1 - cover)) for cover in covers)
    assert 1e-6 < worst < 2e-6 < quantile.T_ERROR


def test_quantiles_are_antisymmetric():
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
