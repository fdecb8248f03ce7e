"""Moments that some posterior has, and that are those of the draws beside them."""

import numpy as np
from numpy.typing import NDArray

from stochsim.settings import SettingError

_TOLERANCE = 1e-6
_OF_DRAWS = 1e-3
"""In units of the sd: how far stored moments may be from those of the float32 draws."""


def check_moments(sd: NDArray[np.float64], covariance: NDArray[np.float64]) -> None:
    """Raise SettingError for an sd (stimulus, neuron) that is not above 0 or not that of the
    covariance (stimulus, neuron, neuron), and a covariance that is not symmetric or correlates
    beyond 1.
    """
    if not (sd > 0).all():
        raise SettingError.of("sd", float(sd.min()), "should be above 0")
    variances = np.diagonal(covariance, axis1=1, axis2=2)
    if not np.allclose(variances, np.square(sd), rtol=_TOLERANCE, atol=0):
        rule = "should be the square roots of the diagonal of 'covariance'"
        raise SettingError.of("sd", rule=rule, also=("covariance",))
    scale = sd[:, :, None] * sd[:, None, :]
    if (np.abs(covariance - covariance.swapaxes(1, 2)) > _TOLERANCE * scale).any():
        raise SettingError.of("covariance", rule="should be symmetric")
    largest = float((np.abs(covariance) / scale).max())
    if largest > 1 + _TOLERANCE:
        rule = f"has a correlation of {largest:.4g}: at most 1 in size"
        raise SettingError.of("covariance", rule=rule)


def check_draws(
    draws: NDArray[np.float32], mean: NDArray[np.float64], sd: NDArray[np.float64]
) -> None:
    """Raise SettingError unless mean and sd (stimulus, neuron) are those of the draws (stimulus,
    draw, neuron).
    """
    found = draws.mean(axis=1, dtype=np.float64)
    if (np.abs(found - mean) > _OF_DRAWS * sd + _TOLERANCE * np.abs(mean)).any():
        raise SettingError.of("mean", rule="should be the mean of the draws")
    if not np.allclose(draws.std(axis=1, ddof=1, dtype=np.float64), sd, rtol=_OF_DRAWS, atol=0):
        raise SettingError.of("sd", rule="should be that of the draws")
