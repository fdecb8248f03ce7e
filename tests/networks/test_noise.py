"""What training knows of a chip's noise is what the chip has; what it has no model of is
refused.
"""

import numpy as np
import pytest
import torch
from stattest import assert_mean

from stochsim.chip import Chip
from stochsim.hardware import Adc, Array, InputRounding, Memory, Noise, preset
from stochsim.lowering import to_program
from stochsim.networks import (
    Draws,
    FeedForward,
    HardwareNoise,
    NetworkSettings,
    quantised_from_float,
)
from stochsim.settings import SettingError
from stochsim.training import TrainedNetwork, TrainResult

INPUTS, NEURONS = 8, 6
HARDWARE = preset("digital-45nm")
SETTINGS = {
    "read_sigma": {"read_sigma": 0.2},
    "read_sigma_lsb": {"read_sigma_lsb": 0.7},
    "read_sigma_fs": {"read_sigma_fs": 0.04},
    "weight_sigma": {"weight_sigma": 0.05},
    "weight_sigma_lsb": {"weight_sigma_lsb": 0.5},
    "dither": {"dither": "stochastic"},
    "triangular": {"dither": "triangular", "read_sigma": 0.1},
    "logistic": {"family": "logistic", "read_sigma": 0.3},
    "all": {"read_sigma_lsb": 0.4, "weight_sigma": 0.03, "dither": "stochastic"},
}


def generator(key=1):
    return torch.Generator().manual_seed(key)


def stimuli(count=50, key=4):
    return torch.randn(count, INPUTS, generator=generator(key))


def network(weight_bits=4, input_bits=4, output_bits=4):
    layer = FeedForward(NetworkSettings(inputs=INPUTS, neurons=NEURONS), generator())
    with torch.no_grad():
        layer.log_sigma.copy_(torch.linspace(-2, -0.5, NEURONS))
        layer.readout.bias.normal_(0, 0.3, generator=generator(2))
    return quantised_from_float(
        layer, stimuli(400), weight_bits, input_bits, output_bits, generator()
    ).eval()


def chip(layer, hardware):
    s = layer.settings
    program = to_program(
        TrainedNetwork(layer, torch.zeros(INPUTS, NEURONS), 0.0, TrainResult({}, 0.0, 0.0))
    )
    return Chip(program, hardware.with_precision(s.weight_bits, s.input_bits, s.output_bits))


@pytest.mark.parametrize(
    ("noise", "expected"),
    [
        ({}, HardwareNoise()),
        ({"read_sigma": 0.2, "family": "uniform"}, HardwareNoise(read_sigma=0.2)),
        ({"read_sigma_lsb": 0.7}, HardwareNoise(read_sigma_lsb=0.7)),
        ({"read_sigma_fs": 0.02}, HardwareNoise(read_sigma_fs=0.02)),
        ({"weight_sigma": 0.05}, HardwareNoise(weight_sigma=0.05)),
        (
            {"weight_sigma_lsb": 0.5, "weight_noise": "explicit"},
            HardwareNoise(weight_sigma_lsb=0.5),
        ),
        ({"dither": "stochastic"}, HardwareNoise(read_sigma_lsb=12**-0.5)),
        (
            {"dither": "triangular", "read_sigma_lsb": 0.3},
            HardwareNoise(read_sigma_lsb=(1 / 6 + 0.09) ** 0.5),
        ),
        ({"input_dither": "stochastic"}, HardwareNoise(input_dither=True)),
    ],
)
def test_of_each_setting(noise, expected):
    found = HardwareNoise.of(HARDWARE.replace(noise=Noise(**noise)))
    for name in (
        "read_sigma",
        "read_sigma_lsb",
        "read_sigma_fs",
        "weight_sigma",
        "weight_sigma_lsb",
    ):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-12)
    assert found.input_dither == expected.input_dither


@pytest.mark.parametrize(
    ("field", "parts"),
    [
        ("array", {"array": Array(adc=Adc(bits=8))}),
        ("noise.measured_csv", {"noise": None}),
        ("memory", {"memory": Memory(code_errors=0.01)}),
        ("memory", {"memory": Memory(weight_errors=0.01)}),
        ("memory", {"memory": Memory(weight_read_errors=0.01)}),
        ("memory", {"memory": Memory(voltage_over_vmin=0.8)}),
    ],
)
def test_what_training_has_no_model_of_is_refused(field, parts):
    if field == "noise.measured_csv":
        parts = {
            "noise": Noise().model_copy(update={"measured_csv": "drive,p0,p1\n0,1,0\n1,0,1\n"})
        }
        hardware = HARDWARE.model_copy(update=parts)
    else:
        hardware = HARDWARE.replace(**parts)
    with pytest.raises(
        SettingError,
        match=rf"'{field}': noise-aware training has no model of it on digital-45nm; valid: read "
        rf"noise",
    ):
        HardwareNoise.of(hardware)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("name", SETTINGS)
@torch.no_grad()
def test_variance_is_that_of_the_chip(name, bits):
    """Exactly: the chip states the standard deviations of its neurons before they are quantised."""
    layer = network(bits, bits, bits)
    x = stimuli()
    hardware = HARDWARE.replace(noise=Noise(**SETTINGS[name]))
    answer = layer.response(x, Draws(generator()), HardwareNoise.of(hardware))
    of_chip = sum(sigma**2 for sigma in chip(layer, hardware).sigmas(x.double().numpy()))
    np.testing.assert_allclose(answer.variance.numpy(), of_chip, rtol=1e-5)
    torch.testing.assert_close(answer.noise_sd.square(), answer.variance, rtol=1.3e-6, atol=0)
    own = layer.log_sigma.exp().square().numpy()
    assert (of_chip > own + 1e-5).all()
    np.testing.assert_allclose(
        answer.mean.numpy(), chip(layer, hardware).drive(x.double().numpy()), atol=1e-5
    )


@pytest.mark.parametrize("bits", [1, 2, 3])
@torch.no_grad()
def test_moments_under_dithered_inputs_are_those_of_the_chips_reads(bits):
    """8-bit outputs, whose own step is of no account beside sigma; false-fail rate 1e-6.

    Variances without dither are the negative control.
    """
    layer = network(8, bits, 8)
    x = 0.8 * stimuli(1, 9)
    hardware = HARDWARE.replace(noise=Noise(input_dither="stochastic"))
    answer = layer.response(x, Draws(generator()), HardwareNoise.of(hardware))
    values = (
        chip(layer, hardware)
        .sample(x.double().numpy(), 30_000, 5, count=False)
        .values[0]
        .astype(float)
    )
    mean = answer.mean[0].numpy()
    variance = answer.variance[0].numpy() + float(layer.output_step()) ** 2 / 12
    inside = np.abs(mean) + 5 * np.sqrt(variance) < 127 * float(layer.output_step())
    assert inside.sum() >= 3
    for n in np.flatnonzero(inside):
        assert_mean(values[:, n], mean[n], 1e-6 / 12)
        assert_mean((values[:, n] - mean[n]) ** 2, variance[n], 1e-7 / 12)
    n = np.flatnonzero(inside)[0]
    with pytest.raises(AssertionError):
        assert_mean((values[:, n] - mean[n]) ** 2, float(layer.log_sigma.exp()[n]) ** 2, 1e-6)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@torch.no_grad()
def test_dithered_inputs_have_the_stated_mean_and_variance(bits):
    """p (1 - p) step², exactly 0 where x clips or is a code; false-fail rate 1e-6 over 11 inputs.
    step²/12 is the negative control.
    """
    layer = network(4, bits, 4).double()
    noise = HardwareNoise(input_dither=True)
    step = float(layer.input_step())
    low, high = (-0.5, 0.5) if bits == 1 else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    places = torch.tensor(
        [0.03, -0.2, 0.31, 0.45, -0.49, 0.499, high - 0.3, low + 0.2, high + 0.4, low - 0.3, 9e3]
    ).double()
    x = (places * step)[None]
    drawn, stated = layer.read_input(x.expand(40_000, -1), Draws(generator(3)), noise)
    mean, variance = layer.mean_input(x, noise)
    torch.testing.assert_close(stated[:1], variance, rtol=1e-7, atol=0)
    place = np.clip(places.numpy(), low, high) - low
    part = place - np.floor(place)
    np.testing.assert_allclose(mean[0].numpy(), (place + low) * step, rtol=1e-6)
    np.testing.assert_allclose(
        variance[0].numpy(), part * (1 - part) * step**2, rtol=1e-5, atol=1e-12
    )
    off = (drawn - mean).numpy() / step
    for i, p in enumerate(part):
        if p in (0, 1):
            np.testing.assert_allclose(off[:, i], 0, atol=1e-6)
        else:
            assert_mean(off[:, i], 0.0, 1e-6 / 22)
            assert_mean(off[:, i] ** 2, p * (1 - p), 1e-6 / 22)
    assert {0.0, 1.0} & set(part)
    with pytest.raises(AssertionError):
        assert_mean(off[:, 2] ** 2, 1 / 12, 1e-6)


@torch.no_grad()
def test_few_random_bits_move_mean_and_variance():
    """By chances that are multiples of 1/2; false-fail rate 1e-6. The mean without them is the
    negative control.
    """
    layer = network(4, 3, 4).double()
    step = float(layer.input_step())
    places = torch.tensor([0.3, 0.7, -0.3, -0.7, 1.5, 9.0]).double()
    noise = HardwareNoise(input_dither=True, input_rounding=InputRounding(1))
    x = (places * step)[None]
    mean, variance = layer.mean_input(x, noise)
    chances = np.array([0, 0.5, 0.5, 0, 0.5, 0])
    np.testing.assert_allclose(mean[0] / step, np.array([0, 0, -1, -1, 1, 3]) + chances)
    np.testing.assert_allclose(variance[0] / step**2, chances * (1 - chances), atol=1e-12)
    drawn, stated = layer.read_input(x.expand(40_000, -1), Draws(generator(3)), noise)
    assert stated[:1].numpy() == pytest.approx(variance.numpy(), rel=1e-12)
    for i in (1, 2, 4):
        assert_mean((drawn - mean)[:, i].numpy() / step, 0.0, 1e-6 / 3)
    with pytest.raises(AssertionError):
        assert_mean((drawn - x)[:, 1].numpy() / step, 0.0, 1e-6)


@torch.no_grad()
def test_without_dither_inputs_are_rounded_to_nearest():
    layer = network()
    x = stimuli()
    rounded = layer.input_quantizer(x).value
    for noise in (None, HardwareNoise(read_sigma=1.0)):
        for found in (layer.read_input(x, Draws(generator()), noise), layer.mean_input(x, noise)):
            assert torch.equal(found[0], rounded)
            assert found[1] is None


def test_noise_of_nothing_is_the_number_0():
    assert HardwareNoise().variance(0.5, 0.5, stimuli(), 4) == 0
    assert HardwareNoise(input_dither=True).variance(0.5, 0.5, stimuli(), 4) == 0
