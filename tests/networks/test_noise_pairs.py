"""The variance that noise-aware training believes in, against samples of the chip itself, over
pairs of settings: products of independent noises keep their cross terms.
"""

import itertools
import math

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
from stochsim.networks.quantizers import scale_parameter
from stochsim.training import TrainedNetwork, TrainResult

INPUTS = 8
NEURONS = 6
WEIGHT_SIGMA = 0.2
OUTPUT_BITS = 8
READS = {"single": 30_000, "recurrent": 20_000, "deep": 30_000}
DRAWS = 64_000  # of a multi-layer network's own
FALSE_FAIL = 1e-6  # of one test
NOISES = {
    "read_sigma": 0.2,
    "read_sigma_lsb": 3.0,
    "weight_sigma": WEIGHT_SIGMA,
    "weight_sigma_lsb": 0.3,
    "dither": "triangular",
    "input_dither": "stochastic",
}
EXCLUDED = [("read_sigma", "read_sigma_lsb"), ("weight_sigma", "weight_sigma_lsb")]
"""A chip has one of the two."""
PAIRS = [pair for pair in itertools.combinations(NOISES, 2) if pair not in EXCLUDED]


def generator(key=1):
    return torch.Generator().manual_seed(key)


def stimuli(count, key=4):
    return torch.randn(count, INPUTS, generator=generator(key))


def network(kind, weight_bits, input_bits):
    """Outputs of 8 bits, three times as wide as fitted, so that no read clips."""
    layer = FeedForward(NetworkSettings(inputs=INPUTS, neurons=NEURONS), generator())
    with torch.no_grad():
        layer.log_sigma.copy_(torch.linspace(-2, -1, NEURONS))
        layer.readout.bias.normal_(0, 0.3, generator=generator(2))
    found = layer
    if kind == "recurrent":
        architecture = ArchitectureSettings(kind=kind, time_step=0.4, steps=25)
        settings = NetworkSettings(inputs=INPUTS, neurons=NEURONS, architecture=architecture)
        found = build_network(settings)
        found.start_from(layer)
        with torch.no_grad():
            found.lateral.weight.normal_(0, 0.06, generator=generator(3))
    widths = (weight_bits, input_bits, OUTPUT_BITS)
    found = quantised_from_float(found, 2 * stimuli(400), *widths, generator()).eval()
    with torch.no_grad():
        scale_parameter(found.output_quantizer).add_(math.log2(3))
    return found


def hardware_of(layer, **noise):
    s = layer.settings
    widths = (s.weight_bits, s.input_bits, s.output_bits)
    return preset("digital-45nm").with_precision(*widths).replace(noise=Noise(**noise))


def codes_of(layer, x, hardware, kind):
    """Values (read, neuron) of the chip's reads of one stimulus x (1, input)."""
    trained = TrainedNetwork(layer, torch.zeros(INPUTS, NEURONS), 0.0, TrainResult({}, 0.0, 0.0))
    chip = Chip(to_program(trained), hardware)
    samples = chip.sample(x.double().numpy(), READS[kind], 5, count=False)
    assert samples.codes.max() < 127  # nothing clips
    assert samples.codes.min() > -128
    return samples.values[0].astype(float)


@torch.no_grad()
def believed(layer, x, noise):
    """Mean and variance (neuron,) of values, as training has them; a single layer's, whose moments
    are those before its last quantiser, with the variance of its rounding.
    """
    answer = layer.response(x, Draws(generator()), noise)
    rounding = 0.0 if answer.covariance is not None else float(layer.output_step()) ** 2 / 12
    return answer.mean[0].double().numpy(), answer.variances[0].double().numpy() + rounding


def assert_variances(values, mean, variance):
    """False-fail rate 1e-6 over all neurons."""
    for n in range(NEURONS):
        assert_mean((values[:, n] - mean[n]) ** 2, variance[n], FALSE_FAIL / NEURONS)


@pytest.mark.parametrize("kind", ["single", "recurrent"])
@pytest.mark.parametrize("input_bits", [1, 2, 4])
@pytest.mark.parametrize("weight_bits", [1, 2, 4])
def test_noise_of_weights_times_dither_of_inputs(kind, weight_bits, input_bits, monkeypatch):
    """σ_w² Σ E x², E x² = (mean x)² + the variance of its rounding. Without that, the negative
    control, half of the variance is missing at 1-bit inputs.
    """
    layer = network(kind, weight_bits, input_bits)
    x = 0.9 * stimuli(1, 9)
    hardware = hardware_of(layer, weight_sigma=WEIGHT_SIGMA, input_dither="stochastic")
    noise = HardwareNoise.of(hardware)
    values = codes_of(layer, x, hardware, kind)
    mean, variance = believed(layer, x, noise)
    assert_variances(values, mean, variance)
    whole = HardwareNoise.weight_variance
    monkeypatch.setattr(
        HardwareNoise, "weight_variance", lambda self, step, x, rounding=None: whole(self, step, x)
    )
    with pytest.raises(AssertionError):
        assert_variances(values, *believed(layer, x, noise))


@pytest.mark.parametrize("kind", ["single", "recurrent"])
@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_every_pair_of_noises(kind, pair):
    """Weights and inputs of 2 bits. The pair without either of its two, the negative controls,
    wherever that moves a variance by a tenth.
    """
    layer = network(kind, 2, 2)
    x = 0.9 * stimuli(1, 9)
    hardware = hardware_of(layer, **{name: NOISES[name] for name in pair})
    values = codes_of(layer, x, hardware, kind)
    mean, variance = believed(layer, x, HardwareNoise.of(hardware))
    assert_variances(values, mean, variance)
    controls = 0
    for name in pair:
        less = believed(layer, x, HardwareNoise.of(hardware_of(layer, **{name: NOISES[name]})))[1]
        if np.max(np.abs(less / variance - 1)) > 0.1:
            controls += 1
            with pytest.raises(AssertionError):
                assert_variances(values, mean, less)
    assert controls > 0


def multi_layer(weight_bits, input_bits):
    """A multi-layer network with weights of its own behind the hidden units, as if trained."""
    architecture = ArchitectureSettings(kind="deep", hidden_per_neuron=2)
    settings = NetworkSettings(inputs=INPUTS, neurons=NEURONS, architecture=architecture)
    found = build_network(settings)
    layer = FeedForward(NetworkSettings(inputs=INPUTS, neurons=NEURONS), generator())
    with torch.no_grad():
        layer.log_sigma.copy_(torch.linspace(-2, -1, NEURONS))
        found.start_from(layer)
        for weight, size, key in (
            (found.readout.weight, 0.2, 2),
            (found.log_sigma_head.weight, 0.05, 3),
        ):
            weight.add_(size * torch.randn(weight.shape, generator=generator(key)))
    widths = (weight_bits, input_bits, OUTPUT_BITS)
    found = quantised_from_float(found, 2 * stimuli(400), *widths, generator()).eval()
    with torch.no_grad():
        scale_parameter(found.output_quantizer).add_(math.log2(3))
    return found


DEEP_NOISES = {
    "weights": ({"weight_sigma": 0.3}, 0.02),
    "weights, inputs": ({"weight_sigma": 0.3, "input_dither": "stochastic"}, 0.06),
    "neurons, inputs": ({"read_sigma": 0.2, "input_dither": "stochastic"}, 0.12),
}


@pytest.mark.parametrize("name", DEEP_NOISES)
@pytest.mark.parametrize("input_bits", [1, 2, 4])
@pytest.mark.parametrize("weight_bits", [1, 2, 4])
@torch.no_grad()
def test_noise_passes_through_a_hidden_layer(weight_bits, input_bits, name):
    """Mean over neurons of believed over sampled variance, 1 within a share that the Gaussian law
    of what units share leaves open, 0.12 where dither of 8 inputs is nearly all of it; sampled
    to 0.3 %. By the slope of units at the mean drive, 1 or 0, as before, it is 1.1 to 1.7 for
    noise of weights: the negative control.
    """
    noises, open_share = DEEP_NOISES[name]
    layer = multi_layer(weight_bits, input_bits)
    x = 0.9 * stimuli(1, 9)
    hardware = hardware_of(layer, **noises)
    noise = HardwareNoise.of(hardware)
    values = codes_of(layer, x, hardware, "deep")
    answer = layer.response(x.expand(DRAWS, -1), Draws(generator(5)), noise)
    variance = answer.noise_sd.square().mean(0).double().numpy()
    variance += float(layer.output_step()) ** 2 / 12
    assert np.mean(variance / values.var(0)) == pytest.approx(1, abs=open_share)
    if name == "weights" and input_bits == 1:
        step = 2.0 ** (1 - OUTPUT_BITS)
        read, _ = layer.mean_input(x, noise)
        drive = read @ weight_of(layer.hidden)[0].T + layer.hidden.bias
        slope = ((drive > -1) & (drive < 1 - step)).double().numpy()
        added = 0.3**2 * float(read.square().sum())
        last = weight_of(layer.readout)[0].double().numpy()
        before = answer.variance.mean(0).double().numpy() + (last**2 * slope).sum(1) * added
        assert np.mean(before / values.var(0)) > 1.3


@torch.no_grad()
def test_noise_of_lateral_weights_feeds_on_itself():
    """A linear circuit's second moments by its Kronecker form, solved in NumPy: S = M S Mᵀ + Q +
    σ_w² (|m|² + tr S) I. The noise of a state that is free of it, as a first step has it, is the
    negative control.
    """
    layer = network("recurrent", 8, 8)
    x = torch.zeros(1, INPUTS)
    noise = HardwareNoise(weight_sigma=0.3, input_dither=True)
    mean, variance = believed(layer, x, noise)
    matrix = layer.matrix().double().numpy()
    quiet = (layer.log_sigma.exp().square() + layer.output_step().square() / 12).double().numpy()
    one = np.eye(NEURONS)
    forgets = np.eye(NEURONS**2) - np.kron(matrix, matrix)
    injected = np.diag(quiet) + 0.3**2 * np.sum(mean**2) * one
    feeds = 0.3**2 * np.outer(one.ravel(), one.ravel())
    covariance = np.linalg.solve(forgets - feeds, injected.ravel()).reshape(NEURONS, NEURONS)
    np.testing.assert_allclose(variance, np.diag(covariance), rtol=2e-3)
    first = np.linalg.solve(forgets, injected.ravel()).reshape(NEURONS, NEURONS)
    assert np.all(np.diag(first) < 0.8 * variance)


@torch.no_grad()
def test_noise_of_lateral_weights_that_grows_without_end_is_held_by_the_codes():
    """At most σ_w² n (2^(b-1) step)² a step, whatever the noise of weights; at 0.3 it is less."""
    layer = network("recurrent", 8, 8)
    x = stimuli(3, 9)
    most = NEURONS * (128 * float(layer.output_step())) ** 2
    injected, kept = layer._noise_of_stimulus(x, None, None)
    for sigma, is_held in ((0.3, False), (2.0, True)):
        drive = torch.full((3, NEURONS), 0.2)
        size = layer._size_of_state(drive, injected, kept, torch.tensor(sigma**2))
        assert bool((size <= most * 1.0001).all())
        assert bool((size >= most * 0.999).all()) == is_held
