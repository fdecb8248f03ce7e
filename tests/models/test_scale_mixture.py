"""Gaussian scale mixture: density, posterior by quadrature over z, exact draws, and the limits in
which it is another model.
"""

import numpy as np
import pytest
from scipy import integrate, special, stats
from stattest import assert_mean

from stochsim.models import GaussianScaleMixtureModel, LinearGaussianModel
from stochsim.settings import SettingError

FALSE_FAIL = 1e-6


def model(inputs=3, neurons=2, noise_sd=0.7, **contrast):
    return GaussianScaleMixtureModel(
        np.random.default_rng(0).standard_normal((inputs, neurons)), noise_sd, **contrast
    )


STIMULI = np.array([[0.0, 0.0, 0.0], [1.0, -0.4, 0.7], [4.0, 3.0, -6.0]])


def test_likelihood_is_the_integral_over_the_contrast():
    for shape, rate in ((2.0, 2.0), (0.5, 3.0), (9.0, 0.5)):
        m = model(contrast_shape=shape, contrast_rate=rate)
        x, r = m.sample(4, key=1)
        found = m.log_likelihood(x, r)
        for stimulus, response, value in zip(x, r, found, strict=True):

            def relative(
                t, stimulus=stimulus, response=response, value=value, m=m
            ):  # over log z: no pole where the shape is below 1
                signal = np.exp(t) * (m.decoder @ response)
                return np.exp(
                    t
                    + stats.gamma.logpdf(np.exp(t), m.contrast_shape, scale=1 / m.contrast_rate)
                    + stats.norm.logpdf(stimulus, signal, m.noise_sd).sum()
                    - value
                )

            assert integrate.quad(relative, -60, 6, limit=500, points=np.linspace(-6, 5, 12))[
                0
            ] == pytest.approx(1, abs=1e-7)


def test_leading_axes_broadcast_and_the_joint_adds_up():
    m = model()
    x, r = m.sample(4, key=1)
    all_pairs = m.log_joint(x[:, None], r[None])
    assert all_pairs.shape == (4, 4)
    assert all_pairs[1, 2] == pytest.approx(m.log_joint(x[1], r[2]), rel=1e-14)
    np.testing.assert_allclose(
        m.log_joint(x, r), m.log_likelihood(x, r) + stats.norm.logpdf(r).sum(axis=1), rtol=1e-14
    )
    alone = stats.norm.logpdf(0, scale=0.7) * 3
    assert m.log_likelihood(np.zeros(3), np.zeros(2)) == pytest.approx(alone, abs=1e-11)


def test_posterior_agrees_with_the_joint_on_a_grid_of_responses():
    """exp(log_joint) summed over a grid of r: a route that never sees p(z|x).

    A wrong prior of the contrast is found.
    """
    axis = np.linspace(-7, 7, 201)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    m = model()
    mean, covariance = m.posterior(STIMULI)
    wrong, _ = model(contrast_rate=2.02).posterior(STIMULI)
    for x, centre, spread, other in zip(STIMULI, mean, covariance, wrong, strict=True):
        weights = np.exp(m.log_joint(x, grid))
        weights /= weights.sum()
        np.testing.assert_allclose(np.einsum("ij,ijn->n", weights, grid), centre, atol=1e-8)
        off = grid - centre
        np.testing.assert_allclose(
            np.einsum("ij,ijn,ijm->nm", weights, off, off), spread, atol=1e-8
        )
        assert not x.any() or np.abs(other - centre).max() > 1e-5


def test_the_grid_is_fine_enough():
    """Twice the points change 1e-9 of the sd at most: flat, usual and far stimuli, more neurons
    than inputs, any shape of prior.
    """
    for inputs, neurons, shape in ((6, 4, 2.0), (4, 6, 2.0), (30, 20, 0.5), (200, 50, 20.0)):
        m = model(inputs, neurons, contrast_shape=shape)
        x = np.concatenate(
            [m.sample(3, key=2)[0], np.zeros((1, inputs)), 100 * m.sample(1, key=3)[0]]
        )
        coarse, fine = m.posterior(x), m.posterior(x, points=4096)
        sd = np.sqrt(np.diagonal(fine[1], axis1=1, axis2=2))
        assert np.abs((coarse[0] - fine[0]) / sd).max() < 1e-9
        assert np.abs((coarse[1] - fine[1]) / (sd[:, :, None] * sd[:, None])).max() < 1e-9
        z, probability = m.contrast_posterior(x)
        assert np.allclose(probability.sum(axis=1), 1, rtol=0, atol=1e-12)
        assert probability[:, [0, -1]].max() < 1e-15
        log_z = np.log(z)
        spread = np.sqrt(
            np.sum(
                probability * (log_z - np.sum(probability * log_z, axis=1, keepdims=True)) ** 2,
                axis=1,
            )
        )
        assert (
            0 < ((log_z[:, 1] - log_z[:, 0]) / spread).max() < 0.05
        )  # draws interpolate between points


def test_a_certain_contrast_of_1_is_the_linear_gaussian_model():
    certain = model(contrast_shape=1e8, contrast_rate=1e8)
    plain = LinearGaussianModel(model().decoder, 0.7)
    mean, covariance = certain.posterior(STIMULI)
    expected, expected_covariance = plain.posterior(STIMULI)
    np.testing.assert_allclose(mean, expected, atol=1e-6)
    np.testing.assert_allclose(covariance, np.tile(expected_covariance, (3, 1, 1)), atol=1e-6)
    r = np.array([[0.3, -1.0]])
    np.testing.assert_allclose(
        certain.log_joint(STIMULI, r), plain.log_joint(STIMULI, r), atol=1e-5
    )


def test_a_decoder_of_zeros_leaves_the_prior():
    mean, covariance = GaussianScaleMixtureModel(np.zeros((3, 2)), 0.7).posterior(STIMULI)
    np.testing.assert_allclose(mean, 0, atol=1e-12)
    np.testing.assert_allclose(covariance, np.tile(np.eye(2), (3, 1, 1)), atol=1e-12)


def uniform_p(m, x, draws):
    """p by Kolmogorov and Smirnov of each neuron's draws (stimulus, draw, neuron), put into the
    exact distribution function, pooled.
    """
    z, probability = m.contrast_posterior(x, points=128)
    uniforms = np.empty(draws.shape)
    for row in range(len(x)):
        precision = m.decoder.T @ m.decoder * (z[row] / m.noise_sd)[:, None, None] ** 2 + np.eye(
            m.neurons
        )
        inverse = np.linalg.inv(precision)
        mean = (z[row] / m.noise_sd**2)[:, None] * (inverse @ (m.decoder.T @ x[row]))
        for i in range(m.neurons):
            scores = (draws[row, :, i, None].astype(float) - mean[:, i]) / np.sqrt(inverse[:, i, i])
            uniforms[row, :, i] = special.ndtr(scores) @ probability[row]
    return np.array(
        [stats.kstest(uniforms[..., i].ravel(), "uniform").pvalue for i in range(m.neurons)]
    )


def test_reference_draws_follow_the_mixture():
    """False-fail rate 1e-6, shared by two neurons of 200,000 draws, which can be off by 0.0062 (and
    scatter by about 0.001).

    An sd 5 % too large moves the distribution function by 0.012, so it fails with a probability
    above 1 − 1e-6; a prior rate 10 % too large and Gaussians of the same moments fail too.
    """
    m = model(contrast_shape=1.0)
    x = 3 * m.sample(20, key=4)[0]
    reference = m.reference(x, key=9)
    limit = FALSE_FAIL / 2
    assert uniform_p(m, x, reference.draws).min() > limit
    assert uniform_p(model(contrast_shape=1.0, contrast_rate=2.2), x, reference.draws).min() < limit
    mean = reference.mean[:, None]
    assert uniform_p(m, x, mean + 1.05 * (reference.draws - mean)).max() < limit
    random = np.random.default_rng(1)
    gaussian = np.stack(
        [
            random.multivariate_normal(*pair, size=10_000)
            for pair in zip(reference.mean, reference.covariance, strict=True)
        ]
    )
    assert uniform_p(m, x, gaussian).min() < limit


def test_reference_is_exact_and_its_draws_have_its_moments():
    """False-fail rate 1e-6 for all 15 comparisons together; the products of two neurons see the
    covariance that z makes.
    """
    m = model()
    reference = m.reference(STIMULI, key=9)
    assert reference.exact
    assert reference.diagnostics is None
    assert reference.draws.shape == (3, 10_000, 2)
    np.testing.assert_allclose(reference.sd**2, np.diagonal(reference.covariance, axis1=1, axis2=2))
    off = reference.draws - reference.mean[:, None]
    for s in range(3):
        for i, j in ((0, 0), (0, 1), (1, 1)):
            assert_mean(off[s, :, i] * off[s, :, j], reference.covariance[s, i, j], FALSE_FAIL / 15)
        for i in range(2):
            assert_mean(off[s, :, i], 0.0, FALSE_FAIL / 15)
    with pytest.raises(AssertionError):
        assert_mean(off[2, :, 0] ** 2, 1.15 * reference.covariance[2, 0, 0], FALSE_FAIL / 15)


def test_reference_ignores_the_batch():
    m = model()
    seen = []
    whole = m.reference(STIMULI, key=9, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    last = m.reference(STIMULI[2:], key=9, first_stimulus=2)
    assert np.array_equal(last.draws[0], whole.draws[2])
    assert np.array_equal(last.covariance[0], whole.covariance[2])
    assert not np.array_equal(
        m.reference(STIMULI[2:], key=8, first_stimulus=2).draws[0], whole.draws[2]
    )
    assert np.all(whole.draws[0] != whole.draws[1])


def test_samples_have_the_scale_of_the_model():
    """E x·Ar = E[z] tr AᵀA and E|x|² = E[z²] tr AᵀA + inputs s²; false-fail rate 1e-6.

    The values at z = 1 fail.
    """
    m = model(contrast_shape=3.0)  # of rate 2: E z = 1.5, E z² = 3
    x, r = m.sample(40_000, key=3)
    assert np.array_equal(m.sample(10, key=5)[0], m.sample(10, key=5)[0])
    total = np.sum(m.decoder**2)
    match = np.sum(x * (r @ m.decoder.T), axis=1)
    length = np.sum(x**2, axis=1)
    assert_mean(match, 1.5 * total, FALSE_FAIL / 2)
    assert_mean(length, 3 * total + 3 * 0.49, FALSE_FAIL / 2)
    for samples, at_one in ((match, total), (length, total + 3 * 0.49)):
        with pytest.raises(AssertionError):
            assert_mean(samples, at_one, FALSE_FAIL / 2)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"contrast_shape": 0.4}, "contrast_shape"), ({"contrast_rate": 0.0}, "contrast_rate")],
)
def test_bad_values_are_refused(change, field):
    with pytest.raises(SettingError, match=f"'{field}'"):
        model(**change)
    with pytest.raises(SettingError, match="row 0, column 1"):
        model().reference([[0.0, np.nan, 0.0]], 0)
