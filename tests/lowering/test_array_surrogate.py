"""What training draws in place of an array's sums: their mean and variance, for every neuron."""

import copy
import pickle

import numpy as np
import pytest
import torch
from conversiontest import chip_of, seeded, stimuli
from torch import nn

from stochsim.hardware import Adc, Array, Hardware
from stochsim.lowering import ChipModule, convert
from stochsim.lowering.array_surrogate import CALLS

NOISY = Array(rows=16, columns=16, adc=Adc(bits=7, sigma_lsb=1.0, range="calibrated"))
IDEAL = Array(rows=64, columns=64)
READS = 400


def net() -> nn.Module:
    """A convolution with groups, and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 3)
    )


def made(hardware: Hardware) -> tuple[ChipModule, torch.Tensor]:
    """A converted network in training, and its examples."""
    x = stimuli(64, 2, 6, 6)
    return convert(seeded(net), hardware, x).train(), x


def test_sums_of_an_ideal_array_stay_as_they_are() -> None:
    module, x = made(chip_of(8, 8, 8, array=IDEAL))
    assert torch.equal(module(x), module.emulated(x))
    for error in module.surrogate_errors.values():
        assert error.mean_lsb == pytest.approx(0, abs=1e-6)


def moments(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd over reads (stimulus, read, output), each (stimulus, output)."""
    return outputs.mean(1), outputs.std(1)


def drawn(module: ChipModule, x: torch.Tensor) -> np.ndarray:
    """Outputs in training (stimulus, read, output)."""
    with torch.no_grad():
        return np.stack([module(x, key=read).numpy() for read in range(READS)], 1)


def test_training_has_the_mean_and_spread_of_the_array() -> None:
    """Averages over stimuli and outputs: each is off by its own sampling error, far below the
    bounds, and by the array's errors that no straight line has. Without the array's noise the
    spread is too small by far.
    """
    module, x = made(chip_of(8, 8, 8, array=NOISY))
    ours, chip = moments(drawn(module, x[:8])), moments(module.sample(x[:8], READS, 1))
    spread = chip[1].mean()
    assert np.abs(ours[0] - chip[0]).mean() < 0.5 * spread
    assert ours[1].mean() == pytest.approx(spread, rel=0.15)
    for error in module.surrogate_errors.values():
        assert error.mean_lsb < 2
        assert error.sd_ratio == pytest.approx(1, abs=0.3)
    module.hardware = chip_of(8, 8, 8, array=IDEAL)
    assert moments(drawn(module, x[:8]))[1].mean() < 0.1 * spread


def test_it_is_fitted_again_after_some_calls_and_for_other_hardware() -> None:
    module, x = made(chip_of(8, 8, 8, array=NOISY))
    module(x[:4])
    first = module.surrogate_errors
    with torch.no_grad():
        module.layers["3"].weight.mul_(0.5)
    for _ in range(CALLS - 1):
        module(x[:1])
    assert module.surrogate_errors == first
    module(x[:1])
    assert module.surrogate_errors != first
    other = module.surrogate_errors
    module.hardware = chip_of(8, 8, 8, array=IDEAL)
    module(x[:1])
    assert module.surrogate_errors != other


@pytest.mark.parametrize("examples", [2, 3, 8])
def test_few_examples_still_have_the_noise_of_reads(examples: int) -> None:
    x = stimuli(examples, 6)
    module = convert(seeded(lambda: nn.Linear(6, 4)), chip_of(8, 8, 8, array=NOISY), x).train()
    chip, ours = (one.std(1).mean() for one in (module.sample(x, READS, 0), drawn(module, x)))
    assert ours == pytest.approx(chip, rel=0.5)


def test_gradients_are_those_of_the_mean() -> None:
    module, x = made(chip_of(8, 8, 8, array=NOISY))
    module(x).sum().backward()
    assert all(one.grad is not None for one in module.parameters())


def test_there_is_none_without_an_array_and_copies_fit_their_own() -> None:
    module, x = made(chip_of())
    module(x)
    assert module.surrogate_errors == {}
    module, x = made(chip_of(8, 8, 8, array=NOISY))
    module(x)
    for one in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert one.surrogate_errors == {}
        one(x)
        assert one.surrogate_errors == module.surrogate_errors
