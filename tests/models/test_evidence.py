"""The evidence lower bound of samples: the evidence itself where the answer is the posterior, and
the entropy's estimate without bias.
"""

import math

import numpy as np
import pytest
from scipy import stats
from stattest import assert_mean

from stochsim.models import LinearGaussian, LinearGaussianModel
from stochsim.models.evidence import elbo, gaussian_entropy

INPUTS = 5
NEURONS = 4
NOISE_SD = 0.6
SETTINGS = LinearGaussian(neurons=NEURONS, noise_sd=NOISE_SD)


def model_of(orthogonal):
    decoder = np.random.default_rng(2).normal(size=(INPUTS, NEURONS))
    return LinearGaussianModel(
        np.linalg.qr(decoder)[0] * [0.3, 0.8, 1.5, 2.0] if orthogonal else decoder, NOISE_SD
    )


def log_evidence(model, x):
    """log N(x; 0, A Aᵀ + s_x² I) per stimulus, without the constants that log_joint leaves out."""
    covariance = model.decoder @ model.decoder.T + model.noise_sd**2 * np.eye(model.inputs)
    left_out = -0.5 * INPUTS * math.log(2 * math.pi * NOISE_SD**2) - 0.5 * NEURONS * math.log(
        2 * math.pi
    )
    return stats.multivariate_normal(np.zeros(model.inputs), covariance).logpdf(x) - left_out


def cubature(mean, sigma):
    """2 N values (stimulus, 2 N, neuron) whose averages of every quadratic are those of N(mean,
    sigma²).
    """
    points = math.sqrt(NEURONS) * np.concatenate([np.eye(NEURONS), -np.eye(NEURONS)])
    return mean[:, None] + np.atleast_2d(sigma)[:, None] * points


def test_it_is_the_evidence_of_every_stimulus_where_the_answer_is_the_posterior():
    model = model_of(orthogonal=True)
    x, _ = model.sample(20, 3)
    mean, covariance = model.posterior(x)
    sigma = np.sqrt(np.diag(covariance))
    for spread in (sigma, np.tile(sigma, (20, 1))):
        np.testing.assert_allclose(
            elbo(cubature(mean, sigma), x, model.decoder, SETTINGS, spread),
            log_evidence(model, x),
            atol=1e-9,
        )


@pytest.mark.parametrize("off", [0.8, 1.2])
def test_it_misses_the_evidence_by_the_divergence_from_the_posterior(off):
    """KL between Gaussians that differ in sd by `off`, and in mean by 0.3 posterior sd in every
    neuron.
    """
    model = model_of(orthogonal=True)
    x, _ = model.sample(20, 3)
    mean, covariance = model.posterior(x)
    sigma = np.sqrt(np.diag(covariance))
    gap = NEURONS * (0.5 * (off**2 + 0.3**2 - 1) - math.log(off))
    found = elbo(cubature(mean + 0.3 * sigma, off * sigma), x, model.decoder, SETTINGS, off * sigma)
    np.testing.assert_allclose(found, log_evidence(model, x) - gap, atol=1e-9)


def test_noise_of_zero_has_no_entropy_and_only_its_own_stimulus_is_not_available():
    model = model_of(orthogonal=True)
    x, _ = model.sample(3, 3)
    sigma = np.full((3, NEURONS), 0.5)
    sigma[1, 2] = 0
    found = elbo(cubature(np.zeros((3, NEURONS)), sigma), x, model.decoder, SETTINGS, sigma)
    assert np.isnan(found).tolist() == [False, True, False]


def entropy(covariance):
    return 0.5 * (NEURONS * math.log(2 * math.pi * math.e) + np.linalg.slogdet(covariance)[1])


def drawn(reads, count=2000):
    """Values (stimulus, read, neuron) of one correlated Gaussian, and its covariance."""
    root = np.random.default_rng(0).normal(size=(NEURONS, NEURONS))
    return np.random.default_rng(1).normal(size=(count, reads, NEURONS)) @ root.T, root @ root.T


def plug_in(values):
    return np.array([entropy(np.cov(one, rowvar=False)) for one in values])


@pytest.mark.parametrize("reads", [6, 40])
def test_the_entropy_of_a_gaussian_is_estimated_without_bias(reads):
    """2,000 independent estimates; what the covariance itself would say is too low by N (N + 1) /
    (4 reads), which must be seen.
    """
    values, covariance = drawn(reads)
    assert_mean(gaussian_entropy(values), entropy(covariance))
    with pytest.raises(AssertionError):
        assert_mean(plug_in(values), entropy(covariance))


def test_the_entropy_moves_with_the_scale_as_it_must():
    values, _ = drawn(20, 5)
    np.testing.assert_allclose(
        gaussian_entropy(3 * values + 7), gaussian_entropy(values) + NEURONS * math.log(3)
    )
    single = gaussian_entropy(values[:, :, :1])
    np.testing.assert_allclose(
        np.exp(2 * (single[0] - single[1])), values[0, :, 0].var() / values[1, :, 0].var()
    )


def test_a_singular_covariance_has_no_entropy():
    values, _ = drawn(20, 3)
    values[1, :, 0] = 2.0
    assert np.isnan(gaussian_entropy(values)).tolist() == [False, True, False]
    assert np.isnan(
        gaussian_entropy(values[:, :NEURONS])
    ).all()  # as many reads as neurons: the mean takes one
    assert np.isfinite(gaussian_entropy(values[[0, 2], : NEURONS + 1])).all()


def posterior_samples(shrink=1.0):
    """x, 40 reads of each of 2,000 stimuli from the correlated posterior, its covariance times
    shrink², and the evidence.
    """
    model = model_of(orthogonal=False)
    x, _ = model.sample(2000, 3)
    mean, covariance = model.posterior(x)
    normal = np.random.default_rng(4).normal(size=(2000, 40, NEURONS))
    values = mean[:, None] + shrink * normal @ np.linalg.cholesky(covariance).T
    return elbo(values, x, model.decoder, SETTINGS, None) - log_evidence(model, x)


def test_without_a_sigma_samples_of_a_correlated_posterior_have_the_evidence():
    assert_mean(posterior_samples(), 0)


def test_samples_that_are_too_narrow_miss_it():
    """At 0.8 of the sd the divergence is 4 (0.5 (0.64 - 1) - log 0.8) = 0.17 nat."""
    off = posterior_samples(0.8)
    assert_mean(off, -NEURONS * (0.5 * (0.64 - 1) - math.log(0.8)))
    with pytest.raises(AssertionError):
        assert_mean(off, 0)
