"""Parts in float that use a layer's own weights, mix stimuli, or give what has no code."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from stochsim.energy import Operations
from stochsim.hardware import Memory, Noise, preset
from stochsim.lowering import convert, load_converted
from stochsim.settings import StochsimError

NOISY = preset("digital-45nm").with_precision(4, 4, 4).replace(noise=Noise(read_sigma_lsb=0.5))
X = np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)


class OneLayer(nn.Module):
    """A layer of 6 inputs and 4 neurons, with what a subclass computes beside it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 4)


class TiedWeights(OneLayer):
    def forward(self, x):
        return functional.linear(torch.relu(self.layer(x)), self.layer.weight.transpose(0, 1))


class BiasBeside(OneLayer):
    def forward(self, x):
        return self.layer(x) + self.layer.bias


class SplitBeside(OneLayer):
    def forward(self, x):
        first, second = x.split(3, 1)
        return self.layer(x)[:, :3] + first * second


class PairBeside(OneLayer):
    def forward(self, x):
        parts = x.split(3, 1)
        return self.layer(x)[:, :3] + torch.cat(parts, 1)[:, 1:4]


class StimuliOnTheSecondAxis(OneLayer):
    def forward(self, x):
        return self.layer(x) + x.t()[:4].t()


class MeanOfStimuli(OneLayer):
    def forward(self, x):
        return self.layer(x) - x.mean(0)[:4]


class MeanOfCodes(OneLayer):
    def forward(self, x):
        y = self.layer(x)
        return y - y.mean(0, keepdim=True)


class ProductOfStimuli(OneLayer):
    def forward(self, x):
        y = self.layer(x)
        return (y @ y.t()) @ y


class WritesIntoWhatReadsShare(OneLayer):
    def forward(self, x):
        y = x[:, :4] * 1.0
        z = y.add_(self.layer(x))
        return z * 2 + y


class AddsToWhatReadsShare(OneLayer):
    def forward(self, x):
        y = x[:, :4] * 1.0
        y += self.layer(x)
        return y * 2


MODULES = (
    WritesIntoWhatReadsShare,
    AddsToWhatReadsShare,
    TiedWeights,
    BiasBeside,
    SplitBeside,
    PairBeside,
    StimuliOnTheSecondAxis,
    MeanOfStimuli,
    MeanOfCodes,
    ProductOfStimuli,
)


def converted(module, hardware=NOISY):
    torch.manual_seed(0)
    return convert(module(), hardware, X)


@pytest.mark.parametrize("module", MODULES)
def test_reads_together_are_those_one_by_one(module):
    """A read is a call of the network on all stimuli, whatever runs beside it."""
    network = converted(module)
    together = network.sample(X[:4], 5, 3)
    alone = [network.sample(X[:4], 1, 3, first_read=read)[:, 0] for read in range(5)]
    assert np.array_equal(together, np.stack(alone, axis=1))
    assert not np.array_equal(together[:, 0], together[:, 1])


@pytest.mark.parametrize("module", MODULES)
def test_the_operations_of_reads_are_those_of_each(module):
    """On an array, where they depend on the data; weights are read once for all reads."""
    chip = converted(module, preset("sram-array-28nm")).chip()
    together = dict(chip.sample(X[:4], 5, 3).operations)
    each = [chip.sample(X[:4], 1, 3, first_read=read).operations for read in range(5)]
    alone = dict(sum(each, Operations()))
    weights = [one for one in together if one.kind == "weight_memory"]
    assert weights
    assert all(5 * together.pop(one) == alone.pop(one) for one in weights)
    assert together == pytest.approx(alone)


@pytest.mark.parametrize("module", [TiedWeights, BiasBeside])
def test_a_layer_whose_weights_stand_beside_it_is_converted(module, tmp_path):
    """At 8 bits, and again from a file; the part beside it keeps the float weights."""
    network = converted(module, preset("digital-45nm").with_precision(8, 8, 8))
    torch.manual_seed(0)
    expected = module()(torch.from_numpy(X)).detach().numpy()
    found = network.sample(X, 1, 0)[:, 0]
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
    network.program.save(tmp_path / "program")
    assert np.array_equal(load_converted(tmp_path / "program").sample(X, 1, 0)[:, 0], found)


def test_parameters_that_the_chip_took_over_are_no_longer_there():
    """functional.linear's weight is the layer's now: an optimiser finds one of them."""

    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 6))
            self.shift = nn.Parameter(torch.randn(4))

        def forward(self, x):
            return functional.linear(x, self.weight) + self.shift

    network = converted(Functional)
    names = [name for name, value in network.named_parameters() if value.numel() > 1]
    assert names == ["network.shift", "network.linear.weight"]


@pytest.mark.parametrize("value", [-10.0, 0.0])
def test_what_has_no_code_names_the_part_that_gave_it(value):
    """The logarithm of a negative number is NaN, that of zero is minus infinity."""

    class Logarithm(OneLayer):
        def forward(self, x):
            return self.layer(torch.log(x + 5))

    network = converted(Logarithm)
    network.sample(X[:4], 2, 0)
    x = X[:4].copy()
    x[2, 1] = value - 5
    match = "the part 'log' gives values that are not finite .* the layer 'layer' cannot read"
    with pytest.raises(StochsimError, match=match):
        network.sample(x, 2, 0)
    with pytest.raises(StochsimError, match=match):
        network.chip().sample(x, 2, 0)


def test_other_hardware_and_another_chip_key_are_taken_at_once():
    """After a first sample too."""
    network = converted(BiasBeside)
    before = network.sample(X, 1, 0)
    network.hardware = preset("digital-45nm").with_precision(4, 4, 4)
    quiet = network.sample(X, 2, 0)
    assert np.array_equal(quiet[:, 0], quiet[:, 1])
    assert not np.array_equal(quiet[:, :1], before)
    assert network.model_of_noise.read_sigma_lsb == 0
    network.hardware = network.hardware.replace(memory=Memory(weight_errors=0.1))
    first = network.sample(X, 1, 0)
    network.chip_key = 5
    assert not np.array_equal(network.sample(X, 1, 0), first)
