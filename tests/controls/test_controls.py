"""Controls: each lacks the one thing it says and keeps all else, for every architecture.

Networks are drawn, not trained.
"""

import numpy as np
import pytest
import torch
from controltest import (
    KEY,
    MODEL,
    NEURONS,
    READS,
    STIMULI,
    network_of,
    own_samples,
    samples_of,
    stimuli,
)

from stochsim.chip import FloatChip
from stochsim.controls.controls import CONTROLS, check_control, derangement, power_mean
from stochsim.lowering import float_program
from stochsim.models import GaussianScaleMixture
from stochsim.settings import SettingError
from stochsim.training import reliability_cost
from stochsim.training.terms import circuit_cost

KINDS = ["single", "deep", "recurrent"]
RHOS = [0.0, 1.0, 2.0]


def moments(trained):
    mean, sigma = FloatChip(float_program(trained)).moments(stimuli())
    return mean, np.broadcast_to(sigma, mean.shape)


def covariances(values):
    off = values - values.mean(axis=1, keepdims=True, dtype=np.float64)
    return torch.tensor(np.einsum("sri,srj->sij", off, off) / values.shape[1])


# What they are made with


def test_the_power_mean_has_its_closed_forms():
    spreads = np.array([[0.1, 0.4], [0.2, 0.8]])
    assert power_mean(spreads, 0) == pytest.approx((0.1 * 0.4 * 0.2 * 0.8) ** 0.25)
    assert power_mean(spreads, 1) == pytest.approx(4 / (10 + 2.5 + 5 + 1.25))
    assert power_mean(spreads, 2) == pytest.approx((4 / (100 + 6.25 + 25 + 1.5625)) ** 0.5)
    assert power_mean(spreads, 1e-7) == pytest.approx(power_mean(spreads, 0), rel=1e-6)
    for rho in RHOS:
        assert power_mean(np.full(5, 0.3), rho) == pytest.approx(0.3)
        assert power_mean(7 * spreads, rho) == pytest.approx(7 * power_mean(spreads, rho))
    assert power_mean(spreads, 0) > power_mean(spreads, 1) > power_mean(spreads, 2)


@pytest.mark.parametrize("rho", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("s", [1.0, 0.3])
def test_the_power_mean_costs_what_the_spreads_cost(rho, s):
    spreads = torch.tensor(np.random.default_rng(0).uniform(0.05, 2, (9, 5)))
    shared = torch.tensor(power_mean(spreads.numpy(), rho), dtype=torch.float64)
    assert float(reliability_cost(shared, rho, 1.7, s)) == pytest.approx(
        float(reliability_cost(spreads, rho, 1.7, s).mean())
    )


@pytest.mark.parametrize("count", [2, 3, 8, 101])
def test_a_derangement_swaps_everything(count):
    for key in range(20):
        partner = derangement(count, key)
        assert sorted(partner) == list(range(count))
        assert not np.any(partner == np.arange(count))
    assert np.array_equal(derangement(count, 3), derangement(count, 3))
    assert count < 8 or not np.array_equal(derangement(count, 3), derangement(count, 4))


@pytest.mark.parametrize("count", [0, 1])
def test_one_stimulus_has_none_to_swap_with(count):
    with pytest.raises(SettingError, match=f"'stimuli' = {count}: should be at least 2"):
        derangement(count, 1)


# Names


def test_an_unknown_name_is_refused_with_the_nearest():
    for name, nearest in (
        ("shared-sigm", "did you mean 'shared-sigma'?"),
        ("lange", "did you mean 'langevin'?"),
        ("x", "valid: shared-"),
    ):
        with pytest.raises(SettingError) as refused:
            samples_of(name, network_of("single"))
        assert str(refused.value).startswith(f"'control' = '{name}': {nearest}")


def test_no_circuit_is_wired_for_a_scale_mixture():
    mixture = GaussianScaleMixture(neurons=NEURONS, noise_sd=0.6)
    with pytest.raises(
        SettingError,
        match=r"'control' = 'langevin' and 'model\.kind' = 'gaussian_scale_mixture': no circuit is "
        "wired for",
    ):
        check_control("langevin", mixture)
    for name in CONTROLS:
        check_control(name, MODEL)
        check_control(name, mixture if name != "langevin" else None)


@pytest.mark.parametrize("name", CONTROLS)
def test_same_key_same_samples_and_another_key_others(name):
    trained = network_of("deep" if CONTROLS[name].by_network else "single")
    first, again, other = (samples_of(name, trained, key=key).values for key in (7, 7, 8))
    assert first.shape == (STIMULI, READS, NEURONS)
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == (name == "no-noise")


# Shared sigma


@pytest.mark.parametrize("rho", RHOS)
@pytest.mark.parametrize("kind", KINDS[:2])
def test_a_shared_sigma_keeps_the_mean_cost_of_reliability(kind, rho):
    trained = network_of(kind, rho)
    mean, sigma = moments(trained)
    found = samples_of("shared-sigma", trained)
    cost = [
        float(reliability_cost(torch.tensor(each.copy()), rho, 1.3, 0.7).mean())
        for each in (sigma, found.sigma)
    ]
    assert cost[1] == pytest.approx(cost[0], rel=1e-9)
    assert np.ptp(found.sigma) == 0 < np.ptp(sigma)
    unit = [
        (values - mean[:, None]) / each[:, None]
        for values, each in ((own_samples(trained), sigma), (found.values, found.sigma))
    ]
    np.testing.assert_allclose(*unit, atol=2e-4)


@pytest.mark.parametrize("rho", RHOS)
def test_a_circuits_shared_sigma_keeps_the_mean_cost_of_its_covariance(rho):
    trained = network_of("recurrent", rho)
    found = samples_of("shared-sigma", trained)
    before, after = covariances(own_samples(trained)), covariances(found.values)
    cost = [float(circuit_cost(each, rho, 1.3, 0.7).mean()) for each in (before, after)]
    assert cost[1] == pytest.approx(cost[0], rel=1e-4)
    variances = torch.diagonal(after, dim1=1, dim2=2)
    torch.testing.assert_close(
        variances, torch.full_like(variances, found.facts["shared_sigma"] ** 2), rtol=1e-4, atol=0
    )
    assert float(torch.diagonal(before, dim1=1, dim2=2).std()) > 0.01
    assert found.sigma is None


# Noise of another stimulus, no noise, no training


@pytest.mark.parametrize("kind", KINDS)
def test_shuffled_noise_is_that_of_the_partner_around_the_own_mean(kind):
    trained = network_of(kind)
    partner = derangement(STIMULI, KEY)
    before = own_samples(trained)
    found = samples_of("shuffled-sigma", trained)
    mean = before.mean(axis=1, dtype=np.float64) if kind == "recurrent" else moments(trained)[0]
    np.testing.assert_allclose(
        found.values - mean[:, None], (before - mean[:, None])[partner], atol=1e-5
    )
    if kind == "recurrent":
        assert found.sigma is None
    else:
        assert np.array_equal(found.sigma, moments(trained)[1][partner])
    assert np.abs(found.values - before).max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_without_noise_all_reads_are_the_mean(kind):
    found = samples_of("no-noise", network_of(kind))
    assert np.array_equal(found.values, np.repeat(found.values[:, :1], READS, axis=1))
    assert not found.sigma.any()
    if kind != "recurrent":
        np.testing.assert_allclose(
            found.values[:, 0], moments(network_of(kind))[0], rtol=1e-5, atol=1e-6
        )
    assert np.ptp(found.values[:, 0], axis=0).min() > 0.1  # the stimulus still counts


@pytest.mark.parametrize("kind", KINDS)
def test_an_untrained_network_knows_nothing_of_the_trained_one(kind):
    """Only the architecture is left of it: networks of other weights give the same answers, and not
    the trained one's.
    """
    first, second = (network_of(kind, seed=seed) for seed in (1, 2))
    found = [samples_of("untrained", trained).values for trained in (first, second)]
    assert np.array_equal(*found)
    assert np.abs(found[0] - own_samples(first)).max() > 0.5
    assert (samples_of("untrained", first).sigma is None) == (kind == "recurrent")
    others = [samples_of("untrained", network_of(other)).values for other in KINDS if other != kind]
    assert all(not np.array_equal(found[0], other) for other in others)
