"""A converted network in training: gradients, noise as on the chip, and the chip itself in the
loop.
"""

import copy

import numpy as np
import pytest
import torch
from conversiontest import (
    chip_of,
    converted_small,
    fresh_small,
    on_powers_of_two,
    seeded,
    small_net,
    stimuli,
)
from torch import nn

from stochsim.hardware import Adc, Array, Memory, Noise
from stochsim.lowering import convert
from stochsim.settings import StochsimError

NOISE = Noise(read_sigma_lsb=0.3, input_dither="stochastic", weight_sigma_lsb=0.2)
ARRAY = Array(rows=16, columns=16, adc=Adc(bits=6, sigma_lsb=0.3))


@pytest.mark.parametrize(
    "parts", [{}, {"noise": NOISE}, {"array": ARRAY}, {"memory": Memory(code_errors=0.01)}]
)
def test_gradients_reach_every_parameter_and_the_input(parts):
    converted, x = converted_small(chip_of(**parts))
    x.requires_grad_()
    converted.train()(x).square().sum().backward()
    assert all(bool(parameter.grad.abs().sum() > 0) for parameter in converted.parameters())
    assert float(x.grad.abs().sum()) > 0


def test_every_scale_and_weight_is_a_parameter_but_scales_of_signs():
    names = [name for name, _ in converted_small(chip_of())[0].named_parameters()]
    assert (
        sum(name.endswith("log_scale") for name in names) == 4 + 4 + 1
    )  # weights, outputs, and the one input that is not an output
    assert sum(name.endswith("weight") for name in names) == 4
    signs = [
        name
        for name, _ in converted_small(chip_of(1, 1, 1))[0].named_parameters()
        if name.endswith("log_scale")
    ]
    assert len(signs) == 2  # of unsigned outputs


@pytest.mark.parametrize("parts", [{}, {"noise": NOISE}, {"array": ARRAY}])
def test_fine_tuning_lowers_the_loss(parts):
    x = stimuli(200, 8)
    generator = torch.Generator().manual_seed(1)
    target = torch.tanh(x @ torch.randn(8, 2, generator=generator))
    network = seeded(lambda: nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 2)))
    converted = convert(network, chip_of(3, 3, 3, **parts), x)
    before = float((converted(x, key=7) - target).square().mean())
    optimizer = torch.optim.Adam(converted.train().parameters(), lr=0.02)
    for _ in range(15 if parts.get("array") else 60):
        optimizer.zero_grad()
        (converted(x) - target).square().mean().backward()
        optimizer.step()
    assert float((converted.eval()(x, key=7) - target).square().mean()) < 0.6 * before


def test_training_draws_new_noise_at_every_call_unless_given_a_key():
    converted, x = converted_small(chip_of(noise=NOISE))
    converted.train()
    assert not torch.equal(converted(x), converted(x))
    assert torch.equal(converted(x, key=3), converted(x, key=3))
    again = converted_small(chip_of(noise=NOISE))[0].train()
    assert torch.equal(again(x), fresh_small(chip_of(noise=NOISE))[0].train()(x))
    assert not torch.equal(again(x), converted_small(chip_of(noise=NOISE), key=1)[0].train()(x))


@pytest.mark.parametrize(
    "noise",
    [
        Noise(read_sigma_lsb=0.6),
        Noise(read_sigma=0.05),
        Noise(weight_sigma=0.03),
        Noise(weight_sigma_lsb=0.3),
        Noise(input_dither="stochastic"),
        Noise(dither="triangular"),
        NOISE,
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_noise_in_training_has_the_moments_of_the_chip(noise, kind):
    """Mean and sd over 4,000 draws within 6 standard errors (false fails below 1e-6 for 12
    outputs), with half the noise as negative control.
    """
    make = (lambda: nn.Linear(8, 3)) if kind == "linear" else (lambda: nn.Conv2d(2, 2, 2, groups=2))
    x = stimuli(2, 8) if kind == "linear" else stimuli(1, 2, 3, 2)
    converted = convert(seeded(make), chip_of(4, 4, 8, noise=noise), stimuli(60, *x.shape[1:]))
    chip = converted.sample(x, 4000, 1)
    with torch.no_grad():
        emulated = (
            converted.train()(x.repeat_interleave(4000, 0), key=2).reshape(chip.shape).numpy()
        )
    half = (
        converted.eval().emulated(x.repeat_interleave(4000, 0)).detach().reshape(chip.shape).numpy()
    )
    assert _agree(chip, emulated)
    assert not _agree(chip, half + 0.5 * (emulated - half))


def _agree(first, second):
    """Whether means and spreads over reads are equal within 6 standard errors, where there is a
    spread at all.
    """
    spread = first.std(1)
    error = spread / np.sqrt(first.shape[1])
    return bool(
        (np.abs(first.mean(1) - second.mean(1)) <= 6 * np.sqrt(2) * error + 1e-6).all()
    ) and bool((np.abs(spread - second.std(1)) <= 6 * 1.3 * error + 1e-6).all())


def test_without_noise_training_and_chip_agree():
    converted, x = converted_small(chip_of())
    converted = on_powers_of_two(converted)
    assert torch.equal(converted.train()(x), converted.eval()(x))


@pytest.mark.parametrize(
    "parts",
    [{"array": ARRAY}, {"memory": Memory(weight_errors=0.02)}, {"accumulator_bits": 7}],
    ids=["array", "memory", "accumulators"],
)
def test_the_chip_is_in_the_loop_where_noise_has_no_model(parts):
    """Values are the chip's own; gradients are those of the noiseless emulation at the chip's
    values.
    """
    converted, x = converted_small(chip_of(**parts))
    converted.chip_in_the_loop = True  # of arrays, which have a model
    converted.train()
    assert converted.model_of_noise is None
    values = converted(x)
    scale = converted.layers["8"].output_grid.scale()
    assert torch.allclose(values / scale, (values / scale).round(), atol=1e-4)
    assert not torch.equal(values, converted.emulated(x))
    single = convert(seeded(lambda: nn.Linear(6, 2)), chip_of(**parts), stimuli(9, 6)).train()
    single.chip_in_the_loop = True
    gradients = []
    for call in (single, single.emulated):
        single.zero_grad()
        call(stimuli(9, 6)).sum().backward()
        gradients.append(single.layers["linear"].weight.grad.clone())
    assert torch.equal(*gradients)


def test_the_chip_follows_its_parameters():
    converted, x = converted_small(chip_of())
    before = converted(x)
    chip = converted.chip()
    assert converted.chip() is chip
    with torch.no_grad():
        converted.layers["8"].bias.add_(0.5)
    assert converted.chip() is not chip
    assert not torch.equal(before, converted(x))


def test_state_and_copies_give_the_same_network():
    converted, x = converted_small(chip_of(noise=NOISE))
    other = convert(seeded(small_net, 4), chip_of(noise=NOISE), x)
    assert not torch.equal(other(x), converted(x))
    other.load_state_dict(converted.state_dict())
    assert torch.equal(other(x), converted(x))
    assert torch.equal(copy.deepcopy(converted)(x), converted(x))


def test_sampling_leaves_training_on():
    """And leaves parts that are not in training as they are; dropout is silent meanwhile."""
    x = stimuli(6, 4)
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
    converted = convert(network, chip_of(noise=NOISE, array=ARRAY), x)
    expected = converted.sample(x, 2, 1)
    bill = converted.bill(x)
    converted.train()
    converted.layers["0"].eval()
    assert np.array_equal(converted.sample(x, 2, 1), expected)
    assert converted.bill(x).counts == bill.counts
    assert converted.training
    assert converted.network.training
    assert not converted.layers["0"].training


@pytest.mark.parametrize("rate", [1e3, 1e30])
def test_training_that_diverged_is_named_by_its_layer(rate):
    """Scales are exponentials of parameters: they end at 0 while weights are finite."""
    x = stimuli(64, 32)
    net = seeded(lambda: nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 4)))
    model = convert(net, chip_of(), x).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    model(x).square().sum().backward()
    optimiser.step()
    with pytest.raises(StochsimError, match=r"layer '0' .*has training diverged\?"):
        model(x)


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_each_scale_that_is_none_is_named(value):
    x = stimuli(6, 4)
    for side in ("weights", "inputs", "outputs"):
        layer = convert(nn.Sequential(nn.Linear(4, 3)), chip_of(), x).layers["0"]
        layer.check_trained()
        grid = getattr(layer, f"{side.removesuffix('s')}_grid")
        with torch.no_grad():
            grid.log_scale.fill_(float(torch.tensor(value).log()))
        with pytest.raises(StochsimError, match=f"the scale of the {side} of layer '0' is"):
            layer.check_trained()
