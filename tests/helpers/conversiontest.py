"""Tiny networks and chips for the tests of conversion."""

import copy

import numpy as np
import torch
from torch import nn

from stochsim.hardware import Hardware, preset
from stochsim.lowering import ChipModule, convert

QUIET = preset("digital-45nm")


def chip_of(weight_bits: int = 4, input_bits: int = 4, output_bits: int = 4, **parts) -> Hardware:
    """A digital chip of these widths, with these parts of its description."""
    chip = (
        QUIET if parts.get("array") is None else QUIET.with_price("dac", "dac-isaac-32nm")
    )  # input lines have DACs
    return chip.with_precision(weight_bits, input_bits, output_bits).replace(**parts)


def seeded(make, seed: int = 0) -> nn.Module:
    """What make() gives, with weights that the seed fixes."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make().eval()


def stimuli(*shape: int, seed: int = 3, low: float = -1.0) -> torch.Tensor:
    """Uniform between low and 1."""
    return torch.from_numpy(np.random.default_rng(seed).uniform(low, 1, shape)).float()


def losses_of_training(
    made: ChipModule, x: torch.Tensor, wanted: torch.Tensor
) -> tuple[float, float]:
    """Mean squared error without noise before 60 steps of Adam with it, and after."""

    def loss() -> float:
        return float((made.emulated(x) - wanted).square().mean().detach())

    start = loss()
    made.train()
    optimiser = torch.optim.Adam(made.parameters(), 1e-2)
    for step in range(60):
        optimiser.zero_grad()
        (made(x, key=step) - wanted).square().mean().backward()
        optimiser.step()
    return start, loss()


class Twice(nn.Module):
    """One layer, called twice."""

    def __init__(self, inputs: int = 4) -> None:
        super().__init__()
        self.one = nn.Linear(inputs, inputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of (stimulus, input)."""
        return self.one(torch.relu(self.one(x)))


def small_net() -> nn.Module:
    """Convolution, pooling, linear layers with every activation: inputs (1, 6, 6), three
    outputs.
    """
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 2),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(16, 5),
        nn.Sigmoid(),
        nn.Linear(5, 3),
    )


def fresh_small(hardware: Hardware, **options) -> tuple[ChipModule, torch.Tensor]:
    """The small network, converted anew for a chip, and stimuli: for tests of what `convert` itself
    does.
    """
    x = stimuli(10, 1, 6, 6)
    return convert(seeded(small_net), hardware, x, **options), x


_SMALL: dict[tuple[Hardware, str], ChipModule] = {}


def converted_small(hardware: Hardware, **options) -> tuple[ChipModule, torch.Tensor]:
    """A copy of the small network on a chip, which is converted once for each, and stimuli."""
    key = hardware, repr(sorted(options.items()))
    if key not in _SMALL:
        _SMALL[key], _ = fresh_small(hardware, **options)
    return copy.deepcopy(_SMALL[key]), stimuli(10, 1, 6, 6)


def on_powers_of_two(converted, seed: int = 5):
    """The same with every scale a power of two and every bias a multiple of a small one, so that
    sums in float32 are exact.
    """
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in converted.state_dict(keep_vars=True).items():
            if name.endswith("log_scale"):
                parameter.copy_(parameter.round())
        for layer in converted.layers.values():
            if layer.bias is not None:
                step = 2.0 ** float(layer.weight_grid.log_scale + layer.input_grid.log_scale)
                layer.bias.copy_(torch.from_numpy(step * random.integers(-20, 20, len(layer.bias))))
    return converted


class Calls(nn.Module):
    """A module whose forward is the function given, with these parts."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.call = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.call(self, x)
