"""Without noise the chip gives what the emulation and a plain reference give, value for value."""

import functools
import itertools

import numpy as np
import pytest
import torch
from conversiontest import (
    QUIET,
    chip_of,
    converted_small,
    on_powers_of_two,
    seeded,
    small_net,
    stimuli,
)
from torch import nn
from torch.nn import functional

from stochsim.hardware import Noise
from stochsim.lowering import convert
from stochsim.lowering.window_products import geometry_of

WIDTHS = [(1, 1, 1), (1, 4, 2), (2, 1, 3), (2, 2, 2), (3, 8, 1), (4, 4, 4), (8, 8, 8), (5, 6, 7)]
ACTIVATIONS = {
    "identity": lambda a: a,
    "relu": lambda a: np.maximum(a, 0),
    "tanh": np.tanh,
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
}


def reference_codes(values, grid):
    """Plain rounding to a grid, in float64: the integers that are times its scale."""
    scale = float(grid.scale().detach())
    place = np.asarray(values, np.float64) / scale
    if grid.bits == 1:
        return (place >= 0.5).astype(int) if grid.unsigned else np.where(place >= 0, 1, -1)
    low, high = (
        (0, 2**grid.bits - 1)
        if grid.unsigned
        else (-(2 ** (grid.bits - 1)), 2 ** (grid.bits - 1) - 1)
    )
    return np.clip(np.rint(place), low + grid.narrow, high).astype(int)


def reference_values(layer, x, windows):
    """A layer's values by one product of integers, (stimulus, position, neuron), of windows
    (stimulus, position, input) of x.
    """
    w = reference_codes(layer.weight.detach().reshape(len(layer.weight), -1), layer.weight_grid)
    scale = float((layer.weight_grid.scale() * layer.input_grid.scale()).detach())
    bias = 0 if layer.bias is None else layer.bias.detach().double().numpy()
    drive = scale * (reference_codes(windows, layer.input_grid) @ w.T) + bias
    return float(layer.output_grid.scale().detach()) * reference_codes(
        ACTIVATIONS[layer.activation](drive), layer.output_grid
    )


@pytest.mark.parametrize("widths", WIDTHS)
def test_chip_equals_emulation_in_float32_where_sums_are_exact(widths):
    converted, x = converted_small(chip_of(*widths))
    converted = on_powers_of_two(converted)
    assert converted(x).unique().numel() > 1
    assert torch.equal(converted(x), converted.emulated(x))


@pytest.mark.parametrize("widths", WIDTHS)
def test_chip_equals_emulation_in_float64(widths):
    converted, x = converted_small(chip_of(*widths))
    assert torch.equal(converted.double()(x.double()), converted.emulated(x.double()))


class Activations(nn.Module):
    """A layer for each activation, of the same input."""

    def __init__(self):
        super().__init__()
        self.identity, self.relu, self.tanh, self.sigmoid = (nn.Linear(6, 4) for _ in ACTIVATIONS)

    def forward(self, x):
        return {
            "identity": self.identity(x),
            "relu": torch.relu(self.relu(x)),
            "tanh": torch.tanh(self.tanh(x)),
            "sigmoid": torch.sigmoid(self.sigmoid(x)),
        }


@functools.cache
def with_every_activation(widths, low):
    """Converted on stimuli from `low` on; nothing of it is changed."""
    x = stimuli(20, 6, low=low).double()
    return convert(seeded(Activations).double(), chip_of(*widths), x)


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("activation", ["identity", "relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_a_linear_layer_equals_the_plain_reference(widths, activation, low):
    x = stimuli(20, 6, low=low).double()
    converted = with_every_activation(widths, low)
    layer = converted.layers[activation]
    assert layer.activation == activation
    assert layer.input_grid.unsigned == (low == 0)
    assert layer.output_grid.unsigned == (activation in ("relu", "sigmoid"))
    np.testing.assert_allclose(
        converted(x)[activation], reference_values(layer, x, x[:, None].numpy())[:, 0], rtol=1e-12
    )


@pytest.mark.parametrize("low", [-1.0, 0.0])
@pytest.mark.parametrize("widths", [(1, 1, 1), (4, 4, 4), (8, 3, 5)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": 1},
        {"stride": 2, "padding": 2},
        {"dilation": 2},
        {"stride": (1, 2), "padding": (0, 1), "dilation": (2, 1)},
    ],
)
def test_a_convolution_equals_the_unfolded_reference(options, widths, low):
    """torch's own unfold; padding is quantised as 0 is, so before it where there are only
    ±scale.
    """
    x = stimuli(5, 2, 7, 6, low=low).double()
    converted = convert(
        seeded(lambda: nn.Conv2d(2, 3, (3, 2), **options)).double(), chip_of(*widths), x
    )
    (layer,) = converted.layers.values()
    padding = options.get("padding", 0)
    height, width = padding if isinstance(padding, tuple) else (padding, padding)
    padded = functional.pad(x, (width, width, height, height))
    rest = {name: value for name, value in options.items() if name != "padding"}
    windows = functional.unfold(padded, (3, 2), **rest).transpose(1, 2).numpy()
    expected = reference_values(layer, x, windows).swapaxes(1, 2)
    np.testing.assert_allclose(converted(x).reshape(expected.shape), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv1d(2, 4, 3, padding="same"),
        lambda: nn.Conv1d(4, 4, 2, groups=4, bias=False),
        lambda: nn.Conv2d(4, 6, 3, groups=2, padding=1),
        lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"),
        lambda: nn.Conv2d(2, 3, 3, padding=(2, 1), padding_mode="circular"),
        lambda: nn.Conv2d(2, 3, (2, 4), padding="same", padding_mode="replicate", dilation=(1, 1)),
    ],
)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_every_convolution_of_torch_at_eight_bits_is_near_the_float_one(make):
    conv = seeded(make)
    x = stimuli(6, conv.in_channels, *(5, 6)[: len(conv.kernel_size)])
    converted = convert(conv, chip_of(8, 8, 8), x)
    assert torch.equal(converted.double()(x.double()), converted.emulated(x.double()))
    assert float((converted(x.double()) - conv(x).detach()).abs().max()) < 0.03
    assert converted(x.double()).shape == conv(x).shape


def test_a_linear_layer_takes_any_axes_for_positions():
    x = stimuli(4, 5, 2, 6)
    converted = convert(seeded(lambda: nn.Linear(6, 3)), QUIET, x).double()
    assert converted(x.double()).shape == (4, 5, 2, 3)
    flat = converted(x.double().reshape(40, 1, 1, 6)).reshape(4, 5, 2, 3)
    assert torch.equal(converted(x.double()), flat)


def test_codes_pass_pooling_and_shapes_unchanged_and_are_not_rounded_again():
    converted, x = converted_small(QUIET)
    layers = list(converted.layers.values())
    assert [layer.takes_codes for layer in layers] == [False, True, True, True]
    assert all(
        after.input_grid is before.output_grid for before, after in itertools.pairwise(layers)
    )
    first = layers[0].emulate(x)
    assert torch.equal(layers[0].output_grid(first), first)


def test_a_layer_of_another_width_has_a_grid_of_its_own():
    converted, _ = converted_small(QUIET, bits={"3": (2, 3, 5)})
    layers = converted.layers
    assert [layer.bits for layer in layers.values()] == [(4, 4, 4), (2, 3, 5), (4, 4, 4), (4, 4, 4)]
    assert [layer.takes_codes for layer in layers.values()] == [False, False, False, True]
    programs = [layer.layer() for layer in layers.values()]
    assert [(one.weight_bits, one.input.bits, one.output.bits) for one in programs] == [
        layer.bits for layer in layers.values()
    ]


def test_eight_bits_are_near_the_float_network():
    converted, x = converted_small(chip_of(8, 8, 8))
    assert float((converted(x) - seeded(small_net)(x).detach()).abs().max()) < 0.02


def test_a_network_with_noise_gives_other_values():
    """The negative control of all tests here: they would fail on a chip with noise."""
    converted, x = converted_small(chip_of(noise=Noise(read_sigma_lsb=0.3)))
    assert not torch.equal(on_powers_of_two(converted)(x), converted.emulated(x))


def test_geometry_counts_positions_as_torch_does():
    for conv in (nn.Conv2d(1, 1, (3, 2), (2, 1), (1, 0), (1, 3)), nn.Conv1d(1, 1, 4, 3, 2)):
        shape = (1, 11, 9)[: 1 + len(conv.kernel_size)]
        axes = len(conv.kernel_size)
        geometry = geometry_of(axes, tuple(conv.weight.shape), vars(conv))
        assert geometry.outputs(shape) == tuple(conv(torch.zeros(1, *shape)).shape[2:])
