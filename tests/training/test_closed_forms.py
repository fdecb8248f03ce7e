"""Expectations in closed form, against quadrature and Monte Carlo; the price of a circuit by its
eigenvalues.
"""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from stattest import assert_mean

from stochsim.models import LinearGaussian, SparseCoding
from stochsim.networks import Draws, Response
from stochsim.training import activity_cost, circuit_cost, reconstruction, reliability_cost
from stochsim.training.terms import ReliabilityCost, objective_of

INPUTS = 5
NEURONS = 4
STIMULI = 3
NOISE_SD = 0.6
SCALE = 0.7
GAUSSIAN = LinearGaussian(neurons=NEURONS, noise_sd=NOISE_SD)
LAPLACE = SparseCoding(neurons=NEURONS, noise_sd=NOISE_SD, laplace_scale=SCALE)
MODELS = pytest.mark.parametrize("model", [GAUSSIAN, LAPLACE], ids=["gaussian", "laplace"])


def generator(key=1):
    return torch.Generator().manual_seed(key)


def random(*shape, key=1):
    return torch.randn(*shape, generator=generator(key), dtype=torch.float64)


def covariances(count=STIMULI, key=2):
    root = 0.5 * random(count, NEURONS, NEURONS, key=key)
    return root @ root.mT + 0.02 * torch.eye(NEURONS, dtype=torch.float64)


def response(full):
    """Moments of three stimuli whose neurons covary, or not."""
    mean, covariance = random(STIMULI, NEURONS, key=3), covariances()
    variance = torch.diagonal(covariance, dim1=-2, dim2=-1)
    return (
        Response(mean=mean, covariance=covariance)
        if full
        else Response(mean=mean, variance=variance, noise_sd=variance.sqrt())
    )


def terms(answer, model, price=None, stimulus=None):
    """The terms of L, of all stimuli or of one."""
    x, decoder = random(STIMULI, INPUTS, key=4), random(INPUTS, NEURONS, key=5)
    if stimulus is not None:
        some = slice(stimulus, stimulus + 1)
        x = x[some]
        answer = Response(*(part if part is None else part[some] for part in answer))
    return objective_of(
        x, answer, decoder, model, price or ReliabilityCost(0.0), Draws(generator())
    )


@MODELS
@pytest.mark.parametrize("full", [False, True], ids=["factorised", "full"])
def test_expectations_are_means_over_samples(full, model):
    """200,000 antithetic pairs for each stimulus; false-fail rate 1e-6 over 6 numbers.

    Covariances left out are the negative control of reconstruction, E phi(mean) that of activity.
    """
    answer = response(full)
    decoder = random(INPUTS, NEURONS, key=5)
    draws = np.random.default_rng(6)
    for k in range(STIMULI):
        mean = answer.mean[k].numpy()
        covariance = answer.covariance[k].numpy() if full else np.diag(answer.variance[k].numpy())
        off = draws.standard_normal((200_000, NEURONS)) @ np.linalg.cholesky(covariance).T
        x = random(STIMULI, INPUTS, key=4)[k]
        pairs = [torch.tensor(mean + sign * off) for sign in (1, -1)]
        fits = sum(reconstruction(x, r, decoder, model) for r in pairs) / 2
        costs = sum(activity_cost(r, model) for r in pairs) / 2
        found = terms(answer, model, stimulus=k)
        assert_mean(fits.numpy(), float(found.reconstruction), 1e-6 / 6)
        assert_mean(costs.numpy(), float(found.activity), 1e-6 / 6)
        at_mean = (
            float(reconstruction(x, answer.mean[k], decoder, model)),
            float(activity_cost(answer.mean[k], model)),
        )
        with pytest.raises(AssertionError):
            assert_mean(fits.numpy(), at_mean[0], 1e-6)
        with pytest.raises(AssertionError):
            assert_mean(costs.numpy(), at_mean[1], 1e-6)
        if full:
            diagonal = Response(
                mean=answer.mean, variance=answer.variances, noise_sd=answer.variances.sqrt()
            )
            with pytest.raises(AssertionError):
                assert_mean(
                    fits.numpy(), float(terms(diagonal, model, stimulus=k).reconstruction), 1e-6
                )


@pytest.mark.parametrize(
    ("mean", "sd"), [(0.0, 1.0), (0.3, 0.5), (-2.0, 0.7), (1.5, 1e-3), (1e-3, 3.0)]
)
def test_mean_size_and_square_of_a_gaussian_by_quadrature(mean, sd):
    numbers = [torch.full((1, 1), one, dtype=torch.float64) for one in (mean, sd**2, sd)]
    one = Response(mean=numbers[0], variance=numbers[1], noise_sd=numbers[2])
    decoder = torch.ones(1, 1, dtype=torch.float64)
    x = torch.zeros(1, 1, dtype=torch.float64)
    for model, phi in ((LAPLACE, lambda r: abs(r) / SCALE), (GAUSSIAN, lambda r: r * r / 2)):
        low, high = mean - 12 * sd, mean + 12 * sd
        middle = [0.0] if low < 0 < high else []

        def weighed(r, phi=phi):
            return phi(r) * stats.norm.pdf(r, mean, sd)

        expected = integrate.quad(
            weighed, low, high, points=[*middle, mean], epsabs=1e-13, epsrel=1e-11
        )[0]
        assert float(
            objective_of(x, one, decoder, model, ReliabilityCost(0.0), Draws(generator())).activity
        ) == pytest.approx(expected, rel=1e-8)


@MODELS
def test_a_diagonal_covariance_is_a_factorised_response(model):
    """Term by term, the price too, since the eigenvalues then are the variances."""
    factorised = response(False)
    full = Response(mean=factorised.mean, covariance=torch.diag_embed(factorised.variance))
    for price in (ReliabilityCost(rho, 1.3, 0.7) for rho in (0.0, 0.5, 2.0)):
        for one, other in zip(
            terms(full, model, price)[:3], terms(factorised, model, price)[:3], strict=True
        ):
            assert float(one) == pytest.approx(float(other), rel=1e-10)


@pytest.mark.parametrize("rho", [0.5, 1.0, 2.0])
def test_price_of_a_circuit_is_the_sum_over_its_eigenvalues(rho):
    """And of one that is turned the same; that of the diagonal is another."""
    c = 1.7
    s = 0.6
    found = circuit_cost(covariances(), rho, 1.7, 0.6)
    eigenvalues = np.linalg.eigvalsh(covariances().numpy())
    np.testing.assert_allclose(
        found, (c * ((s**2 / eigenvalues) ** (rho / 2) - 1) / rho).sum(-1), rtol=1e-9
    )
    turn = torch.linalg.qr(random(NEURONS, NEURONS, key=8))[0]
    torch.testing.assert_close(
        circuit_cost(turn @ covariances() @ turn.T, rho, c, s), found, rtol=1e-7, atol=0
    )
    of_variances = reliability_cost(
        torch.diagonal(covariances(), dim1=-2, dim2=-1).sqrt(), rho, c, s
    ).sum(-1)
    assert bool((found > of_variances + 0.1).all())  # correlations cost


def test_price_of_a_circuit_at_rho_0_is_the_log_determinant_and_the_limit():
    c = 1.7
    s = 0.6
    covariance = covariances()
    limit = circuit_cost(covariance, 0.0, c, s)
    np.testing.assert_allclose(
        limit, -0.5 * c * np.linalg.slogdet(covariance.numpy() / s**2)[1], rtol=1e-10
    )
    near = [
        float((circuit_cost(covariance, rho, c, s) - limit).abs().max())
        for rho in (1e-2, 1e-4, 1e-6)
    ]
    assert near[0] > 50 * near[1] > 2500 * near[2]
    assert near[2] < 1e-4
    one = torch.full((1, 1, 1), 0.3**2, dtype=torch.float64)
    for rho in (0.0, 0.5, 1.0, 2.0):
        assert float(circuit_cost(one, rho, c, s)) == pytest.approx(
            float(reliability_cost(torch.tensor(0.3).double(), rho, c, s))
        )


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("rho", [0.0, 0.5, 1.0, 2.0])
def test_gradient_of_the_price_of_a_circuit(rho, repeated):
    """By finite differences along symmetric directions; eigenvalues that are equal do no harm: d/dS
    of c/rho tr (S/s²)^(-rho/2).
    """
    start = torch.eye(NEURONS).double()[None] * 0.4 if repeated else covariances(1)
    covariance = start.clone().requires_grad_()
    circuit_cost(covariance, rho, 1.7, 0.6).sum().backward()
    direction = random(NEURONS, NEURONS, key=9)
    direction = (direction + direction.T) / 2
    ends = [float(circuit_cost(start + sign * 1e-6 * direction, rho, 1.7, 0.6)) for sign in (1, -1)]
    assert float((covariance.grad * direction).sum()) == pytest.approx(
        (ends[0] - ends[1]) / 2e-6, rel=1e-5
    )


@MODELS
@pytest.mark.parametrize("full", [False, True], ids=["factorised", "full"])
def test_l_bounds_minus_the_elbo_from_above(full, model):
    """L at rho > 0 is never below L at rho = 0 of the same answers, and equal where all noise is
    s.
    """
    for scale in (0.01, 0.3, 1.0, 3.0, 30.0):
        base = response(full)
        factors = (1, 1, scale**2, scale**2, scale, 1)
        answer = Response(
            *(
                part if part is None else part * factor
                for part, factor in zip(base, factors, strict=True)
            )
        )
        least = float(terms(answer, model, ReliabilityCost(0.0, 1.3, 0.7)).total)
        for rho in (1e-3, 0.5, 1.0, 2.0):
            assert float(terms(answer, model, ReliabilityCost(rho, 1.3, 0.7)).total) >= least
    level = torch.full((STIMULI, NEURONS), 0.49, dtype=torch.float64)
    answer = (
        Response(mean=base.mean, covariance=torch.diag_embed(level))
        if full
        else Response(None, base.mean, level, None, level.sqrt())
    )
    values = [
        float(terms(answer, model, ReliabilityCost(rho, 1.3, 0.7)).total) for rho in (0.0, 0.5, 2.0)
    ]
    assert values == pytest.approx([values[0]] * 3, abs=1e-9)


def test_samples_drawn_from_moments_have_them():
    """False-fail rate 1e-6; what contrast models and fitted scales draw."""
    answer = Response(
        mean=response(True).mean.float(), covariance=response(True).covariance.float()
    )
    wide = Response(
        mean=answer.mean[0].expand(100_000, -1),
        covariance=answer.covariance[0].expand(100_000, -1, -1),
    )
    off = (wide.drawn(Draws(generator(10))) - wide.mean).numpy()
    for i in range(NEURONS):
        assert_mean(off[:, i], 0.0, 1e-7)
        for j in range(i):
            assert_mean(off[:, i] * off[:, j], float(answer.covariance[0, i, j]), 1e-7)
        assert_mean(off[:, i] ** 2, float(answer.covariance[0, i, i]), 1e-8)
    flat = Response(mean=wide.mean, variance=answer.variances[0].expand(100_000, -1))
    off = (flat.drawn(Draws(generator(11))) - flat.mean).numpy()
    assert_mean(off[:, 0] ** 2, float(answer.variances[0, 0]), 1e-8)
    assert math.isclose(float(flat.variances[0, 0]), float(answer.variances[0, 0]))
