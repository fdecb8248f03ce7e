"""The objective: its terms against the models' densities and the evidence, the price of reliability
against its closed forms.
"""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from stochsim.energy import reliability_law
from stochsim.energy.reliability import reliability_price_to_cost
from stochsim.models import (
    LinearGaussian,
    LinearGaussianModel,
    SparseCoding,
    build_model,
)
from stochsim.settings import SettingError
from stochsim.training import activity_cost, objective, reconstruction, reliability_cost

INPUTS = 5
NEURONS = 4
NOISE_SD = 0.6
SETTINGS = [
    LinearGaussian(neurons=NEURONS, noise_sd=NOISE_SD),
    SparseCoding(neurons=NEURONS, noise_sd=NOISE_SD, laplace_scale=0.7),
]


def tensor(array):
    return torch.tensor(array, dtype=torch.float64)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: s.kind)
def test_reconstruction_and_activity_are_minus_the_log_joint(settings):
    random = np.random.default_rng(0)
    x = random.normal(size=(9, INPUTS))
    r = random.normal(size=(9, NEURONS))
    decoder = random.normal(size=(INPUTS, NEURONS))
    model = build_model(settings, decoder)
    cost = reconstruction(tensor(x), tensor(r), tensor(decoder), settings) + activity_cost(
        tensor(r), settings
    )
    constants = model.log_likelihood_constant + model.log_prior_constant
    np.testing.assert_allclose(-cost.numpy(), model.log_joint(x, r) - constants, rtol=1e-12)
    np.testing.assert_allclose(
        activity_cost(tensor(r), settings).numpy(), model.activity_cost(r), rtol=1e-12
    )


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: s.kind)
def test_total_adds_three_terms_averaged_over_stimuli(settings):
    random = np.random.default_rng(1)
    x, r, decoder = (
        tensor(random.normal(size=shape))
        for shape in ((9, INPUTS), (9, NEURONS), (INPUTS, NEURONS))
    )
    sigma = tensor([0.1, 0.5, 1.0, 2.0])
    terms = objective(x, r, sigma, decoder, settings, 1.0, 2.0, 0.5)
    assert float(terms.total) == pytest.approx(
        float(terms.reconstruction + terms.activity + terms.reliability)
    )
    assert float(terms.reconstruction) == pytest.approx(
        float(reconstruction(x, r, decoder, settings).mean())
    )
    assert float(terms.reliability) == pytest.approx(2.0 * sum(0.5 / s - 1 for s in sigma.tolist()))


def minus_elbo(model, x, mean, sigma, rho=0.0, c=1.0):
    """L + constants for q = N(mean(x), sigma²), its expectation exact: 2 N noise vectors ± sqrt(N)
    e_i integrate every quadratic.
    """
    n = model.neurons
    noise = math.sqrt(n) * np.concatenate([np.eye(n), -np.eye(n)])
    points = np.repeat(x, 2 * n, axis=0)
    r = (mean[:, None, :] + sigma * noise).reshape(-1, n)
    settings = LinearGaussian(neurons=n, noise_sd=model.noise_sd)
    total = objective(
        tensor(points), tensor(r), tensor(sigma), tensor(model.decoder), settings, rho, c, 1.0
    ).total
    return float(total) + 0.5 * model.inputs * math.log(2 * math.pi * model.noise_sd**2) - 0.5 * n


def log_evidence(model, x):
    """Mean over stimuli of log N(x; 0, A A^T + s_x² I)."""
    covariance = model.decoder @ model.decoder.T + model.noise_sd**2 * np.eye(model.inputs)
    return float(np.mean(stats.multivariate_normal(np.zeros(model.inputs), covariance).logpdf(x)))


def linear_gaussian(orthogonal):
    decoder = np.random.default_rng(2).normal(size=(INPUTS, NEURONS))
    return LinearGaussianModel(
        np.linalg.qr(decoder)[0] * [0.3, 0.8, 1.5, 2.0] if orthogonal else decoder, NOISE_SD
    )


def test_elbo_is_the_evidence_where_the_posterior_is_diagonal():
    model = linear_gaussian(orthogonal=True)
    x, _ = model.sample(50, 3)
    mean, covariance = model.posterior(x)
    sigma = np.sqrt(np.diag(covariance))
    assert -minus_elbo(model, x, mean, sigma) == pytest.approx(log_evidence(model, x), abs=1e-9)
    for off in (0.9, 1.1):
        assert -minus_elbo(model, x, mean, off * sigma) < log_evidence(model, x) - 0.01
        assert -minus_elbo(model, x, mean + off * 0.1, sigma) < log_evidence(model, x) - 0.01


def test_elbo_misses_the_evidence_by_the_divergence_of_the_best_factorised_noise():
    """KL(q || p) = (sum log Lambda_ii - log det Lambda) / 2 at sigma² = 1/Lambda_ii and the exact
    mean; more elsewhere, more at rho > 0.
    """
    model = linear_gaussian(orthogonal=False)
    x, _ = model.sample(50, 3)
    mean, covariance = model.posterior(x)
    sigma = 1 / np.sqrt(np.diag(model.precision))
    gap = 0.5 * (np.log(np.diag(model.precision)).sum() - np.linalg.slogdet(model.precision)[1])
    assert gap > 0.1
    best = log_evidence(model, x) - gap
    assert -minus_elbo(model, x, mean, sigma) == pytest.approx(best, abs=1e-9)
    assert -minus_elbo(model, x, mean, np.sqrt(np.diag(covariance))) < best
    for rho in (0.5, 1.0, 2.0):
        assert -minus_elbo(model, x, mean, sigma, rho) < best


@pytest.mark.parametrize(("rho", "c"), [(0.0, 1.0), (0.0, 2.0), (0.5, 1.0), (1.0, 3.0), (2.0, 1.0)])
def test_best_sigma_follows_the_price(rho, c):
    """sigma² = (c s^rho / Lambda_ii)^(2 / (rho + 2)) is where the gradient of L vanishes; s = 1."""
    model = linear_gaussian(orthogonal=False)
    sigma = tensor((c / np.diag(model.precision)) ** (1 / (rho + 2))).requires_grad_()
    noise = math.sqrt(NEURONS) * tensor(np.concatenate([np.eye(NEURONS), -np.eye(NEURONS)]))
    x = tensor(np.zeros((2 * NEURONS, INPUTS)))
    settings = LinearGaussian(neurons=NEURONS, noise_sd=NOISE_SD)
    objective(
        x, sigma * noise, sigma, tensor(model.decoder), settings, rho, c, 1.0
    ).total.backward()
    np.testing.assert_allclose(sigma.grad.numpy(), 0, atol=1e-9)


def test_price_tends_to_its_limit_at_rho_0():
    sigma = tensor(np.geomspace(1e-3, 1e3, 25))
    limit = reliability_cost(sigma, 0.0, 1.7, 0.5)
    np.testing.assert_allclose(limit, 1.7 * np.log(0.5 / sigma.numpy()), rtol=1e-12)
    np.testing.assert_allclose(reliability_cost(sigma, 1e-9, 1.7, 0.5), limit, rtol=1e-7)
    assert (
        reliability_cost(sigma, 0.5, 1.7, 0.5) >= limit
    ).all()  # above it for every rho > 0, equal at sigma = s


@pytest.mark.parametrize("rho", [0.0, 1e-6, 0.5, 1.0, 2.0])
def test_price_has_the_gradient_of_its_law(rho):
    """dC/dsigma = -c s^rho sigma^-(rho + 1), for all rho alike."""
    sigma = tensor(np.geomspace(0.05, 20, 15)).requires_grad_()
    reliability_cost(sigma, rho, 1.3, 0.7).sum().backward()
    expected = -1.3 * 0.7**rho * sigma.detach().numpy() ** -(rho + 1)
    np.testing.assert_allclose(sigma.grad.numpy(), expected, rtol=1e-9)
    assert float(reliability_cost(tensor([0.7]), rho, 1.3, 0.7)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("rho", [0.0, 1.0, 2.0])
def test_training_and_the_bill_use_one_law(rho):
    """With c from nats_per_joule, C_rho differs between two sigmas by lambda times the
    joules.
    """
    law = reliability_law(rho)
    lam = 1e15
    c = reliability_price_to_cost(lam, law)
    cost = reliability_cost(tensor([0.2, 0.5]), rho, c, 1.0).tolist()
    assert cost[0] - cost[1] == pytest.approx(lam * (law.energy_j(0.2) - law.energy_j(0.5)))


@pytest.mark.parametrize(
    ("changes", "field"),
    [((-0.1, 1.0, 1.0), "rho"), ((1.0, 0.0, 1.0), "c"), ((1.0, 1.0, -2.0), "s")],
)
def test_price_refuses_what_is_no_price(changes, field):
    with pytest.raises(SettingError, match=f"'{field}'"):
        reliability_cost(tensor([1.0]), *changes)
    with pytest.raises(SettingError, match="'rho'"):
        reliability_cost(tensor([1.0]), math.nan, 1.0, 1.0)
