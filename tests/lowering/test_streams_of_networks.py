"""A sampler that puts a converted network's output back into it: x <- a x + sigma xi has the
variance sigma² / (1 - a²) with new noise at every step, and sigma² / (1 - a)² where the noise of
all steps is one.
"""

import math
import warnings

import numpy as np
import pytest
import torch
from stattest import assert_mean

from stochsim.chip import RepeatedNoiseWarning
from stochsim.hardware import preset
from stochsim.keys import fold_in
from stochsim.lowering import convert

SHRINK = 0.85
VARIANCE = 0.735
CHAINS, STEPS = 2000, 60
RANGE = 8.0


def chain_step():
    """x <- SHRINK x + noise on an 8-bit chip."""
    layer = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(SHRINK)
    sigma = math.sqrt(VARIANCE * (1 - SHRINK**2))
    hardware = preset("digital-45nm").with_precision(8, 8, 8).with_({"noise.read_sigma": sigma})
    return convert(layer, hardware, torch.linspace(-RANGE, RANGE, 1001)[:, None])


def end_of_chains(step) -> np.ndarray:
    """The last states of CHAINS chains from 0: after STEPS the start is forgotten to 1e-8."""
    x = torch.zeros(CHAINS, 1)
    for _ in range(STEPS):
        x = step(x)
    return x.numpy().astype(float)[:, 0]


def rounding(module) -> float:
    """What the grids of inputs and outputs add to the variance, as uniform noise of a step."""
    (layer,) = module.program.layers.values()
    added = (SHRINK * layer.input.step) ** 2 / 12 + layer.output.step**2 / 12
    return added / (1 - SHRINK**2)


def test_a_stream_gives_the_right_variance_and_one_key_does_not():
    """False fails: 1e-6 each. The control is 12 times too wide."""
    module = chain_step()
    expected = VARIANCE + rounding(module)
    assert rounding(module) < 0.01
    assert_mean(end_of_chains(module.stream(key=0)) ** 2, expected)
    with pytest.warns(RepeatedNoiseWarning):
        repeated = end_of_chains(module)
    with pytest.raises(AssertionError):
        assert_mean(repeated**2, expected)
    assert_mean(repeated**2, VARIANCE * (1 + SHRINK) / (1 - SHRINK))


def test_the_warning_names_the_line_that_calls_the_module():
    """torch's own lines between it and the module are passed over."""
    module = torch.nn.Sequential(chain_step())
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        end_of_chains(module)
    assert [(one.category, one.filename) for one in found] == [(RepeatedNoiseWarning, __file__)]


def test_a_stream_of_a_network_is_its_reads_with_keys_in_turn():
    module = chain_step()
    x = torch.linspace(-1, 1, 7)[:, None]
    stream = module.stream(4)
    called, sampled = stream(x), stream.sample(x, 3)
    assert torch.equal(called, module(x, key=fold_in(4, "stream", 0)))
    assert np.array_equal(sampled, module.sample(x, 3, key=fold_in(4, "stream", 1)))
    assert stream.position == 2
    assert torch.equal(module.train().stream(4)(x), called)


def test_a_stream_has_the_networks_own_key_unless_given_another():
    module = chain_step()
    assert module.stream().key == module.key
    assert module.stream(5).key == 5
