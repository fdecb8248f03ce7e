"""Brevitas's quantisers behind one file: ranges of integers, narrow weights, one bit, and where
scales start.
"""

import numpy as np
import pytest
import torch

from stochsim.networks import FeedForward, NetworkSettings, optimal_step
from stochsim.networks.quantizers import activation_quantizer, optimal_weight_step, quantised_linear


@pytest.mark.parametrize("bits", range(2, 9))
def test_activation_integers_fill_the_whole_range_half_to_even(bits):
    scale = 0.25
    quantizer = activation_quantizer(bits, scale).double().eval()
    halves = torch.arange(-300, 301, dtype=torch.float64) / 2  # every tie among them
    integers = quantizer(halves * scale).int()
    expected = np.clip(np.round(halves.numpy()), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    assert np.array_equal(integers.numpy(), expected)
    assert float(quantizer.act_quant.scale().detach()) == scale


def test_activation_at_one_bit_is_a_sign_of_fixed_magnitude():
    quantizer = activation_quantizer(1, 0.8).double().eval()
    x = torch.tensor([-3.0, -1e-9, 0.0, 1e-9, 3.0], dtype=torch.float64)
    assert quantizer(x).int().tolist() == [-1, -1, 1, 1, 1]
    assert quantizer(x).value.tolist() == pytest.approx([-0.8, -0.8, 0.8, 0.8, 0.8], rel=1e-6)
    assert [name for name, _ in quantizer.named_parameters()] == []


@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_are_narrow_range(bits):
    """2^b - 1 values, symmetric: whole steps from the given one on, and what lies beyond the
    largest code gets that.
    """
    top = 2 ** (bits - 1) - 1
    layer = quantised_linear(1001, 1, False, bits, 1.5 / top)
    weights = torch.linspace(-4.5, 4.5, 1001)[None]
    with torch.no_grad():
        layer.weight.copy_(weights)
    integers = layer.quant_weight().int().numpy()
    assert np.array_equal(np.unique(integers), np.arange(-top, top + 1))
    assert np.abs(integers - np.clip(weights.numpy() / (1.5 / top), -top, top)).max() <= 0.5 + 1e-4
    assert float(layer.quant_weight().scale.detach()) == pytest.approx(1.5 / top)


@pytest.mark.parametrize("bits", range(2, 9))
def test_optimal_weight_step_is_the_best_of_all_steps_of_a_narrow_range(bits):
    weights = np.random.default_rng(0).normal(0, 0.3, (40, 50))
    top = 2 ** (bits - 1) - 1

    def error(step):
        return np.mean((weights - step * np.clip(np.rint(weights / step), -top, top)) ** 2)

    scan = np.abs(weights).max() / top * np.geomspace(0.02, 2, 400)
    assert error(optimal_weight_step(weights, bits)) <= 1.02 * min(error(step) for step in scan)


def test_optimal_weight_step_knows_simple_answers():
    assert optimal_weight_step(np.array([[-2.0, 1.0], [3.0, 0.0]]), 1) == 1.5
    assert optimal_weight_step(np.tile(0.5 * np.arange(-7, 8), (4, 1)), 4) == pytest.approx(0.5)
    assert optimal_weight_step(np.zeros((3, 2)), 4) > 0


def test_weights_at_one_bit_are_signs_of_fixed_magnitude():
    layer = quantised_linear(4, 1, False, 1, 0.3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[-2.0, -0.1, 0.1, 5.0]]))
    assert layer.quant_weight().int().tolist() == [[-1, -1, 1, 1]]
    assert float(layer.quant_weight().scale.detach()) == pytest.approx(0.3)


@pytest.mark.parametrize("bits", range(2, 9))
def test_optimal_step_is_the_best_of_all_steps(bits):
    values = np.random.default_rng(0).normal(0, 1, 20_000)
    half = 2 ** (bits - 1)

    def error(step):
        return np.mean((values - step * np.clip(np.rint(values / step), -half, half - 1)) ** 2)

    step = optimal_step(values, bits)
    scan = np.geomspace(0.02, 4, 400) / half * 2
    assert error(step) <= 1.02 * min(error(other) for other in scan)


def test_optimal_step_knows_simple_answers():
    assert optimal_step(np.array([-2.0, 1.0, 3.0]), 1) == 2.0
    grid = 0.5 * np.arange(-8, 8)
    assert optimal_step(np.tile(grid, 50), 4) == pytest.approx(0.5)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_straight_through_gradient_reaches_drive_weights_and_sigma(bits):
    settings = NetworkSettings(
        inputs=5,
        neurons=3,
        weight_bits=bits,
        input_bits=bits,
        output_bits=bits,
        input_scale=0.5,
        output_scale=0.5,
    )
    draws = torch.Generator().manual_seed(1)
    network = FeedForward(settings, draws)
    r, _ = network(
        0.3 * torch.randn(20, 5, generator=draws), 0.1 * torch.randn(20, 3, generator=draws)
    )
    r.sum().backward()
    for parameter in (network.readout.weight, network.readout.bias, network.log_sigma):
        assert torch.count_nonzero(parameter.grad) > 0


@pytest.mark.parametrize("bits", [1, 4])
def test_optimal_step_sees_every_neuron_of_a_large_table(bits):
    """A thinning in step with the neurons would see the quiet half of them only."""
    values = np.random.default_rng(0).normal(0, [0.1, 10.0], (200_000, 2))
    assert optimal_step(values, bits) == pytest.approx(
        optimal_step(values[:40_000], bits), rel=0.05
    )
