"""Rounding whose errors make up for each other: against brute force, and in networks."""

import itertools

import numpy as np
import pytest
import torch

from stochsim.networks import (
    ArchitectureSettings,
    Draws,
    NetworkSettings,
    build_network,
    compensated,
    compensated_rounding,
    quantised_from_float,
    recurrent_network,
)
from stochsim.networks.network import round_together, weight_of
from stochsim.networks.quantizers import quantise, quantised_linear

INPUTS, NEURONS = 10, 5
ARCHITECTURES = ("single", "deep", "recurrent")


def correlated(inputs: int, key: int = 0, rows: int = 400) -> np.ndarray:
    """Stimuli (stimulus, input) of a few common causes."""
    rng = np.random.default_rng(key)
    return rng.normal(size=(rows, 3)) @ rng.normal(size=(3, inputs)) + 0.3 * rng.normal(
        size=(rows, inputs)
    )


def moments_of(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x.T @ x / len(x))


def error_of(weights: np.ndarray, values: np.ndarray, moments: np.ndarray) -> np.ndarray:
    off = weights - values
    return np.einsum("ri,ij,rj->r", off, moments, off)


def nearest(numbers: torch.Tensor, place: int) -> torch.Tensor:
    """The nearest of -1, 0 and 1."""
    return numbers.round().clamp(-1, 1)


def with_ridge(moments: torch.Tensor) -> np.ndarray:
    m = moments.numpy()
    return m + 0.01 * np.trace(m) / len(m) * np.eye(len(m))


def test_no_change_of_one_weight_is_better_and_none_of_all_by_much():
    weights = np.random.default_rng(1).uniform(-1, 1, (6, 5))
    moments = moments_of(correlated(5))
    m = with_ridge(moments)
    found = compensated(torch.from_numpy(weights), moments, nearest).numpy()
    assert set(np.unique(found)) <= {-1.0, 0.0, 1.0}
    own = error_of(weights, found, m)
    for row, place, value in itertools.product(range(6), range(5), (-1, 0, 1)):
        other = found.copy()
        other[row, place] = value
        assert error_of(weights, other, m)[row] >= own[row] * (1 - 1e-12)
    every = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=5)))
    best = np.array([error_of(np.tile(w, (len(every), 1)), every, m).min() for w in weights])
    rounded = error_of(weights, np.clip(np.rint(weights), -1, 1), m)
    assert (best <= own * (1 + 1e-12)).all()
    assert own.sum() < 0.5 * rounded.sum()
    assert own.sum() < 2 * best.sum()


def test_of_inputs_that_have_nothing_in_common_it_is_the_nearest_value():
    weights = torch.from_numpy(np.random.default_rng(2).uniform(-1.3, 1.3, (4, 7)))
    moments = torch.diag(torch.arange(7, dtype=torch.float64))
    assert torch.equal(compensated(weights, moments, nearest), weights.round().clamp(-1, 1))


@pytest.mark.parametrize("together", [1, 3, 7])
def test_it_does_not_depend_on_how_many_inputs_are_taken_together(together, monkeypatch):
    weights = torch.from_numpy(np.random.default_rng(3).uniform(-1, 1, (9, 20)))
    moments = moments_of(correlated(20))
    whole = compensated(weights, moments, nearest)
    monkeypatch.setattr(compensated_rounding, "_TOGETHER", together)
    assert torch.equal(compensated(weights, moments, nearest), whole)


def test_groups_are_rounded_each_by_its_own_inputs():
    weights = torch.from_numpy(np.random.default_rng(4).uniform(-1, 1, (3, 4, 6)))
    moments = torch.stack([moments_of(correlated(6, key)) for key in range(3)])
    found = compensated(weights, moments, nearest)
    for group in range(3):
        alone = compensated(weights[group], moments[group], nearest)
        assert torch.equal(found[group], alone)


def test_inputs_that_are_always_0_keep_the_nearest_values():
    x = correlated(6)
    x[:, 2] = 0
    weights = torch.from_numpy(np.random.default_rng(5).uniform(-1, 1, (4, 6)))
    found = compensated(weights, moments_of(x), nearest)
    assert torch.equal(found[:, 2], weights[:, 2].round())
    none = compensated(weights, torch.zeros(6, 6, dtype=torch.float64), nearest)
    assert torch.equal(none, weights.round())


def network_of(kind: str):
    """A float network with weights that are drawn, and stimuli whose inputs are correlated."""
    draws = torch.Generator().manual_seed(0)
    settings = NetworkSettings(
        inputs=INPUTS, neurons=NEURONS, architecture=ArchitectureSettings(kind=kind)
    )
    network = build_network(settings, draws)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("weight"):
                size = 0.05 if name.startswith("lateral") else value.shape[1] ** -0.5
                value.normal_(0, size, generator=draws)
    return network.eval(), torch.from_numpy(correlated(INPUTS)).float()


def rounded(network, x, rounding, **more):
    return quantised_from_float(
        network, x, 3, 8, 8, torch.Generator().manual_seed(0), weight_rounding=rounding, **more
    ).eval()


@torch.no_grad()
def off(network, other, x) -> float:
    """How far mean responses to stimuli x (stimulus, input) lie apart."""
    one, two = (_mean(made, x) for made in (network, other))
    return float((one - two).square().mean().sqrt())


def _mean(network, x) -> torch.Tensor:
    draws = Draws(torch.Generator().manual_seed(1))
    answer = network.response(x, draws)
    if answer.mean is not None:
        return answer.mean
    more = [network.response(x, draws).samples for _ in range(300)]
    return torch.stack(more).mean(0)


@pytest.mark.parametrize("scales", ["per-tensor", "per-channel"])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_networks_answer_closer_to_the_float_one(kind, scales):
    """On stimuli that the rounding has not seen, too; a rounding by the moments of others, the
    negative control, is no help.
    """
    network, x = network_of(kind)
    plain, better = (
        rounded(network, x[:300], one, weight_scales=scales) for one in ("nearest", "compensated")
    )
    assert off(network, better, x[300:]) < 0.8 * off(network, plain, x[300:])
    wrong = rounded(network, x[:300, torch.arange(INPUTS - 1, -1, -1)], "compensated")
    assert off(network, wrong, x[300:]) > 1.2 * off(network, better, x[300:])
    for layer in better.linears().values():
        values = weight_of(layer)[0]
        np.testing.assert_allclose(layer.weight.detach(), values.detach(), rtol=1e-5, atol=1e-7)


def test_lateral_weights_of_a_neuron_on_itself_stay_0():
    network, x = network_of("recurrent")
    better = rounded(network, x, "compensated")
    assert bool((torch.diagonal(better.lateral.weight) == 0).all())


def test_layers_with_widths_of_their_own_and_signs_stay_on_their_values():
    network, x = network_of("deep")
    found = rounded(network, x, "compensated", layer_bits={"hidden": 1, "readout": 2})
    sizes = found.hidden.weight.detach().abs()
    assert float(sizes.max() - sizes.min()) < 1e-6 * float(sizes.max())
    values, step = weight_of(found.readout)
    assert set(np.unique((values / step).round().detach())) <= {-1.0, 0.0, 1.0}


def test_few_examples_leave_values_nearer_to_the_weights():
    weights = torch.from_numpy(np.random.default_rng(6).uniform(-1, 1, (8, 30)))
    x = correlated(30, rows=20)
    moments = moments_of(x)
    many, few, one = (compensated(weights, moments, nearest, n) for n in (120, 20, 1))
    assert torch.equal(many, compensated(weights, moments, nearest))
    apart = [int((found != weights.round()).sum()) for found in (many, few, one)]
    assert apart[0] > 2 * apart[1] > apart[2]


def test_unused_weights_stay_0():
    """With moments that would have them make up for others, as the negative control shows."""
    x = correlated(6)
    layers = []
    for unused in (torch.eye(6, dtype=torch.bool), None):
        layer = quantised_linear(6, 6, False, 3, 0.3)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(np.random.default_rng(7).uniform(-1, 1, (6, 6))))
            layer.weight.fill_diagonal_(0)
            round_together([layer], moments_of(x), len(x), unused)
        layers.append(torch.diagonal(layer.weight.detach()))
    assert bool((layers[0] == 0).all())
    assert bool((layers[1] != 0).any())


def test_biases_of_heads_take_what_is_the_same_for_all_stimuli():
    network, x = network_of("deep")
    made = rounded(network, x, "compensated")
    with torch.no_grad():
        wanted = network.heads(x)[0].mean(0)
        codes = quantise(made.hidden_quantizer, made.hidden(quantise(made.input_quantizer, x)))
        found = made.readout(codes).mean(0)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_moments_of_a_circuit_are_those_of_its_stationary_state(monkeypatch):
    network, x = network_of("recurrent")
    seen = []
    monkeypatch.setattr(recurrent_network, "round_together", lambda *given: seen.append(given))
    made = rounded(network, x, "compensated")
    _, moments, examples, unused = seen[0]
    answer = network.response(x, Draws(torch.Generator()))
    state = (answer.mean[:, :, None] * answer.mean[:, None, :] + answer.covariance).mean(0)
    values = quantise(made.input_quantizer, x)
    crossed = values.T @ answer.mean / len(x)
    assert examples == len(x)
    assert torch.equal(unused[:, INPUTS:], torch.eye(NEURONS, dtype=torch.bool))
    for part, wanted in (
        (moments[INPUTS:, INPUTS:], state),
        (moments[:INPUTS, INPUTS:], crossed),
        (moments[:INPUTS, :INPUTS], values.T @ values / len(x)),
    ):
        np.testing.assert_allclose(part.detach(), wanted.detach(), rtol=1e-4, atol=1e-6)
