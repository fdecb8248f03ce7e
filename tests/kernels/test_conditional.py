"""Draws of one coordinate of a Laplace posterior against SciPy, quadrature and closed forms."""

import numpy as np
import pytest
from scipy import special
from stochsim_kernels._jit import inline
from stochsim_kernels.posterior import conditional
from stochsim_kernels.random.normal import normal_quantile
from stochsim_kernels.reference import coordinate_gibbs

EXTREME_U = np.concatenate([[2.0**-54, 1 - 2.0**-53], np.linspace(0.001, 0.999, 41)])


def of_each(function):
    """The function of every item, as kernels call it."""

    @inline
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    def call(x):
        out = np.empty_like(x)
        loop(x, out)
        return out

    return call


def draws(u, g, root_precision, inverse_scale=1.0):
    """As many lanes as items of u and g."""
    out = np.full(u.shape, np.nan)
    working = conditional.working_lanes(u.size)
    conditional.draw_lanes(u, g, root_precision, inverse_scale, working, out)
    return out


def test_normal_quantile_agrees_with_scipy_to_1e_14():
    p = np.concatenate(
        [
            10.0 ** -np.linspace(0.31, 307, 3000),
            np.linspace(1e-6, 1 - 1e-6, 5000),
            1 - 10.0 ** -np.linspace(1, 15, 300),
        ]
    )
    ours, theirs = np.array([normal_quantile(value) for value in p]), special.ndtri(p)
    np.testing.assert_allclose(ours, theirs, rtol=1e-14)


def test_exponential_agrees_with_numpy():
    x = -np.linspace(0, 699, 20_001)
    np.testing.assert_allclose(of_each(conditional.exp_of_negative)(x), np.exp(x), rtol=1e-15)


def test_logarithm_agrees_with_numpy():
    x = np.concatenate([10.0 ** np.linspace(-300, 3, 20_000), 1 + np.linspace(-0.4, 0.4, 999)])
    found = of_each(conditional.log_of_positive)(x)
    np.testing.assert_allclose(found, np.log(x), rtol=1e-15, atol=1e-18)


def test_mills_ratio_agrees_with_scipy():
    t = np.concatenate([np.linspace(0, 40, 4001), np.geomspace(40, 1e12, 300)])
    expected = np.sqrt(np.pi / 2) * special.erfcx(t / np.sqrt(2))
    np.testing.assert_allclose(of_each(conditional.mills_ratio)(t), expected, rtol=5e-14)


@pytest.mark.parametrize("root_precision", [0.01, 0.1, 1.0, 2.0, 30.0])
def test_draws_agree_with_the_reference_implementation(root_precision):
    u, g = (each.ravel() for each in np.meshgrid(EXTREME_U, np.linspace(-60, 60, 121)))
    theirs = coordinate_gibbs.laplace_conditional(u, g, root_precision, 1.0)
    np.testing.assert_allclose(draws(u, g, root_precision), theirs, rtol=1e-8, atol=1e-10)
    other = coordinate_gibbs.laplace_conditional(u, g + 1e-6, root_precision, 1.0)
    assert not np.allclose(draws(u, g, root_precision), other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("edge", [0.0, 4.9, 6.7, 25.9, 26.1, 45.0, 300.0])
def test_tails_agree_with_log_probabilities(edge):
    """With g = 0 and G = 1 both halves are normals beyond 1/b; u near 1 are the outermost draws."""
    v = np.concatenate([10.0 ** -np.linspace(0.5, 15, 60), np.linspace(0.01, 0.49, 50)])
    u = 1 - v  # rounded, so v is what is left
    found = draws(u, np.zeros(u.shape), 1.0, edge)
    theirs = coordinate_gibbs.tail_excess(np.full(u.shape, edge), 2 * (1 - u))
    np.testing.assert_allclose(found, theirs, rtol=1e-9, atol=1e-13 + 1e-14 * edge**2)


def test_tail_is_exponential_far_out():
    """exp(−|r|/b) alone where the coordinate is silent: r = −b log(2 (1 − u))."""
    u = np.array([0.5005, 0.75, 1 - 1e-9])
    expected = -np.log(2 * (1 - u)) / 3
    np.testing.assert_allclose(draws(u, np.zeros(3), 1e-9, 3.0), expected, rtol=1e-12)


def test_draws_invert_the_distribution_function():
    """Against quadrature of the density itself: u comes back from the draw."""
    g = 1.3
    precision = 2.5
    inverse_scale = 0.8
    grid = np.linspace(-8, 8, 400_001)
    density = np.exp(-0.5 * precision * grid**2 + g * grid - inverse_scale * np.abs(grid))
    cdf = np.cumsum(density) / density.sum()
    u = np.linspace(0.02, 0.98, 49)
    r = draws(u, np.full(u.shape, g), np.sqrt(precision), inverse_scale)
    np.testing.assert_allclose(np.interp(r, grid, cdf), u, atol=1e-4)
    assert np.all(np.diff(r) > 0)


def test_a_lane_does_not_depend_on_the_others():
    random = np.random.default_rng(5)
    u = random.random(conditional.LANES)
    g = random.normal(0, 30, u.shape)  # edges near and far, in one group
    together = draws(u, g, 1.0)
    alone = [draws(u[[i]], g[[i]], 1.0)[0] for i in range(u.size)]
    assert np.array_equal(together, alone)
    assert not np.array_equal(together, draws(u[::-1].copy(), g, 1.0))
