"""The integral over the contrast against scipy's adaptive quadrature, and its peak against the
equation that defines it.
"""

import itertools

import numpy as np
import pytest
from scipy import integrate, special

from stochsim.models.contrast import contrast_peak, log_contrast_integral, log_gamma_constant


def adaptive(linear, curvature, shape):
    """The same integral over log z, in pieces around the peak."""
    peak, width = contrast_peak(np.array(linear), np.array(curvature), shape)
    start = float(np.log(peak))

    def exponent(t):
        return shape * t + linear * np.exp(t) - 0.5 * curvature * np.exp(2 * t)

    reach = [
        -90 / shape - 5,
        -40 * width,
        -12 * width,
        -4 * width,
        0,
        4 * width,
        12 * width,
        40 * width,
    ]
    places = start + np.unique(np.clip(reach, reach[0], 8))
    pieces = [
        integrate.quad(
            lambda t: np.exp(exponent(t) - exponent(start)), *ends, epsabs=0, epsrel=1e-12
        )[0]
        for ends in itertools.pairwise(places)
    ]
    return exponent(start) + np.log(sum(pieces))


@pytest.mark.parametrize(
    ("shape", "error"), [(0.5, 4e-10), (1.0, 3e-11), (2.0, 2e-12), (5.0, 2e-12), (50.0, 2e-12)]
)
def test_integral_agrees_with_adaptive_quadrature(shape, error):
    for linear in (-100.0, -3.0, -0.1, 0.0, 0.3, 20.0):
        for curvature in (1e-3, 0.5, 30.0, 3e3):
            if linear**2 / curvature < 1e4:  # P up to 10⁴
                found = log_contrast_integral(np.array(linear), np.array(curvature), shape)
                assert found == pytest.approx(
                    adaptive(linear, curvature, shape), abs=error, rel=1e-13
                )


def test_without_a_signal_it_is_the_gamma_function():
    """a = 0: ∫ z^(k−1) exp(−β z) dz = Γ(k)/β^k, so with its constant the density of the prior
    integrates to 1.
    """
    for shape, error in ((0.5, 4e-10), (2.0, 2e-12), (7.0, 2e-12)):
        for rate in (1e-3, 2.0, 1e4):
            log_mass = log_contrast_integral(np.array([-rate]), np.zeros(1), shape)
            assert log_mass[0] == pytest.approx(
                special.gammaln(shape) - shape * np.log(rate), abs=error, rel=1e-13
            )
            assert log_mass[0] + log_gamma_constant(shape, rate) == pytest.approx(
                0, abs=max(error, 1e-11)
            )


def test_peak_solves_its_equation_without_loss_of_digits():
    linear = np.array([-1e8, -3.0, 0.0, 3.0, 1e8, -2.0])
    curvature = np.array([1e-8, 1.0, 2.0, 1e-4, 1e8, 0.0])
    peak, width = contrast_peak(linear, curvature, 2.0)
    terms = np.stack([np.full(6, 2.0), linear * peak, -curvature * peak**2])
    assert (np.abs(terms.sum(axis=0)) <= 1e-14 * np.abs(terms).max(axis=0)).all()
    np.testing.assert_allclose(width, (2.0 + curvature * peak**2) ** -0.5, rtol=1e-15)
