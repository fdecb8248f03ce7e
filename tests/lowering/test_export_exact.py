"""Without noise the chip's codes are Brevitas's own integers, code for code, on 10,000 held-out
patches.

The trained network is evaluated in float64. In float32 a few codes differ, each of them within 1e-5
step of an edge; they are counted. One-bit outputs without a bias are the exception in number, not
in kind: an integer sum is exactly 0, so on the edge, for 1 patch and neuron in 18, and there
float32's own summation decides by its last place. The chip, and float64 up to equal widths, see the
exact 0.
"""

import copy

import numpy as np
import pytest
import torch

from stochsim.chip import Chip, FloatChip
from stochsim.data import load_dataset
from stochsim.hardware import preset
from stochsim.lowering import float_program, to_program
from stochsim.models import SparseCoding
from stochsim.networks import FeedForward, NetworkSettings
from stochsim.settings import StochsimError
from stochsim.training import (
    TrainedNetwork,
    TrainResult,
    TrainSettings,
    train_float,
    train_quantised,
)

PATCHES = 10_000
STEPS = 60
KEY = 1
MODEL = SparseCoding(neurons=64, noise_sd=0.5, laplace_scale=1.0)


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("patches", 8, 48, 0)


@pytest.fixture(scope="module", params=[True, False], ids=["bias", "no bias"])
def float_trained(request, dataset):
    draws = torch.Generator().manual_seed(KEY)
    network = FeedForward(NetworkSettings(inputs=48, neurons=64, bias=request.param), draws)
    start = TrainedNetwork(
        network, torch.randn(48, 64, generator=draws) / 7, 0.0, TrainResult({}, 0.0, 0.0)
    )
    return train_float(
        start, dataset.train, MODEL, TrainSettings(steps=STEPS), 0.0, KEY, learns_decoder=True
    )


def brevitas_integers(network, x, dtype):
    """Brevitas's own integers in this precision: outputs (stimulus, neuron) and inputs (stimulus,
    input).
    """
    network = copy.deepcopy(network).to(dtype).eval()
    with torch.no_grad():
        stimuli = torch.tensor(x, dtype=torch.float32).to(dtype)
        outputs = network.output_quantizer(network.drive(stimuli)).int().numpy()
        return outputs, network.input_quantizer(stimuli).int().numpy()


@pytest.mark.parametrize(
    "bits",
    [
        bits if bits in (1, 2, 4, 8) else pytest.param(bits, marks=pytest.mark.slow)
        for bits in range(1, 9)
    ],
)
def test_chip_without_noise_gives_brevitas_integers(bits, float_trained, dataset):
    x = dataset.held_out[:: len(dataset.held_out) // PATCHES][:PATCHES]
    assert len(x) == PATCHES
    trained = train_quantised(
        float_trained, dataset.train, MODEL, TrainSettings(steps=STEPS), (bits, bits, bits), KEY
    )
    program = to_program(trained)
    chip = Chip(program, preset("digital-45nm").with_precision(bits, bits, bits), sigma_scale=0.0)
    codes = np.concatenate(
        [chip.sample(part, 1, KEY).codes[:, 0] for part in np.array_split(x, 10)]
    )  # thresholds of all take 0.7 GB

    double = copy.deepcopy(trained.network).double().eval()
    assert np.array_equal(program.readout.weight_codes, double.readout.quant_weight().int().numpy())
    assert np.any(program.readout.bias != 0) == trained.network.settings.bias
    outputs, inputs = brevitas_integers(trained.network, x, torch.float64)
    assert np.array_equal(
        program.input.integers(program.input.codes(x.astype(np.float64)).astype(int)), inputs
    )
    assert np.array_equal(program.output.integers(codes.astype(int)), outputs)
    assert len(np.unique(codes)) >= min(program.output.levels, 2**5)
    single = brevitas_integers(trained.network, x, torch.float32)
    _assert_mismatches_lie_on_edges(
        single, (outputs, inputs), _distance_to_edge(chip.drive(x), program.output), bits
    )


def _assert_mismatches_lie_on_edges(single, double, distance, bits):
    """A code that differs in float32 has its drive within 1e-5 step of an edge, or one of its
    inputs differs already.
    """
    mismatch = single[0] != double[0]
    of_inputs = np.broadcast_to((single[1] != double[1]).any(axis=1, keepdims=True), mismatch.shape)
    ties = mismatch & (distance < 1e-12)
    print(
        f"{bits} bits: {mismatch.sum()} of {mismatch.size} codes differ in float32, {ties.sum()} "
        f"of them exactly on an edge"
    )
    assert (distance[mismatch & ~of_inputs] < 1e-5).all()
    assert (mismatch & ~ties).mean() < 1e-4
    assert not ties.any() or bits == 1


def _distance_to_edge(values, quantizer):
    """Distance to the nearest edge between codes, in steps."""
    position = (values - quantizer.z) / quantizer.step - quantizer.c_min - 0.5
    return np.abs(position - np.clip(np.rint(position), 0, quantizer.levels - 2))


def test_mixed_widths(float_trained, dataset):
    """Weight, input and output bits apart.

    Only on an exact tie (1 bit, no bias, sum 0) may float64's summation fall on the other side.
    """
    x = dataset.held_out[::12]
    for widths in ((1, 8, 4), (8, 1, 2), (3, 5, 1)):
        trained = train_quantised(
            float_trained, dataset.train, MODEL, TrainSettings(steps=5), widths, KEY
        )
        program = to_program(trained)
        chip = Chip(program, preset("digital-45nm").with_precision(*widths), sigma_scale=0.0)
        codes = chip.sample(x, 1, KEY).codes[:, 0].astype(int)
        mismatch = (
            program.output.integers(codes)
            != brevitas_integers(trained.network, x, torch.float64)[0]
        )
        assert not mismatch.any() or (widths[2] == 1 and not program.readout.bias.any())
        assert (chip.drive(x)[mismatch] == 0).all()
        assert (codes[mismatch] == 1).all()


def test_with_noise_torch_and_chip_follow_one_law(float_trained, dataset):
    """The torch layer's own code frequencies against the chip's probabilities: false-fail rate
    1e-6, sigma × 1.1 the negative control.
    """
    from stattest import assert_frequencies

    trained = train_quantised(
        float_trained, dataset.train, MODEL, TrainSettings(steps=STEPS), (3, 3, 3), KEY
    )
    program = to_program(trained)
    x = dataset.held_out[:1]
    hardware = preset("digital-45nm").with_precision(3, 3, 3)
    network = copy.deepcopy(trained.network).double().eval()
    draws = torch.Generator().manual_seed(3)
    with torch.no_grad():
        drive = network.drive(torch.tensor(x, dtype=torch.float64))
        noise = torch.randn(20_000, 64, generator=draws, dtype=torch.float64)
        integers = network.output_quantizer(drive + network.log_sigma.exp() * noise).int().numpy()
    counts = np.stack([np.bincount(column, minlength=8) for column in (integers + 4).T])
    assert_frequencies(counts, Chip(program, hardware).probabilities(x)[0])
    with pytest.raises(AssertionError):
        assert_frequencies(counts, Chip(program, hardware, sigma_scale=1.1).probabilities(x)[0])


def test_float_network_exports_its_weights(float_trained, dataset):
    program = float_program(float_trained)
    np.testing.assert_array_equal(
        program.layers["readout"].weight,
        float_trained.network.readout.weight.detach().double().numpy(),
    )
    with torch.no_grad():
        drive = (
            copy.deepcopy(float_trained.network)
            .double()
            .drive(torch.tensor(dataset.held_out[:9], dtype=torch.float64))
            .numpy()
        )
    np.testing.assert_allclose(
        FloatChip(program, sigma_scale=0.0).sample(dataset.held_out[:9], 1, 0).values[:, 0],
        drive,
        rtol=1e-6,
        atol=1e-6,
    )


def test_export_refuses_the_other_kind(float_trained, dataset):
    with pytest.raises(StochsimError, match="float_program"):
        to_program(float_trained)
    quantised = train_quantised(
        float_trained, dataset.train, MODEL, TrainSettings(steps=1), (4, 4, 4), KEY
    )
    with pytest.raises(StochsimError, match="to_program"):
        float_program(quantised)
