"""The circuit: without lateral weights a single layer; with them, the noise of a chip passes
through it as training says it does.
"""

import numpy as np
import pytest
import torch
from stattest import assert_mean

from stochsim.chip import Chip
from stochsim.hardware import Noise, preset
from stochsim.lowering import to_program
from stochsim.networks import (
    ArchitectureSettings,
    Draws,
    FeedForward,
    HardwareNoise,
    NetworkSettings,
    build_network,
    quantised_from_float,
)
from stochsim.networks.network import weight_of
from stochsim.networks.stationary import Circuit
from stochsim.training import TrainedNetwork, TrainResult

INPUTS = 8
NEURONS = 6
READS = 5_000
LEAK = 0.6


def generator(key=1):
    return torch.Generator().manual_seed(key)


def single(bias=True):
    network = FeedForward(NetworkSettings(inputs=INPUTS, neurons=NEURONS, bias=bias), generator())
    with torch.no_grad():
        network.log_sigma.copy_(torch.linspace(-1.5, -0.5, NEURONS))
        if bias:
            network.readout.bias.normal_(0, 0.3, generator=generator(2))
    return network


def recurrent(time_step=1 - LEAK, bias=True, lateral=0.0):
    architecture = ArchitectureSettings(kind="recurrent", time_step=time_step, steps=25)
    network = build_network(
        NetworkSettings(inputs=INPUTS, neurons=NEURONS, bias=bias, architecture=architecture)
    )
    network.start_from(single(bias))
    with torch.no_grad():
        network.lateral.weight.normal_(0, lateral, generator=generator(3))
    return network


def stimuli(count=200, key=4):
    return torch.randn(count, INPUTS, generator=generator(key))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("time_step", [0.1, 0.25, 1.0])
@torch.no_grad()
def test_without_lateral_weights_it_is_the_single_layer(time_step, bias):
    x = stimuli()
    network = recurrent(time_step, bias)
    network.lateral.weight.fill_diagonal_(5.0)  # is masked
    circuit, layer = (
        network.response(x, Draws(generator())) for network in (network, single(bias))
    )
    torch.testing.assert_close(circuit.mean, layer.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        circuit.covariance, torch.diag_embed(layer.variance), rtol=1e-4, atol=1e-7
    )
    torch.testing.assert_close(circuit.variances, layer.variances, rtol=1e-4, atol=1e-7)


@torch.no_grad()
def test_rounding_is_noise_of_every_step():
    """A quantised circuit without lateral weights: (sigma² + step²/12) / (1 - leak²)."""
    network = quantised_from_float(recurrent(), stimuli(), 8, 8, 4, generator())
    expected = (network.log_sigma.exp().square() + network.output_step().square() / 12) / (
        1 - LEAK**2
    )
    assert (
        float((network.output_step().square() / 12 / network.log_sigma.exp().square()).max()) > 0.1
    )
    answer = network.response(stimuli(3), Draws(generator()))
    torch.testing.assert_close(answer.variances, expected.expand(3, -1), rtol=1e-3, atol=0)


@pytest.fixture(scope="module")
def on_chip():
    """An 8-bit circuit with lateral weights, its program and one stimulus."""
    network = quantised_from_float(recurrent(lateral=0.06), stimuli(), 8, 8, 8, generator()).eval()
    program = to_program(
        TrainedNetwork(network, torch.zeros(INPUTS, NEURONS), 0.0, TrainResult({}, 0.0, 0.0))
    )
    assert 0.62 < program.wiring.radius < 0.75  # so that 25 steps are enough to forget the start
    return network, program, stimuli(1, 9)


@torch.no_grad()
def said(network, x, noise=None):
    answer = network.response(x, Draws(generator()), noise)
    return answer.mean[0].double().numpy(), answer.covariance[0].double().numpy()


def assert_second_moments(values, mean, covariance):
    """Of independent reads (read, neuron), about the stated mean; false-fail rate below 1e-6 for 21
    entries (see `assert_variance`).
    """
    off = values - mean
    for i, j in zip(*np.triu_indices(NEURONS), strict=True):
        assert_mean(off[:, i] * off[:, j], covariance[i, j], 1e-8)


SETTINGS = {
    "none": {},
    "read noise": {"read_sigma": 0.2},
    "read noise in steps": {"read_sigma_lsb": 6.0},
    "stochastic rounding": {"dither": "stochastic", "read_sigma_lsb": 4.0},
    "triangular dither": {"dither": "triangular"},
    "noise of weights": {"weight_sigma": 0.03},
    "noise of weights in steps": {"weight_sigma_lsb": 8.0},
    "dithered inputs": {"input_dither": "stochastic"},
    "noise of weights and dithered inputs": {"weight_sigma": 0.05, "input_dither": "stochastic"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_noise_of_a_chip_passes_through_as_training_says(name, on_chip):
    """Moments of a chip's own reads, against those that a noise-aware training sees; where a
    setting adds anything to speak of, moments without it are the negative control. Inputs of 8 bits
    have little to dither: coarser ones follow below.
    """
    network, program, x = on_chip
    hardware = preset("digital-45nm").with_precision(8, 8, 8).replace(noise=Noise(**SETTINGS[name]))
    values = (
        Chip(program, hardware)
        .sample(x.double().numpy(), READS, 5, count=False)
        .values[0]
        .astype(float)
    )
    with_noise, without = said(network, x, HardwareNoise.of(hardware)), said(network, x)
    assert_second_moments(values, *with_noise)
    if not {"none", "dithered inputs", "triangular dither"} & {name}:
        with pytest.raises(AssertionError):
            assert_second_moments(values, with_noise[0], without[1])


def test_weights_are_read_once_with_one_draw_of_their_noise_for_all_steps(on_chip):
    """Where inputs stay the same from step to step.

    Fresh noise at every step, which averages out, is the negative control.
    """
    network, program, x = on_chip
    hardware = (
        preset("digital-45nm").with_precision(8, 8, 8).replace(noise=Noise(weight_sigma=0.03))
    )
    values = (
        Chip(program, hardware)
        .sample(x.double().numpy(), READS, 6, count=False)
        .values[0]
        .astype(float)
    )
    mean, covariance = said(network, x, HardwareNoise.of(hardware))
    assert_second_moments(values, mean, covariance)
    fresh = float(0.03**2 * network.mean_input(x, None)[0].detach().square().sum())
    matrix = network.matrix().detach().double()
    both = [
        Circuit(matrix, 0 * matrix[0], 1 + 0 * matrix[0], noise, held).moments(
            torch.zeros(1, NEURONS, dtype=torch.float64)
        )[1][0]
        for noise, held in (
            (0 * matrix, torch.full((1, NEURONS), fresh).double()),
            (fresh * torch.eye(NEURONS).double(), None),
        )
    ]
    assert float((both[0] / both[1]).diagonal().min()) > 2.5
    with pytest.raises(AssertionError):
        assert_second_moments(values, mean, covariance + (both[1] - both[0]).numpy())


def test_dithered_inputs_are_fresh_at_every_step():
    """3-bit inputs; inputs rounded to nearest (other means), and dither of one draw for all steps,
    are the negative controls.
    """
    network = quantised_from_float(
        recurrent(lateral=0.06), 2 * stimuli(), 8, 3, 8, generator()
    ).eval()
    program = to_program(
        TrainedNetwork(network, torch.zeros(INPUTS, NEURONS), 0.0, TrainResult({}, 0.0, 0.0))
    )
    x = 0.9 * stimuli(1, 9)
    hardware = (
        preset("digital-45nm")
        .with_precision(8, 3, 8)
        .replace(noise=Noise(input_dither="stochastic"))
    )
    values = (
        Chip(program, hardware)
        .sample(x.double().numpy(), READS, 5, count=False)
        .values[0]
        .astype(float)
    )
    mean, covariance = said(network, x, HardwareNoise.of(hardware))
    assert_second_moments(values, mean, covariance)
    rounded, steady = said(network, x)
    with pytest.raises(AssertionError):
        assert_second_moments(values, rounded, covariance)
    with pytest.raises(AssertionError):
        assert_second_moments(values, mean, steady)


@torch.no_grad()
def test_noise_of_lateral_weights_grows_with_the_state():
    """sigma_w² (|m|² + tr S) to every neuron at every step, of a linear circuit whose stimuli are 0
    but for the bias; S has that noise in it already. Its first round, which leaves that out, is the
    negative control.
    """
    network = quantised_from_float(recurrent(lateral=0.06), stimuli(), 8, 8, 8, generator())
    x = torch.zeros(1, INPUTS)
    noise = HardwareNoise(weight_sigma=0.1)
    mean, covariance = said(network, x, noise)
    before = said(network, x)
    quiet = network.log_sigma.exp().square() + network.output_step().square() / 12
    matrix = network.matrix().double()
    one = torch.ones(NEURONS, dtype=torch.float64)
    rounds = [before[1]]
    for _ in range(20):
        injected = 0.1**2 * (np.sum(before[0] ** 2) + np.trace(rounds[-1]))
        noise_of_step = torch.diag(quiet.double() + injected)
        moments = Circuit(matrix, 0 * one, one, noise_of_step).moments(0 * one[None])
        rounds.append(moments[1][0].numpy())
    np.testing.assert_allclose(covariance, rounds[-1], rtol=1e-3, atol=1e-5)
    assert np.trace(rounds[1]) < 0.99 * np.trace(covariance)
    np.testing.assert_allclose(mean, before[0], atol=1e-5)
    assert np.trace(covariance) > 1.05 * np.trace(before[1])
    assert float(weight_of(network.lateral)[1]) > 0
