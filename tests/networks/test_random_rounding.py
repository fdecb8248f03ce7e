"""Weights of quantised networks at one of their two neighbours."""

import math

import pytest
import torch

from stochsim.networks import (
    ARCHITECTURES,
    ArchitectureSettings,
    NetworkSettings,
    build_network,
    quantised_from_float,
)
from stochsim.networks.quantizers import quantised_weight
from stochsim.networks.random_rounding import round_at_random

INPUTS, NEURONS = 24, 16


def pair(kind: str, key: int = 0, rounding="stochastic", bits: int = 3, **more):
    """A float network, and what it is quantised to."""
    draws = torch.Generator().manual_seed(0)
    settings = NetworkSettings(
        inputs=INPUTS, neurons=NEURONS, architecture=ArchitectureSettings(kind=kind)
    )
    network = build_network(settings, draws)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("weight"):
                value.normal_(0, 0.05 if name.startswith("lateral") else 0.2, generator=draws)
    x = torch.randn(200, INPUTS, generator=draws)
    generator = torch.Generator().manual_seed(key)
    more["weight_rounding"] = rounding
    return network.eval(), quantised_from_float(network, x, bits, 8, 8, generator, **more).eval()


@pytest.mark.parametrize("scales", ["per-tensor", "per-channel"])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_weights_take_one_of_the_values_around_them(kind, scales):
    network, made = pair(kind, weight_scales=scales)
    _, other = pair(kind, key=1, weight_scales=scales)
    _, again = pair(kind, weight_scales=scales)
    for name, layer in made.linears().items():
        values, step = (one.detach().double() for one in quantised_weight(layer))
        torch.testing.assert_close(layer.weight.detach().double(), values, rtol=1e-6, atol=1e-8)
        given = network.linears()[name].weight.detach().double()
        inside = (values.abs() / step.reshape(-1, 1)) < 2.5
        off = ((values - given).abs() / step.reshape(-1, 1))[inside & (values != 0)]
        assert float(off.max()) < 1 + 1e-6
        assert float(off.max()) > 0.6
        assert not torch.equal(other.linears()[name].weight, layer.weight)
        assert torch.equal(again.linears()[name].weight, layer.weight)


@pytest.mark.parametrize("bits", [1, 3])
def test_the_mean_of_many_keys_is_the_weight(bits):
    """Each weight between the ends within 6 standard errors of 300 draws (one in 10⁶ runs of 384
    weights); nearest values, the negative control, are not.
    """
    network, made = pair("single", bits=bits, rounding="nearest")
    ((name, layer),) = made.linears().items()
    values, step = (one.detach().double() for one in quantised_weight(layer))
    weight = network.linears()[name].weight.detach()
    draws, drawn = torch.Generator().manual_seed(1), []
    for _ in range(300):
        with torch.no_grad():
            layer.weight.copy_(weight)
        round_at_random(layer, draws)
        drawn.append(layer.weight.detach().double().clone())
    mean = torch.stack(drawn).mean(0)
    top, gap = (1, 2) if bits == 1 else (3, 1)
    inside = weight.abs() < step * top
    bound = 6 * float(step) * gap / 2 / math.sqrt(300)
    assert inside.double().mean() > 0.3
    assert float((mean - weight)[inside].abs().max()) < bound
    assert float((values - weight)[inside].abs().max()) > bound


def test_learned_widths_start_at_the_weights_themselves():
    network, made = pair("single", learned_bits=True)
    ((name, layer),) = made.linears().items()
    assert torch.equal(layer.weight, network.linears()[name].weight)


@pytest.mark.parametrize("name", ["nf4", "mxfp4", "nvfp4"])
def test_weights_of_a_format_take_one_of_the_values_around_them_by_the_remainder(name):
    """Over many keys each weight's mean is the weight: 200 draws, a z of 6 has 2e-9."""
    bits = 4
    network, made = pair("single", bits=bits, weight_format=name)
    weight = network.linears()["readout"].weight.detach().double()
    layer = made.linears()["readout"]
    torch.testing.assert_close(layer.weight, layer.values(), rtol=1e-6, atol=1e-8)
    grid = layer.grid
    scale = grid.scale_of(weight).detach()
    table = grid.integer_values().double()
    inside = (weight / scale).clamp(table[0], table[-1])
    lower = (torch.bucketize(inside, table, right=True) - 1).clamp(0, len(table) - 2)
    low, high = table[lower] * scale, table[lower + 1] * scale
    draws = []
    for key in range(200):
        with torch.no_grad():
            layer.weight.copy_(weight)
        round_at_random(layer, torch.Generator().manual_seed(key))
        draws.append(layer.weight.detach().double())
    found = torch.stack(draws)
    near = (found - low).abs().minimum((found - high).abs())
    assert float((near / (high - low)).max()) < 1e-5
    part = (inside * scale - low) / (high - low)
    z = (found.mean(0) - inside * scale) / ((high - low) * (part * (1 - part) / 200).sqrt())
    assert float(z[(part > 1e-3) & (part < 1 - 1e-3)].abs().max()) < 6
    nearest = grid(weight).detach()
    assert float((found.mean(0) - nearest).abs().mean()) > 0.01 * float((high - low).mean())
