"""Deep programs without noise in their hidden layers have P(code | stimulus) in closed form; so
have inputs rounded stochastically.
"""

import numpy as np
import pytest
from circuittest import (
    INPUTS,
    NEURONS,
    changed,
    deep_program,
    hardware_of,
    hidden_of,
    single_program,
    some_stimuli,
)
from scipy import stats
from stattest import assert_frequencies, assert_mean

from stochsim.chip import Chip
from stochsim.hardware import Memory, Noise, RandomSource
from stochsim.program import LOG_SIGMA, Layer, Quantizer, single_layer, with_log_sigma
from stochsim.settings import SettingError

GRID = 2.0**-30
X = some_stimuli(4)


def quantised(values, output):
    """The nearest values that a quantiser has, float64."""
    if output.bits == 1:
        return np.where(values >= 0, output.scale, -output.scale)
    half = output.levels // 2
    return output.scale * np.clip(np.rint(values / output.scale), -half, half - 1)


def drive_of(layer, values):
    return layer.weight_scale * values @ layer.weight_codes.T.astype(float) + layer.bias


def moments(program, x):
    """Drives and sigmas of the last layer, (stimulus, neuron), in values rather than codes."""
    h = quantised(x, program.input)
    for layer in hidden_of(program):
        h = quantised(drive_of(layer, h), layer.output)
    log_sigma = quantised(drive_of(program.layers[LOG_SIGMA], h), program.layers[LOG_SIGMA].output)
    return drive_of(program.readout, h), np.exp(program.wiring.base + log_sigma)


def channel_of(drive, sigma, output):
    """P(code | drive), (stimulus, neuron, level)."""
    edges = output.z + (output.c_min + np.arange(1, output.levels) - 0.5) * output.step
    below = stats.norm.cdf(
        (edges - drive[..., None]) / np.broadcast_to(sigma, drive.shape)[..., None]
    )
    return np.diff(below, axis=-1, prepend=0.0, append=1.0)


def counts(chip, x, reads, key=4):
    codes = chip.sample(x, reads, key, count=False).codes.astype(int) - chip.program.output.c_min
    levels = chip.program.output.levels
    return np.stack(
        [
            np.bincount(codes[s, :, n], minlength=levels)
            for s, n in np.ndindex(codes.shape[0], codes.shape[2])
        ]
    )


def flat(probabilities):
    return probabilities.reshape(-1, probabilities.shape[-1])


@pytest.mark.parametrize("noise", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("bits", [1, 2, 3, 6])
def test_the_channel_of_a_deep_program(bits, noise):
    program = deep_program(bits)
    chip = Chip(program, hardware_of(program), noise)
    drive, sigma = moments(program, X)
    np.testing.assert_allclose(chip.drive(X), drive, rtol=0, atol=1e-12)
    np.testing.assert_allclose(chip.sigmas(X)[0], noise * sigma, rtol=1e-12)
    np.testing.assert_allclose(
        chip.probabilities(X),
        channel_of(drive, noise * sigma, program.output),
        rtol=0,
        atol=2 * GRID,
    )
    assert np.median(np.ptp(sigma, axis=0)) > 0.1  # sigma does depend on the stimulus


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_codes_of_a_deep_program_follow_its_channel(bits):
    """False-fail rate 1e-6; sigma that forgets the stimulus is the negative control."""
    program = deep_program(bits)
    drive, sigma = moments(program, X)
    found = counts(Chip(program, hardware_of(program)), X, 20_000)
    assert_frequencies(found, flat(channel_of(drive, sigma, program.output)))
    with pytest.raises(AssertionError):
        assert_frequencies(
            found, flat(channel_of(drive, np.exp(program.wiring.base), program.output))
        )


@pytest.mark.parametrize(
    "parts",
    [
        {"noise": Noise(input_dither="stochastic")},
        {"noise": Noise(read_sigma=0.1)},
        {"noise": Noise(dither="stochastic")},
        {"memory": Memory(code_errors=0.01)},
        {"memory": Memory(weight_read_errors=0.01)},
    ],
)
def test_where_hidden_layers_have_noise_there_is_no_closed_form(parts):
    """Each of these would make a stated probability wrong; what leaves hidden layers alone, as a
    poor random source, does not.
    """
    program = deep_program()
    for ask in ("drive", "sigmas", "thresholds", "probabilities"):
        with pytest.raises(
            SettingError,
            match=r"digital-45nm: its (inputs|hidden layers) differ from read to read, so only "
            r"samples",
        ):
            getattr(Chip(program, hardware_of(program, **parts)), ask)(X)
    fine = Chip(program, hardware_of(program, random=RandomSource(threshold_bits=20)))
    np.testing.assert_allclose(
        fine.probabilities(X),
        Chip(program, hardware_of(program)).probabilities(X),
        rtol=0,
        atol=2.0**-19,
    )


def one_neuron_program(read, code):
    """One hidden neuron, whose code a neuron of log sigma and the last neuron read."""

    def layer(weights, reads, gives):
        neurons = len(weights)
        bias = np.full(neurons, 0.07)
        return Layer(np.array(weights, np.int8), 2, 0.6, reads, gives, bias, np.zeros(neurons))

    hidden = layer([[1, -1]], read, code)
    return with_log_sigma(
        (hidden,), layer([[1]], code, code), layer([[1]], code, code), np.array([-1.1])
    )


def mixed_over_hidden_codes(program, first, read_sigma, spread_sigma):
    """P(code) of the last neuron, (1, level): the channel of each hidden code and each code of log
    sigma, mixed with their probabilities.

    first: P(hidden code); spread_sigma: noise of the layer of log sigma.
    """
    code = program.output
    levels = code.z + code.step * (code.c_min + np.arange(code.levels))
    total = np.zeros(code.levels)
    for p, value in zip(first, levels, strict=True):
        drive = drive_of(program.layers[LOG_SIGMA], np.array([[value]]))
        log_sigmas = channel_of(drive, spread_sigma, code)[0, 0]
        for q, log_sigma in zip(log_sigmas, levels, strict=True):
            sigma = np.hypot(np.exp(program.wiring.base + log_sigma), read_sigma)
            total += p * q * channel_of(drive, sigma, code)[0, 0]
    return total[None]


def test_noise_of_hidden_layers_by_enumeration():
    """One hidden neuron with read noise: its 4 codes, each with a mean and a sigma of the last
    neuron, mixed with their probabilities.

    A layer of log sigma that misses its own noise, and hidden noise left out, are the negative
    controls. False-fail rate 1e-6.
    """
    read = Quantizer(2, 0.7)
    code = Quantizer(2, 0.5)
    program = one_neuron_program(read, code)
    x = np.array([[0.9, 0.2]])
    sigma = 0.4
    chip = Chip(program, hardware_of(program, noise=Noise(read_sigma=sigma)))
    first = channel_of(drive_of(hidden_of(program)[0], quantised(x, read)), sigma, code)[0, 0]
    without_hidden_noise = np.eye(4)[first.argmax()]
    found = counts(chip, x, 60_000)
    assert_frequencies(found, mixed_over_hidden_codes(program, first, sigma, sigma))
    for wrong in (
        mixed_over_hidden_codes(program, first, sigma, 1e-9),
        mixed_over_hidden_codes(program, without_hidden_noise, sigma, sigma),
    ):
        with pytest.raises(AssertionError):
            assert_frequencies(found, wrong)


def reader(bits):
    """A program whose output codes are its input codes: weights of 1, no noise of its own."""
    codes = Quantizer(bits, 0.4)
    layer = Layer(
        np.eye(INPUTS, dtype=np.int8), bits, 1.0, codes, codes, np.zeros(INPUTS), np.zeros(INPUTS)
    )
    return single_layer(layer)


@pytest.mark.parametrize("bits", [2, 3, 6, 8])
def test_inputs_are_rounded_up_with_the_probability_of_the_remainder(bits):
    """P(code k) = max(0, 1 - |x/scale - k|), beyond the outer codes those: the mean code is
    x/scale, exactly. False-fail rate 1e-6.
    """
    program = reader(bits)
    x = np.array([[0.1, -0.33, 0.4, 0.0, 0.55, 1e6, -1e6]])
    chip = Chip(program, hardware_of(program, noise=Noise(input_dither="stochastic")))
    found = counts(chip, x, 20_000)
    output = program.output
    codes = output.c_min + np.arange(output.levels)
    place = np.clip(x[0] / 0.4, codes[0], codes[-1])[:, None]
    law = np.maximum(0, 1 - np.abs(place - codes))
    assert_frequencies(found, law)
    with pytest.raises(AssertionError):
        assert_frequencies(
            found,
            np.maximum(
                0, 1 - np.abs(np.clip(1.05 * x[0] / 0.4, codes[0], codes[-1])[:, None] - codes)
            ),
        )
    values = chip.sample(x, 20_000, 9, count=False).values[0].astype(float)
    for i in (0, 1, 4) if bits > 2 else (0, 1):
        assert_mean(values[:, i], x[0, i], 1e-6 / 3)


def test_inputs_of_one_bit():
    """P(1) = (x/scale + 1)/2, between 0 and 1, read back through a neuron of one input.

    False-fail rate 1e-6.
    """
    codes = Quantizer(1, 0.4)
    program = single_layer(
        Layer(np.ones((1, 1), np.int8), 1, 1.0, codes, codes, np.zeros(1), np.zeros(1))
    )
    x = np.array([[-0.5], [-0.4], [-0.1], [0.0], [0.3], [0.4], [2.0]])
    found = counts(
        Chip(program, hardware_of(program, noise=Noise(input_dither="stochastic"))), x, 30_000
    )
    one = np.clip((x / 0.4 + 1) / 2, 0, 1)
    assert_frequencies(found, np.hstack([1 - one, one]))
    wrong = np.clip((x / 0.41 + 1) / 2, 0, 1)
    with pytest.raises(AssertionError):
        assert_frequencies(found, np.hstack([1 - wrong, wrong]))


def test_dither_turns_the_error_of_rounding_into_noise():
    """Mean drives are those of the exact inputs, where rounding to nearest is off; its variance is
    f (1 - f) step^2 per input.
    """
    program = changed(single_program(3, sigma=0.0), "readout", output=Quantizer(8, 0.05))
    x = 0.3 * X[:1]
    chip = Chip(
        program, hardware_of(program, noise=Noise(input_dither="stochastic", dither="stochastic"))
    )
    values = chip.sample(x, 60_000, 2, count=False).values[0].astype(float)
    weight = program.readout.weight_scale * program.readout.weight_codes.astype(float)
    exact = drive_of(program.readout, x)[0]
    remainder = x[0] / program.input.scale - np.floor(x[0] / program.input.scale)
    dithered = (weight**2) @ (remainder * (1 - remainder)) * program.input.scale**2
    nearest = drive_of(program.readout, quantised(x, program.input))[0]
    assert np.abs(nearest - exact).max() > 0.05
    for n in range(NEURONS):
        assert_mean(values[:, n], exact[n], 1e-7)
        # the output's own dither and rounding: step^2/6 on average over places, and between
        # step^2/12 and step^2/3 anywhere
        assert abs(values[:, n].var() - dithered[n]) < 0.05**2 / 2 + 0.03 * dithered[n]
    with pytest.raises(AssertionError):
        assert_mean(
            values[:, np.abs(nearest - exact).argmax()],
            nearest[np.abs(nearest - exact).argmax()],
            1e-7,
        )
