"""The arithmetic that training uses in Brevitas's place gives Brevitas's own values, bit for bit,
and its gradients.
"""

import copy

import numpy as np
import pytest
import torch

from stochsim.networks.quantizers import (
    activation_quantizer,
    bits_of,
    quantise,
    quantised_linear,
    quantised_weight,
    scale_of,
    scale_parameter,
    set_steps_of_neurons,
)

BITS = range(1, 9)
SCALES = [0.25, 0.3, 0.0123, 1.7]
ROUNDING = {torch.float32: 1e-6, torch.float64: 1e-14}
"""Of a sum, as a share of the size of its 20,000 terms, whose order differs."""


def generator(key=1):
    return torch.Generator().manual_seed(key)


def places(bits, shape=(300, 64)):
    """In steps: noise, every tie and whole place in and a little beyond the range, and what clips
    by far.
    """
    half = 2 ** (bits - 1)
    ties = torch.arange(-2 * half - 4, 2 * half + 5) / 2
    x = (0.6 * half + 0.5) * torch.randn(shape, generator=generator(bits))
    x.view(-1)[: 3 * len(ties)] = torch.cat([ties, ties + 1e-3, ties - 1e-3])
    x.view(-1)[-4:] = torch.tensor([1e6, -1e6, half - 0.5, -half - 0.5])
    return x


def assert_same_gradients(own, brevitas, x, scales, step, bits):
    """Of a random combination of values: to x entry by entry, none where it clips; to the scale up
    to the rounding of a long sum.
    """
    weight = torch.randn(x.shape, generator=generator(9), dtype=x.dtype)
    found, true = (
        torch.autograd.grad((values * weight).sum(), [x, *scales]) for values in (own, brevitas)
    )
    torch.testing.assert_close(found[0], true[0], rtol=1e-6, atol=0)
    assert int(torch.count_nonzero(found[0])) < x.numel() or bits == 1
    assert len(scales) == (bits > 1)
    terms = float((weight * (x.detach() / step).clamp(-1000, 1000)).abs().sum() * step)
    for one, other in zip(found[1:], true[1:], strict=True):
        assert abs(float(one - other)) < ROUNDING[x.dtype] * terms
        assert abs(float(other)) > 100 * ROUNDING[x.dtype] * terms


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    ("bits", "dtype"),
    [*((bits, torch.float32) for bits in BITS), *((bits, torch.float64) for bits in range(2, 9))],
)
def test_activations(bits, scale, dtype):
    quantizer = activation_quantizer(bits, scale).to(dtype)
    step = scale_of(quantizer).detach()
    x = (places(bits).to(dtype) * step).requires_grad_()
    own = quantise(quantizer, x)
    brevitas = quantizer(x).value
    assert torch.equal(own, brevitas)
    assert own.unique().numel() == 2**bits
    assert_same_gradients(own, brevitas, x, list(quantizer.parameters()), step, bits)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("bits", BITS)
def test_weights(bits, scale):
    layer = quantised_linear(48, 64, True, bits, scale)
    with torch.no_grad():
        step = quantised_weight(layer)[1]
        layer.weight.copy_(places(bits, (64, 48)) * step)
    brevitas = layer.quant_weight()
    own, own_step = quantised_weight(layer)
    assert torch.equal(own, brevitas.value)
    assert torch.equal(own_step.reshape(()), brevitas.scale.reshape(()))
    assert own.unique().numel() == (2 if bits == 1 else 2**bits - 1)
    scales = [value for name, value in layer.named_parameters() if "scaling_impl" in name]
    assert_same_gradients(own, brevitas.value, layer.weight, scales, step, bits)


@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_with_scales_of_neurons(bits):
    """What Brevitas gives, and its gradients to weights and to every scale."""
    layer = quantised_linear(400, 6, True, bits, 0.3, of_neurons=True).double()
    steps = np.linspace(0.1, 0.6, 6)
    set_steps_of_neurons(layer, steps)
    with torch.no_grad():
        found = quantised_weight(layer)[1]
        assert found.numpy() == pytest.approx(steps, rel=1e-6)
        layer.weight.copy_(places(bits, (6, 400)).double() * found[:, None])
    brevitas, own = layer.quant_weight(), quantised_weight(layer)
    assert torch.equal(own[0], brevitas.value)
    assert torch.equal(own[1], brevitas.scale[:, 0])
    parameters = [layer.weight, *(v for n, v in layer.named_parameters() if "scaling_impl" in n)]
    weight = torch.randn(brevitas.value.shape, generator=generator(3), dtype=torch.float64)
    both = (own[0], brevitas.value)
    of_own, of_brevitas = (torch.autograd.grad((one * weight).sum(), parameters) for one in both)
    assert of_own[1].shape == (6, 1)
    for one, other in zip(of_own, of_brevitas, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9 * float(other.abs().max()))


@pytest.mark.parametrize("bits", range(2, 9))
def test_the_gradient_of_a_scale_distinguishes_codes_from_places(bits):
    """A negative control: without the part that is not clamped, as if rounding passed nothing, the
    gradient is another.
    """
    quantizer = activation_quantizer(bits, 0.3).double()
    x = places(bits).double() * 0.3
    weight = torch.randn(x.shape, generator=generator(9), dtype=torch.float64)
    (found,) = torch.autograd.grad(
        (quantise(quantizer, x) * weight).sum(), [scale_parameter(quantizer)]
    )
    chain = float(scale_of(quantizer).detach()) * torch.log(torch.tensor(2.0, dtype=torch.float64))
    code = quantise(quantizer, x).detach() / scale_of(quantizer).detach()
    clamped = (code - x / scale_of(quantizer).detach()).abs() > 0.5 + 1e-9
    exact = (
        chain
        * (weight * (code - torch.where(clamped, 0.0, x / scale_of(quantizer).detach()))).sum()
    )
    torch.testing.assert_close(found, exact, rtol=1e-9, atol=0)
    assert abs(float(chain * (weight * code).sum() - exact)) > 1e-3 * abs(float(exact))


@pytest.mark.parametrize("bits", BITS)
def test_scales_and_widths_are_those_of_brevitas_and_stay_so_as_they_are_learned(bits):
    quantizer = activation_quantizer(bits, 0.3)
    for _ in range(3):
        assert torch.equal(scale_of(quantizer), quantizer.act_quant.scale())
        assert float(bits_of(quantizer)) == float(quantizer.act_quant.bit_width()) == bits
        with torch.no_grad():
            for parameter in quantizer.parameters():
                parameter.add_(0.37)
    assert torch.equal(quantise(quantizer, places(bits)), quantizer(places(bits)).value)


def assert_same_learned_gradients(found, true):
    """Of x (or the weights), scale and width: none of them is 0."""
    assert len(found) == 3
    for one, other in zip(found, true, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6 * float(other.abs().max()))
        assert torch.count_nonzero(one)


@pytest.mark.parametrize("bits", [2, 3, 5, 8])
def test_learned_widths_give_what_brevitas_gives(bits):
    """Values, steps and widths, and a gradient for each of x, scale and width; between widths too,
    which Brevitas rounds.
    """
    quantizer = activation_quantizer(bits, 0.3, learned_bits=True)
    layer = quantised_linear(6, 5, True, bits, 0.2, learned_bits=True)
    with torch.no_grad():
        layer.weight.normal_(0, 0.5, generator=generator())
        for module in (quantizer, layer):
            for name, value in module.named_parameters():
                if name.endswith("bit_width_offset"):
                    value.add_(0.3)
    x = torch.randn(40, 6, generator=generator(2), requires_grad=True)
    module = copy.deepcopy(quantizer)
    own = quantise(quantizer, x)
    brevitas = module(x)
    assert torch.equal(own, brevitas.value)
    assert torch.equal(scale_of(quantizer), brevitas.scale)
    assert float(bits_of(quantizer).detach()) == float(brevitas.bit_width.detach()) == bits
    pairs = (own, x, quantizer), (brevitas.value, x, module)
    assert_same_learned_gradients(
        *(torch.autograd.grad(one.square().sum(), [at, *q.parameters()]) for one, at, q in pairs)
    )
    weight, step = quantised_weight(layer)
    expected = layer.quant_weight()
    assert torch.equal(weight, expected.value)
    assert torch.equal(step, expected.scale)
    parameters = [value for name, value in layer.named_parameters() if name != "bias"]
    assert_same_learned_gradients(
        *(torch.autograd.grad(one.square().sum(), parameters) for one in (weight, expected.value))
    )
    (of_width,) = torch.autograd.grad(
        bits_of(quantizer),
        [v for n, v in quantizer.named_parameters() if n.endswith("bit_width_offset")],
    )
    assert float(of_width) == 1
