"""What training computes lies on the grids of the chip: sums that meet an edge exactly, and
autocast around.
"""

import numpy as np
import pytest
import torch

import stochsim as ss
from stochsim.networks import Grid

HARDWARE = ss.load_hardware("digital-45nm", bits=8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("inputs", [8, 64, 784])
def test_sums_of_exactly_zero_have_the_code_of_the_chip(inputs, dtype):
    """At one bit without bias; ties are there to be met, and their codes are those of sums >= 0."""
    torch.manual_seed(0)
    module = torch.nn.Linear(inputs, 64, bias=False).to(dtype)
    x = torch.randn(256, inputs, dtype=dtype)
    converted = ss.convert(module, HARDWARE.with_precision(1, 1, 1), x)
    (layer,) = converted.layers.values()
    signs = [torch.where(one >= 0, 1.0, -1.0).double() for one in (x, layer.weight)]
    sums = signs[0] @ signs[1].T
    assert (sums == 0).float().mean() > 0.01
    with torch.no_grad():
        emulated = layer.emulate(x)
    assert torch.equal(emulated > 0, sums >= 0)
    assert torch.equal(emulated, converted(x).to(dtype))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_windows_with_zeros_around_them_have_the_codes_of_the_chip(bits):
    torch.manual_seed(bits)
    module = torch.nn.Conv2d(4, 6, 3, padding=1, groups=2, bias=bits > 1)
    x = torch.randn(20, 4, 7, 7)
    converted = ss.convert(module, HARDWARE.with_precision(bits, bits, bits), x)
    with torch.no_grad():
        assert torch.equal(converted.emulated(x), converted(x))


def test_the_gradient_is_that_of_scaled_values():
    """By hand: one weight, one input; to the weight the value of the input and the reverse."""
    module = torch.nn.Linear(1, 1)
    with torch.no_grad():
        module.weight[:] = 0.7
        module.bias[:] = 0.1
    x = torch.linspace(-1, 1, 64)[:, None]
    (layer,) = ss.convert(module, HARDWARE, x).layers.values()
    given = torch.tensor([[0.4]], requires_grad=True)
    layer.emulate(given).sum().backward()
    assert given.grad.item() == pytest.approx(layer.weight_grid(layer.weight).item(), rel=1e-6)
    value = layer.input_grid(torch.tensor(0.4)).item()
    assert layer.weight.grad.item() == pytest.approx(value, rel=1e-6)
    assert layer.bias.grad.item() == pytest.approx(1.0)


def small_network():
    torch.manual_seed(0)
    parts = [
        torch.nn.Linear(8, 16),
        torch.nn.LayerNorm(16),
        torch.nn.GELU(),
        torch.nn.Linear(16, 4),
    ]
    return torch.nn.Sequential(*parts).eval(), torch.randn(64, 8)


@pytest.mark.parametrize("training", [False, True])
def test_layers_do_not_depend_on_autocast(training):
    module, x = small_network()
    converted = ss.convert(module, HARDWARE, x).train(training)
    expected = converted(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = converted(x)
        converted_inside = ss.convert(module, HARDWARE, x)
    assert found.dtype == torch.float32
    grid = converted.layers["3"].output_grid
    with torch.no_grad():
        assert torch.equal(grid(found), found)
    if not training:  # parts in float follow autocast in training, as torch's own do
        assert torch.equal(found, expected)
    assert torch.equal(converted_inside.emulated(x), converted.emulated(x))


def test_a_part_in_float_of_a_chip_does_not_depend_on_autocast():
    module, x = small_network()
    converted = ss.convert(module, HARDWARE, x, keep_float=["3"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = converted(x)
    assert torch.equal(found, converted(x))


@pytest.mark.parametrize("p", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("activation", [torch.nn.ReLU, torch.nn.Sigmoid])
def test_dropout_in_training_scales_codes_and_clips_none(p, activation):
    """Drives are the sum of the kept values over 1 - p; values that the grid clips at its end
    would fall short.
    """
    torch.manual_seed(0)
    first, last = torch.nn.Linear(16, 64), torch.nn.Linear(64, 1, bias=False)
    with torch.no_grad():
        last.weight.fill_(1 / 64)
    module = torch.nn.Sequential(first, activation(), torch.nn.Dropout(p), last).eval()
    x = torch.randn(500, 16)
    converted = ss.convert(module, HARDWARE, x)
    layer = converted.layers["3"]
    assert layer.takes_codes
    values = converted.layers["0"].emulate(x[:50]).detach()
    kept = (torch.rand(50, 64) >= p) / (1 - p)
    with torch.no_grad():
        found = layer._response(values * kept)[:, 0]
    weight = layer.weight_grid(layer.weight).detach()
    assert found.numpy() == pytest.approx(((values * kept) @ weight[0]).numpy(), rel=1e-5)
    clipped = layer.input_grid(values * kept).detach() @ weight[0]
    if p >= 0.5:  # negative control
        assert float((found - clipped).abs().max()) > 0.01 * float(found.mean())


def test_sums_are_those_of_integers():
    """Bit by bit in float32: a value divided by its scale may be off an integer."""
    torch.manual_seed(0)
    x = torch.randn(64, 20)
    (layer,) = ss.convert(torch.nn.Linear(20, 9, bias=False), HARDWARE, x).layers.values()
    with torch.no_grad():
        values = layer.input_grid(x)
        integers = [layer.input_grid.integers(x), layer.weight_grid.integers(layer.weight)]
        scales = layer.input_grid.scale() * layer.weight_grid.scale()
        expected = (integers[0].int() @ integers[1].int().T).float() * scales
        assert torch.equal(layer._response(values), expected)
        weights = layer.weight_grid(layer.weight) / layer.weight_grid.scale()
        assert not torch.equal(weights, integers[1].float())  # without rounding it would differ


def test_a_given_scale_is_kept_to_the_last_place_until_it_is_learned():
    """Powers of logarithms are not, for some of these."""
    scales = np.random.default_rng(0).uniform(0.01, 10, 200)
    assert (np.exp2(np.log2(scales)) != scales).any()
    grid = Grid(4, scales, narrow=True).double()
    assert np.array_equal(grid.scale().detach().numpy(), scales)
    grid.scale().sum().backward()
    assert grid.log_scale.grad.numpy() == pytest.approx(np.log(2) * scales)
    with torch.no_grad():
        grid.log_scale += 1
    assert grid.scale().detach().numpy() == pytest.approx(2 * scales)
