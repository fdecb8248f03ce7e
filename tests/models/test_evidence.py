"""Evidence lower bounds: the evidence itself where the law is the posterior, below it by the
divergence elsewhere; laws of codes by numerical integration.
"""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

from stochsim.models import (
    GaussianScaleMixture,
    LinearGaussian,
    LinearGaussianModel,
    SparseCoding,
    build_model,
    code_frequencies,
    elbo,
    elbo_of_codes,
)
from stochsim.settings import SettingError

INPUTS = 5
NEURONS = 4
NOISE_SD = 0.6
SETTINGS = LinearGaussian(neurons=NEURONS, noise_sd=NOISE_SD)
ONE_NEURON = [
    LinearGaussian(neurons=1, noise_sd=NOISE_SD),
    SparseCoding(neurons=1, noise_sd=NOISE_SD, laplace_scale=0.7),
]
MIXTURE = GaussianScaleMixture(neurons=1, noise_sd=NOISE_SD)


def model_of(orthogonal):
    decoder = np.random.default_rng(2).normal(size=(INPUTS, NEURONS))
    return LinearGaussianModel(
        np.linalg.qr(decoder)[0] * [0.3, 0.8, 1.5, 2.0] if orthogonal else decoder, NOISE_SD
    )


def log_evidence(model, x):
    """log N(x; 0, A Aᵀ + s_x² I) per stimulus."""
    covariance = model.decoder @ model.decoder.T + model.noise_sd**2 * np.eye(model.inputs)
    return stats.multivariate_normal(np.zeros(model.inputs), covariance).logpdf(x)


def test_it_is_the_evidence_of_every_stimulus_where_the_answer_is_the_posterior():
    model = model_of(orthogonal=True)
    x, _ = model.sample(20, 3)
    mean, covariance = model.posterior(x)
    sigma = np.sqrt(np.diag(covariance))
    for spread in (sigma, np.tile(sigma, (20, 1))):
        np.testing.assert_allclose(
            elbo(mean[:, None], x, model.decoder, SETTINGS, spread),
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
    found = elbo((mean + 0.3 * sigma)[:, None], x, model.decoder, SETTINGS, off * sigma)
    np.testing.assert_allclose(found, log_evidence(model, x) - gap, atol=1e-9)


def test_the_best_factorised_law_misses_it_by_the_determinants():
    """At sd Λ_ii^-½ the divergence is ½ (Σ log Λ_ii - log det Λ)."""
    model = model_of(orthogonal=False)
    x, _ = model.sample(20, 3)
    mean, _ = model.posterior(x)
    diagonal = np.diag(model.precision)
    gap = 0.5 * (np.log(diagonal).sum() - np.linalg.slogdet(model.precision)[1])
    found = elbo(mean[:, None], x, model.decoder, SETTINGS, diagonal**-0.5)
    np.testing.assert_allclose(found, log_evidence(model, x) - gap, atol=1e-9)


@pytest.mark.parametrize("settings", ONE_NEURON, ids=lambda one: one.kind)
def test_a_gaussian_law_by_integration(settings):
    """∫ q log (p(x, r) / q) over one neuron, every density SciPy's."""
    decoder = np.array([[0.8], [-1.1]])
    x = np.array([[0.5, 0.3]])
    found = elbo(np.array([[[0.4]]]), x, decoder, settings, np.array([0.9]))
    q = stats.norm(0.4, 0.9)
    value, _ = integrate.quad(
        lambda r: q.pdf(r) * (log_joint(settings, x[0], r, decoder) - q.logpdf(r)),
        -9,
        9,
        points=[0],
    )
    assert found[0] == pytest.approx(value, abs=1e-7)


def log_joint(settings, x, r, decoder):
    prior = stats.norm() if settings.kind != "sparse_coding" else stats.laplace(scale=0.7)
    fit = stats.norm.logpdf(x, decoder[:, 0] * r, NOISE_SD).sum()
    return fit + prior.logpdf(r)


VALUES = {
    "two": (np.array([-0.8, 0.8]), np.array([-1.6, 0.0, 1.6])),
    "even": (np.array([-1.0, -0.5, 0.0, 0.5]), np.array([-1.25, -0.75, -0.25, 0.25, 0.75])),
    "uneven": (np.array([-2.0, -0.4, 0.2, 2.0]), np.array([-2.8, -1.2, -0.1, 1.1, 2.9])),
}
"""Values of codes, and the edges of their cells by hand."""


@pytest.mark.parametrize("settings", [*ONE_NEURON, MIXTURE], ids=lambda one: one.kind)
@pytest.mark.parametrize("name", VALUES)
def test_a_law_of_codes_by_integration(settings, name):
    """∫ q log (p(x, r) / q) over the cells. Of a scale mixture the bound is below, and the contrast
    alone, at its posterior given the mean response, makes up less than a nat.
    """
    values, edges = VALUES[name]
    decoder = np.array([[0.8], [-1.1]])
    x = np.array([[0.5, 0.3]])
    weights = np.arange(1.0, len(values) + 1)
    weights /= weights.sum()
    model = build_model(settings, decoder)
    value = 0.0
    for weight, low, high in zip(weights, edges[:-1], edges[1:], strict=True):
        density = weight / (high - low)
        ends = sorted({low, high, *([0.0] if low < 0 < high else [])})
        for begin, end in itertools.pairwise(ends):
            value += integrate.quad(
                lambda r, density=density: (
                    density * (float(model.log_joint(x[0], np.array([r]))) - math.log(density))
                ),
                begin,
                end,
            )[0]
    found = elbo_of_codes(weights[None, None], values, x, decoder, settings)[0]
    if settings is MIXTURE:
        assert value - 1 < found <= value
    else:
        assert found == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0, 16.0])
@pytest.mark.parametrize("bits", range(1, 9))
def test_no_law_of_codes_stands_above_the_evidence(bits, scale):
    """Of the posterior itself, its marginals rounded to 2^bits values, `scale` times their sd."""
    model = model_of(orthogonal=False)
    x = 0.2 * model.sample(20, 3)[0]
    mean, covariance = model.posterior(x)
    sd = scale * np.sqrt(np.diag(covariance))
    values = np.linspace(-0.4, 0.4, 2**bits)
    edges = np.r_[-np.inf, 0.5 * (values[1:] + values[:-1]), np.inf]
    below = stats.norm.cdf(edges, mean[..., None], sd[:, None])
    laws = np.diff(below)
    found = elbo_of_codes(laws, values, x, model.decoder, SETTINGS)
    assert (found <= log_evidence(model, x)).all()
    old = _codes_in_the_log_joint(laws, values, x, model, sd)
    if bits == 1 and scale == 16:
        assert (old > log_evidence(model, x)).all()  # the negative control


def _codes_in_the_log_joint(laws, values, x, model, sd):
    """No bound: the mean log joint of the codes, and the entropy before the quantiser."""
    mean = laws @ values
    variance = laws @ values**2 - mean**2
    power = np.square(model.decoder).sum(axis=0)
    fit = stats.norm.logpdf(x, mean @ model.decoder.T, NOISE_SD).sum(axis=1)
    fit = fit - 0.5 * variance @ power / NOISE_SD**2
    prior = -0.5 * (laws @ values**2).sum(axis=1) - 0.5 * NEURONS * math.log(2 * math.pi)
    return fit + prior + stats.norm(scale=sd).entropy().sum()


def test_many_narrow_cells_have_the_bound_of_the_density():
    """Cells of 0.02 sd: the law is the density but for sd²/40,000 of variance."""
    model = model_of(orthogonal=True)
    x, _ = model.sample(3, 3)
    mean, covariance = model.posterior(x)
    sd = np.sqrt(np.diag(covariance))
    values = np.arange(-8, 8, 0.005)
    edges = np.r_[-np.inf, 0.5 * (values[1:] + values[:-1]), np.inf]
    laws = np.diff(stats.norm.cdf(edges, mean[..., None], sd[:, None]))
    found = elbo_of_codes(laws, values, x, model.decoder, SETTINGS)
    np.testing.assert_allclose(found, log_evidence(model, x), atol=1e-3)


def test_noise_of_zero_has_no_density_and_only_its_own_stimulus_is_not_available():
    model = model_of(orthogonal=True)
    x, _ = model.sample(3, 3)
    sigma = np.full((3, NEURONS), 0.5)
    sigma[1, 2] = 0
    found = elbo(np.zeros((3, 1, NEURONS)), x, model.decoder, SETTINGS, sigma)
    assert np.isnan(found).tolist() == [False, True, False]


def test_a_singular_covariance_and_too_few_reads_have_none():
    model = model_of(orthogonal=True)
    x, _ = model.sample(3, 3)
    values = np.random.default_rng(1).normal(size=(3, 20, NEURONS))
    values[1, :, 0] = 2.0
    found = elbo(values, x, model.decoder, SETTINGS)
    assert np.isnan(found).tolist() == [False, True, False]
    for broken in (0.1, values[:, :, 1] / 3 + 0.2):  # rounding alone would make it regular
        found = elbo(_with_first(values, broken), x, model.decoder, SETTINGS)
        assert np.isnan(found).all()
    assert np.isnan(elbo(values[:, :NEURONS], x, model.decoder, SETTINGS)).all()
    assert np.isfinite(
        elbo(values[[0, 2], : NEURONS + 1], x[[0, 2]], model.decoder, SETTINGS)
    ).all()


def _with_first(values, first):
    """The values with these of their first neuron."""
    changed = values.copy()
    changed[:, :, 0] = first
    return changed


def test_samples_of_a_correlated_posterior_come_near_the_evidence_and_never_above():
    """The Gaussian of estimated moments is off by N (N + 3)/(4 reads) nat: 0.007 at 1,000 reads."""
    model = model_of(orthogonal=False)
    x, _ = model.sample(400, 3)
    mean, covariance = model.posterior(x)
    normal = np.random.default_rng(4).normal(size=(400, 1000, NEURONS))
    drawn = normal @ np.linalg.cholesky(covariance).T
    off = elbo(mean[:, None] + drawn, x, model.decoder, SETTINGS) - log_evidence(model, x)
    assert (off <= 1e-9).all()
    assert off.mean() == pytest.approx(-NEURONS * (NEURONS + 3) / 4000, rel=0.2)
    narrow = elbo(mean[:, None] + 0.8 * drawn, x, model.decoder, SETTINGS) - log_evidence(model, x)
    assert narrow.mean() < -NEURONS * (0.5 * (0.64 - 1) - math.log(0.8))


def test_frequencies_are_counted_by_stimulus_and_neuron():
    codes = np.array([[[0, 2], [0, 1], [1, 2], [0, 2]]])
    np.testing.assert_array_equal(code_frequencies(codes, 3), [[[0.75, 0.25, 0], [0, 0.25, 0.75]]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"code_values": [1.0, 1.0]}, "code_values.* should ascend"),
        ({"code_values": [1.0]}, "code_values"),
        ({"code_values": [-1e200, 1e200]}, "code_values"),
        ({"probabilities": np.full((1, 1, 2), 0.4)}, "probabilities"),
        ({"probabilities": np.array([[[-0.5, 1.5]]])}, "probabilities"),
        ({"probabilities": np.full((1, 1, 3), 1 / 3)}, "probabilities"),
        ({"probabilities": np.full((1, 1, 2), np.nan)}, "probabilities"),
    ],
)
def test_what_is_no_law_is_refused(change, message):
    right = {"probabilities": np.full((1, 1, 2), 0.5), "code_values": [-1.0, 1.0]}
    model = ONE_NEURON[0]
    law = right | change
    with pytest.raises(SettingError, match=message):
        elbo_of_codes(**law, x=np.zeros((1, 1)), decoder=np.eye(1), model=model)
