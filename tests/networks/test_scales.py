"""Where scales start, by brute force; what a network whose widths were learned keeps when they are fixed."""

import numpy as np
import pytest
import torch

from stochsim.networks import (
    ArchitectureSettings,
    Draws,
    FeedForward,
    NetworkSettings,
    build_network,
    frozen_bits,
    optimal_step,
    quantised_from_float,
)
from stochsim.networks.quantizers import bits_of, scale_of, scale_parameter

INPUTS, NEURONS = 8, 6
KINDS = ["single", "deep", "recurrent"]


def generator(key=1):
    return torch.Generator().manual_seed(key)


def float_network(kind="single"):
    single = FeedForward(NetworkSettings(inputs=INPUTS, neurons=NEURONS), generator())
    with torch.no_grad():
        single.log_sigma.copy_(torch.linspace(-2, -0.5, NEURONS))
        single.linear.bias.normal_(0, 0.3, generator=generator(2))
    if kind == "single":
        return single
    network = build_network(NetworkSettings(inputs=INPUTS, neurons=NEURONS, architecture=ArchitectureSettings(kind=kind)))
    network.start_from(single)
    with torch.no_grad():
        if kind == "recurrent":
            network.lateral.weight.normal_(0, 0.03, generator=generator(3))
        else:
            network.spread.weight.add_(0.05 * torch.randn(network.spread.weight.shape, generator=generator(3)))
    return network


def stimuli(count=400, key=4):
    return torch.randn(count, INPUTS, generator=generator(key))


def heavy_tailed():
    """(stimulus, neuron): a few stimuli are ten times as large as the others."""
    random = np.random.default_rng(0)
    return random.normal(size=(300, NEURONS)) * np.where(np.arange(300) < 12, 10.0, 1.0)[:, None]


def errors(values, step, bits, weight=1.0):
    half = 2 ** (bits - 1)
    return weight * (values - step * np.clip(np.round(values / step), -half, half - 1)) ** 2


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
def test_by_stimulus_it_is_the_mean_of_roots_that_is_least(bits, weighted):
    """Within 1 % of the least of 4,000 steps; the step of least mean square, which large stimuli draw to them, is worse by more."""
    values = heavy_tailed()
    weight = np.linspace(0.2, 5, NEURONS) if weighted else 1.0

    def cost(step):
        return np.sqrt(errors(values, step, bits, weight).mean(axis=1)).mean()

    scan = np.abs(values).max() / 2 ** (bits - 1) * np.geomspace(0.005, 1.2, 4_000)
    least = min(cost(step) for step in scan)
    found = optimal_step(values, bits, weight, by_stimulus=True)
    assert cost(found) < 1.01 * least
    other = optimal_step(values, bits, weight)
    assert errors(values, other, bits, weight).mean() < 1.01 * min(errors(values, step, bits, weight).mean() for step in scan)
    if bits < 8:
        assert other > 1.1 * found
        assert cost(other) > 1.05 * least


@pytest.mark.parametrize("kind", KINDS)
def test_by_posterior_errors_count_in_posterior_sds_and_the_scale_stays(kind):
    network, x = float_network(kind), stimuli()
    fitted = quantised_from_float(network, x, 4, 4, 3, generator(5), by_posterior=True)
    draws = Draws(generator(5))
    with torch.no_grad():
        part = x[:: max(1, len(x) // 256)] if kind == "recurrent" else x
        answer = network.response(part, draws)
        expected = optimal_step(answer.drawn(draws).numpy(), 3, 1 / answer.variances.mean(0).numpy(), by_stimulus=True)
    assert fitted.settings.output_scale == pytest.approx(expected)
    assert not scale_parameter(fitted.output_quantizer).requires_grad
    with torch.no_grad():
        scale_parameter(fitted.output_quantizer).sub_(0.5)
    before = float(scale_of(fitted.output_quantizer))
    fitted.keep_bounds()
    assert float(scale_of(fitted.output_quantizer)) == before  # not put back to where it started: what is fixed needs no bound
    plain = quantised_from_float(network, x, 4, 4, 3, generator(5))
    assert scale_parameter(plain.output_quantizer).requires_grad == (kind != "recurrent")
    assert plain.settings.output_scale != pytest.approx(expected, rel=1e-3)


def learned(kind, widths):
    """A network whose learned widths have moved from 8 bits to these, and the float one it started from."""
    start = float_network(kind)
    network = quantised_from_float(start, stimuli(), 8, 8, 8, generator(5), learned_bits=True).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("bit_width_offset"):
                which = 1 if name.startswith("input") else 2 if name.startswith("output") else 0
                value.fill_(widths[which] - 2)
    return start, network


def answers(network, x):
    """Samples and spread, or moments."""
    with torch.no_grad():
        found = network.response(x, Draws(generator(7)))
    return (found.mean, found.covariance) if found.samples is None else (found.samples, found.spread)


@pytest.mark.parametrize("widths", [(8, 8, 8), (4, 5, 3), (2, 3, 6)])
@pytest.mark.parametrize("kind", ["single", "recurrent"])
def test_fixed_widths_answer_as_the_learned_ones_did(kind, widths):
    """Same weights, ranges, noise and random numbers; but for codes on edges, same values."""
    _, before = learned(kind, widths)
    fixed = frozen_bits(before, widths).eval()
    s, x = fixed.settings, stimuli(200, 8)
    assert (s.weight_bits, s.input_bits, s.output_bits, s.learned_bits) == (*widths, False)
    for name, layer in fixed.linears().items():
        torch.testing.assert_close(layer.quant_weight().value, before.linears()[name].quant_weight().value, rtol=1e-5, atol=1e-6)
    for name in ("input_quantizer", "output_quantizer"):
        torch.testing.assert_close(scale_of(getattr(fixed, name)), scale_of(getattr(before, name)), rtol=1e-5, atol=0)
    assert float(bits_of(fixed.output_quantizer)) == widths[2]
    for own, other in zip(answers(fixed, x), answers(before, x), strict=True):
        assert float(((own - other).abs() > 1e-4).float().mean()) < 0.002
    assert fixed.output_half_range() == pytest.approx(before.output_half_range(), rel=1e-5)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_fixed_widths_of_a_deep_network_keep_the_ranges_of_its_inner_codes(bits):
    """Hidden and spread codes, of 8 bits until then, get the width of the outputs: their steps grow, their ranges and centres stay."""
    _, before = learned("deep", (8, 8, bits))
    fixed = frozen_bits(before, (8, 8, bits)).eval()
    times = 2.0 ** (8 - bits)
    for name in ("hidden_quantizer", "spread_quantizer"):
        old, new = getattr(before, name), getattr(fixed, name)
        assert float(scale_of(new)) == pytest.approx(times * float(scale_of(old)), rel=1e-5)
        assert float(bits_of(new)) == bits
    shift = 2.0**-bits - 2.0**-8
    torch.testing.assert_close(fixed.hidden.bias, before.hidden.bias - shift)
    x = stimuli(400, 8)
    with torch.no_grad():
        hidden = [net.hidden(net.read_input(x, Draws(generator()), None)[0]) for net in (before, fixed)]
        torch.testing.assert_close(hidden[0] - hidden[1], torch.full_like(hidden[0], shift), rtol=1e-3, atol=1e-5)
        sigma = [float_network("deep").heads(x)[1].log(), answers(fixed, x)[1].log()]
        off = float((sigma[0] - sigma[1]).square().mean().sqrt())
    direct = quantised_from_float(float_network("deep"), stimuli(), 8, 8, bits, generator(5)).eval()
    best = float((sigma[0] - answers(direct, x)[1].log()).square().mean().sqrt())
    assert off < 2.5 * best + 0.003
