"""Grids are fitted on all examples: their order changes nothing, and a blank one at the front is
one of many.
"""

import numpy as np
import pytest
import torch

import stochsim as ss
from stochsim.lowering.observing import STIMULI, _Values

HARDWARE = ss.load_hardware("digital-45nm", bits=8)


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(16, 3),
    ).eval()


def pictures(stimuli, size=40):
    """Large ones: more values than are kept of a layer."""
    return torch.rand(stimuli, 1, size, size, generator=torch.Generator().manual_seed(1)) * 4


def scales(converted):
    layers = converted.layers.values()
    return [float(g.scale().detach()) for one in layers for g in (one.input_grid, one.output_grid)]


def relative_error(converted, module, x):
    with torch.no_grad():
        wanted = module(x)
        return float((converted(x) - wanted).square().mean().sqrt() / wanted.std())


@pytest.mark.parametrize("order", ["reversed", "rolled", "sorted"])
def test_the_order_of_examples_changes_no_grid(order):
    x = pictures(60)
    places = {
        "reversed": np.arange(60)[::-1].copy(),
        "rolled": np.roll(np.arange(60), 7),
        "sorted": np.argsort(x.mean(dim=(1, 2, 3)).numpy()),
    }
    module = network()
    found = scales(ss.convert(module, HARDWARE, x))
    assert scales(ss.convert(module, HARDWARE, x[places[order]])) == pytest.approx(found, rel=1e-6)


@pytest.mark.parametrize("factor", [0.0, 0.1])
def test_a_blank_or_dim_example_at_the_front_is_one_of_many(factor):
    x = pictures(60)
    dim = x.clone()
    dim[0] *= factor
    module = network()
    usual = relative_error(ss.convert(module, HARDWARE, x), module, x[8:])
    assert usual < 0.02
    assert relative_error(ss.convert(module, HARDWARE, dim), module, x[8:]) < 1.5 * usual
    alone = ss.convert(module, HARDWARE, dim[:1] + 0.01)  # what the first one alone would give
    assert relative_error(alone, module, x[8:]) > 10 * usual


def test_an_example_behind_the_first_portion_is_looked_at():
    """Only the last one is negative, and only there."""
    x = pictures(STIMULI + 5, 4)
    assert ss.convert(network(), HARDWARE, x).layers["0"].input_grid.unsigned
    x[-1, 0, 3, 3] = -0.5
    assert not ss.convert(network(), HARDWARE, x).layers["0"].input_grid.unsigned


def test_the_last_portion_is_compared_too():
    """A network that computes something else when captured is found wherever that is: here when it
    is called a second time, after the first portion.
    """

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(4, 2)
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return self.linear(x) + (100.0 if self.calls == 2 else 0.0)

    x = torch.randn(STIMULI + 3, 4, generator=torch.Generator().manual_seed(0))
    ss.convert(Net(), HARDWARE, x[:STIMULI])
    with pytest.raises(ss.settings.StochsimError, match="computes something else"):
        ss.convert(Net(), HARDWARE, x)


def test_values_are_kept_at_the_same_positions_of_all_stimuli():
    found = _Values(1000)
    found.add(torch.arange(3000.0).expand(600, 3000))
    found.add(torch.arange(3000.0).expand(400, 3000))
    kept = found.ascending()
    assert kept.size == 20_000
    different = np.unique(kept)
    assert different.size == 200  # of each stimulus
    assert np.all(np.diff(kept) >= 0)
    few = _Values(3)
    few.add(torch.tensor([[3.0, 1.0], [2.0, 5.0], [0.0, 4.0]]))
    assert few.ascending().tolist() == [0, 1, 2, 3, 4, 5]
