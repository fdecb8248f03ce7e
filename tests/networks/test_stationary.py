"""Stationary moments of a circuit: exact where it is linear, close where its own terms bend, with
the gradients of what it computes.
"""

import numpy as np
import pytest
import torch
from scipy import linalg, special
from stattest import assert_mean

from stochsim.networks import (
    ArchitectureSettings,
    FeedForward,
    NetworkSettings,
    build_network,
    quantised_from_float,
)
from stochsim.networks.stationary import Circuit, Stationary, mean_own, mean_slope, spectral_radius

NEURONS, STIMULI = 5, 3


def generator(key=1):
    return torch.Generator().manual_seed(key)


def random(*shape, key=1):
    return torch.randn(*shape, generator=generator(key), dtype=torch.float64)


def matrix(radius, key=1):
    """Neither symmetric nor normal."""
    drawn = random(NEURONS, NEURONS, key=key)
    return drawn * (radius / spectral_radius(drawn))


def noise(count=STIMULI, key=2):
    """One covariance for each stimulus."""
    root = 0.3 * random(count, NEURONS, NEURONS, key=key)
    return root @ root.mT + 0.05 * torch.eye(NEURONS, dtype=torch.float64)


def circuit(radius=0.7, shrink=0.0, width=0.6, constant_noise=None):
    spread = torch.linspace(0.8, 1.2, NEURONS, dtype=torch.float64)
    return Circuit(matrix(radius), shrink * spread, width * spread, noise(), constant_noise)


@pytest.mark.parametrize("radius", [0.0, 0.3, 0.9, 0.98])
def test_a_linear_circuit_solves_the_lyapunov_equation(radius):
    """To the share that doubling leaves out, 1e-8 of a norm; mean (1 - M)^-1 d."""
    one = circuit(radius)
    drive = random(STIMULI, NEURONS, key=3)
    mean, covariance = one.moments(drive)
    m = one.matrix.numpy()
    np.testing.assert_allclose(
        mean, np.linalg.solve(np.eye(NEURONS) - m, drive.numpy().T).T, rtol=1e-9, atol=1e-12
    )
    for found, injected in zip(covariance.numpy(), noise().numpy(), strict=True):
        expected = linalg.solve_discrete_lyapunov(m, injected)
        np.testing.assert_allclose(found, expected, rtol=0, atol=3e-8 * np.abs(expected).max())
        assert (
            radius < 0.5 or np.abs(found - injected).max() > 0.1
        )  # a step's own noise alone would not do


def test_noise_shared_by_all_stimuli_and_float32():
    one = circuit(0.9)
    drive = random(STIMULI, NEURONS, key=3)
    shared = Circuit(one.matrix, one.shrink, one.width, noise()[0]).moments(drive)[1]
    torch.testing.assert_close(
        shared, one.moments(drive)[1][:1].expand(STIMULI, -1, -1), rtol=1e-7, atol=0
    )
    single = Circuit(
        *(part.float() for part in (one.matrix, one.shrink, one.width, one.noise))
    ).moments(drive.float())
    for found, expected in zip(single, one.moments(drive), strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


def test_noise_kept_for_a_chain_moves_it_as_a_drive_does():
    """(1 - M)^-1 diag(h) (1 - M)^-T on top: of a leak of 3/4 four times the drive, not the
    sqrt(16/7) of noise that is fresh.
    """
    constant = torch.linspace(0.1, 0.3, NEURONS, dtype=torch.float64).expand(STIMULI, NEURONS)
    drive = random(STIMULI, NEURONS, key=3)
    with_it, without = (
        circuit(0.9, constant_noise=constant).moments(drive),
        circuit(0.9).moments(drive),
    )
    inverse = np.linalg.inv(np.eye(NEURONS) - matrix(0.9).numpy())
    added = inverse @ np.diag(constant[0].numpy()) @ inverse.T
    torch.testing.assert_close(with_it[0], without[0], rtol=1e-7, atol=0)
    for one, other in zip(with_it[1].numpy(), without[1].numpy(), strict=True):
        np.testing.assert_allclose(one - other, added, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("mean", "variance", "width"),
    [(0.0, 1.0, 0.3), (0.7, 0.4, 0.2), (-2.0, 0.05, 1.5), (0.1, 9.0, 0.05)],
)
def test_gaussian_means_of_the_own_term(mean, variance, width):
    """Against the trapezoid rule, exact for what is this smooth."""
    z = np.linspace(-12, 12, 40_001)
    weight = np.exp(-z * z / 2) * (z[1] - z[0]) / np.sqrt(2 * np.pi)
    u = mean + np.sqrt(variance) * z
    value = np.sum(weight * special.erf(u / (np.sqrt(2) * width)))
    slope = np.sum(weight * np.sqrt(2 / np.pi) / width * np.exp(-u * u / (2 * width**2)))
    given = [torch.tensor(one, dtype=torch.float64) for one in (mean, variance, width)]
    assert float(mean_own(*given)) == pytest.approx(value, abs=1e-12)
    assert float(mean_slope(*given)) == pytest.approx(slope, abs=1e-12)


def step(one, u, drive, injected, draws):
    """The circuit's step for u (chain, neuron), in NumPy."""
    own = one.shrink.numpy() * special.erf(u / (np.sqrt(2) * one.width.numpy()))
    return (
        u @ one.matrix.numpy().T
        - own
        + drive
        + draws.standard_normal(u.shape) @ np.linalg.cholesky(injected).T
    )


@pytest.fixture(scope="module")
def bent():
    """A circuit with shrinkage, its drive of one stimulus, and what closure says."""
    one = circuit(0.7, shrink=0.25, width=0.5)
    drive = random(1, NEURONS, key=3)
    one.noise = one.noise[:1]
    return one, drive, one.moments(drive)


def test_a_step_of_a_bent_circuit_keeps_the_mean_that_closure_gives(bent):
    """From u ~ N(m, S) one step gives mean m and covariance J S with u (Stein): false-fail rate
    1e-6 over 30 entries.

    The slope at the mean itself, without the spread of u, is the negative control.
    """
    one, drive, (mean, covariance) = bent
    draws = np.random.default_rng(1)
    m = mean[0].numpy()
    s = covariance[0].numpy()
    u = m + draws.standard_normal((400_000, NEURONS)) @ np.linalg.cholesky(s).T
    after = step(one, u, drive[0].numpy(), one.noise[0].numpy(), draws)

    def passed(variance):
        jacobian = one.matrix - torch.diag(one.shrink * mean_slope(mean[0], variance, one.width))
        return (jacobian @ covariance[0]).numpy()

    off = u - m
    right = passed(torch.diagonal(covariance[0]))
    wrong = passed(torch.zeros(NEURONS, dtype=torch.float64))
    for i in range(NEURONS):
        assert_mean(after[:, i] - m[i], 0.0, 1e-6 / 30)
        for j in range(NEURONS):
            assert_mean((after[:, i] - m[i]) * off[:, j], right[i, j], 1e-6 / 30)
    with pytest.raises(AssertionError):
        assert_mean((after[:, 1] - m[1]) * off[:, 1], wrong[1, 1], 1e-6)


def test_a_bent_circuit_against_long_simulation(bent):
    """What closure leaves out (the law is not Gaussian) is below 2 % of the sd and of the
    covariance, where the sampling error of 20,000 chains is 0.7 %; without the own term both are
    off by many times that.
    """
    one, drive, (mean, covariance) = bent
    draws = np.random.default_rng(2)
    u = np.zeros((20_000, NEURONS))
    for _ in range(40):
        u = step(one, u, drive[0].numpy(), one.noise[0].numpy(), draws)
    sd = u.std(0)
    s = covariance[0].numpy()
    assert np.abs(u.mean(0) - mean[0].numpy()).max() < 0.02 * sd.min()
    assert np.linalg.norm(np.cov(u.T) - s) / np.linalg.norm(s) < 0.02
    linear_mean, linear = Circuit(one.matrix, 0 * one.shrink, one.width, one.noise).moments(drive)
    assert np.linalg.norm(np.cov(u.T) - linear[0].numpy()) / np.linalg.norm(s) > 0.3
    assert np.abs(u.mean(0) - linear_mean[0].numpy()).max() > 0.15 * sd.min()


def test_gradients_of_the_fixed_point_of_the_covariance():
    """gradcheck in float64; Q symmetric, as every covariance is."""
    jacobian = torch.stack([matrix(0.6), matrix(0.4, key=7)]).requires_grad_()
    root = random(2, NEURONS, NEURONS, key=5).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda j, r: Stationary.apply(j, r @ r.mT), (jacobian, root), atol=1e-5
    )


def loss_of(parts, drive, weights):
    matrix_, shrink, width, root = parts
    constant = torch.full_like(drive, 0.02)
    mean, covariance = Circuit(matrix_, shrink, width, root @ root.mT, constant).moments(drive)
    return (mean * weights[0]).sum() + (covariance * weights[1]).sum()


@pytest.mark.parametrize(("shrink", "within"), [(0.0, 1e-5), (0.25, 0.01)])
def test_gradients_of_moments_are_finite_differences(shrink, within):
    """Exact for a linear circuit; for a bent one to the share that two rounds of mean and
    covariance leave of the way between the two.
    """
    one = circuit(0.7, shrink, 0.5)
    drive = random(STIMULI, NEURONS, key=3).requires_grad_()
    parts = [
        part.clone().requires_grad_()
        for part in (one.matrix, one.shrink, one.width, torch.linalg.cholesky(one.noise))
    ]
    weights = random(STIMULI, NEURONS, key=8), random(STIMULI, NEURONS, NEURONS, key=9)
    gradients = torch.autograd.grad(loss_of(parts, drive, weights), [*parts, drive])
    for place, (inputs, gradient) in enumerate(zip([*parts, drive], gradients, strict=True)):
        if place == 2 and shrink == 0:
            assert not gradient.any()
            continue
        direction = random(*inputs.shape, key=20 + place)
        ends = []
        for sign in (1, -1):
            moved = [*parts, drive]
            moved[place] = inputs + sign * 1e-5 * direction
            ends.append(float(loss_of(moved[:4], moved[4], weights).detach()))
        exact = (ends[0] - ends[1]) / 2e-5
        size = float(gradient.norm() * direction.norm())
        assert abs(float((gradient * direction).sum()) - exact) < within * size


def test_spectral_radius():
    assert spectral_radius(
        torch.tensor([[0.0, -2.0], [2.0, 0.0]], requires_grad=True)
    ) == pytest.approx(2)
    assert spectral_radius(matrix(0.7)) == pytest.approx(
        np.abs(np.linalg.eigvals(matrix(0.7).numpy())).max()
    )
    assert spectral_radius(torch.tensor([[0.1, float("nan")], [0.0, 0.1]])) == float("inf")


def recurrent(scale):
    settings = NetworkSettings(
        inputs=8, neurons=6, architecture=ArchitectureSettings(kind="recurrent")
    )
    network = build_network(settings)
    network.start_from(
        FeedForward(
            settings.model_copy(update={"architecture": ArchitectureSettings()}), generator()
        )
    )
    with torch.no_grad():
        network.lateral.weight.normal_(0, scale, generator=generator(4))
        network.own_slope.normal_(0, 0.1, generator=generator(5))
        network.log_width.fill_(-9)
    return network


@pytest.mark.parametrize("bits", [None, 3, 4, 8])
def test_a_circuit_that_grows_unstable_is_held_back(bits):
    """A float one at once, one with quantised weights within a few steps, whose codes stay where
    they are at first; a quiet one is left.
    """
    quiet, wild = recurrent(0.02), recurrent(0.02)
    x = torch.randn(100, 8, generator=generator(6))
    if bits is not None:
        quiet, wild = (
            quantised_from_float(each, x, bits, 8, 8, generator()) for each in (quiet, wild)
        )
    before = quiet.matrix().clone()
    quiet.keep_bounds()
    assert torch.equal(quiet.matrix(), before)
    assert float(quiet.width().detach().min()) == pytest.approx(0.05)
    with torch.no_grad():
        wild.lateral.weight.mul_(30)
        wild.own_slope.add_(0.3)
    assert spectral_radius(wild.matrix()) > 1.01
    for _ in range(1 if bits is None else 40):
        wild.keep_bounds()
    assert 0.9 < spectral_radius(wild.matrix()) < 0.98 + 1e-4
