"""The feed-forward network: settings, responses, bounds of sigma, and the start of a quantised
network from a float one.
"""

import math

import numpy as np
import pytest
import torch

from stochsim.networks import FeedForward, NetworkSettings, quantised_from_float
from stochsim.networks.quantizers import optimal_weight_step
from stochsim.settings import SettingError


def torch_generator(key=1):
    return torch.Generator().manual_seed(key)


def quantised(bits, **changes):
    widths = {"weight_bits": bits, "input_bits": bits, "output_bits": bits}
    return FeedForward(
        NetworkSettings(**{"inputs": 6, "neurons": 4, **widths, **changes}), torch_generator()
    )


def float_network(neurons=4, bias=True):
    return FeedForward(NetworkSettings(inputs=6, neurons=neurons, bias=bias), torch_generator())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"weight_bits": 4}, "together"),
        ({"weight_bits": 4, "input_bits": 4}, "together"),
        ({"weight_bits": 9, "input_bits": 4, "output_bits": 4}, "weight_bits"),
        ({"weight_bits": 4, "input_bits": 0, "output_bits": 4}, "input_bits"),
        ({"output_scale": -1.0}, "output_scale"),
        ({"neurons": 0}, "neurons"),
        ({"neuron": 3}, "neurons"),
    ],
)
def test_settings_refuse_what_is_no_network(changes, field):
    with pytest.raises(SettingError, match=field):
        NetworkSettings(**{"inputs": 6, "neurons": 4, **changes})


def test_float_response_is_drive_plus_noise():
    network = float_network()
    x = torch.randn(7, 6, generator=torch_generator())
    noise = torch.randn(7, 4, generator=torch_generator(2))
    r, sigma = network(x, noise)
    expected = x @ network.readout.weight.T + network.readout.bias + sigma * noise
    torch.testing.assert_close(r, expected, rtol=1.3e-6, atol=0)
    torch.testing.assert_close(sigma, torch.full((4,), 0.5), rtol=1.3e-6, atol=0)
    assert network.sigma_bounds() is None
    assert network.saturated_share() == 0.0


def test_noise_comes_before_the_output_quantiser():
    """Responses lie on the lattice, whatever the noise."""
    network = quantised(3, output_scale=0.5).eval()
    r, _ = network(
        torch.randn(50, 6, generator=torch_generator()),
        torch.randn(50, 4, generator=torch_generator(2)),
    )
    codes = (r / 0.5).detach().numpy()
    assert np.array_equal(codes, np.rint(codes))
    assert set(np.unique(codes)) <= set(range(-4, 4))
    assert np.unique(codes).size > 3


@pytest.mark.parametrize(("bits", "half_range"), [(1, 0.5), (2, 0.75), (4, 3.75), (8, 63.75)])
def test_sigma_stays_between_its_bounds(bits, half_range):
    """R = step (2^b - 1) / 2; at one bit the step is twice the scale."""
    network = quantised(bits, output_scale=0.5)
    assert network.sigma_bounds() == pytest.approx((1e-3 * half_range, half_range))
    with torch.no_grad():
        network.log_sigma.copy_(torch.tensor([1e-9, 1e9, 0.4 * half_range, 0.5 * half_range]).log())
    network.keep_bounds()
    expected = [1e-3 * half_range, half_range, 0.4 * half_range, 0.5 * half_range]
    assert network.log_sigma.exp().tolist() == pytest.approx(expected, rel=1e-5)
    assert network.saturated_share() == 0.5


@pytest.mark.parametrize(
    ("bits", "change", "kept"),
    [(2, -0.7, 1.0), (8, -3.0, 1.0), (4, 0.0, 1.0), (4, 0.5, 2**0.5), (1, 0.0, 1.0)],
)
def test_the_output_range_may_grow_but_not_shrink(bits, change, kept):
    """`change` in doublings of the scale; a range free to shrink lets clipping swallow the noise,
    and sigma grow for free.
    """
    network = quantised(bits, output_scale=0.5)
    with torch.no_grad():
        for parameter in network.output_quantizer.parameters():
            parameter.add_(change)
    network.keep_bounds()
    assert network.output_half_range() == pytest.approx(
        kept * (0.5 if bits == 1 else 0.5 * (2**bits - 1) / 2), rel=1e-5
    )


def test_learned_scales_are_a_group_of_their_own():
    rest, scales, widths = quantised(4).parameter_groups()
    assert len(scales) == 3  # of weights, input and output
    assert widths == []
    assert {id(p) for p in rest}.isdisjoint({id(p) for p in scales})
    assert len(rest) + len(scales) == len(list(quantised(4).parameters()))
    assert quantised(1).parameter_groups()[1] == []


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("widths", [(4, 6, 8), (1, 1, 1), (2, 8, 1)])
def test_quantised_network_starts_from_the_float_one(widths, bias):
    network = float_network(bias=bias)
    with torch.no_grad():
        network.log_sigma.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]).log())
        if bias:
            network.readout.bias.copy_(torch.tensor([0.1, -0.2, 0.3, -0.4]))
    x = torch.randn(500, 6, generator=torch_generator(3))
    start = quantised_from_float(network, x, *widths, generator=torch_generator(4))
    settings = start.settings
    assert (settings.weight_bits, settings.input_bits, settings.output_bits) == widths
    assert torch.equal(start.readout.weight, network.readout.weight)
    torch.testing.assert_close(start.log_sigma, network.log_sigma, rtol=1.3e-6, atol=0)
    assert (start.readout.bias is not None) == bias
    if bias:
        assert torch.equal(start.readout.bias, network.readout.bias)
    step = float(start.readout.quant_weight().scale.detach())
    assert step == pytest.approx(
        optimal_weight_step(network.readout.weight.detach().numpy(), widths[0])
    )
    assert settings.weight_scale == pytest.approx(step)


def test_quantised_start_at_8_bits_answers_like_the_float_network():
    network = float_network()
    x = torch.randn(500, 6, generator=torch_generator(3))
    noise = torch.randn(500, 4, generator=torch_generator(5))
    start = quantised_from_float(network, x, 8, 8, 8, torch_generator(4)).eval()
    difference = (start(x, noise)[0] - network(x, noise)[0]).detach()
    assert float(difference.abs().max()) < 0.15
    assert float(difference.square().mean().sqrt()) < 0.02


def test_output_scale_at_one_bit_is_the_mean_magnitude_of_the_noisy_responses():
    """Mean |r| of N(0, |w|² + sigma²) responses, averaged over neurons."""
    network = float_network(bias=False)
    x = torch.randn(100_000, 6, generator=torch_generator(3))
    start = quantised_from_float(network, x, 1, 1, 1, torch_generator(4))
    spread = (network.readout.weight.square().sum(1) + 0.25).sqrt().detach()
    expected = math.sqrt(2 / math.pi) * float(spread.mean())
    assert start.settings.output_scale == pytest.approx(expected, rel=0.02)
