"""The chip: split invariance, refusals, values, operations counted by hand, and the float chip's
moments.
"""

import math

import numpy as np
import pytest
from circuittest import changed
from stattest import assert_frequencies, assert_mean
from threadtest import threads

from stochsim.chip import Chip, FloatChip
from stochsim.chip.neurons import Neurons
from stochsim.energy import Operation, Operations
from stochsim.hardware import Noise, RandomSource, Reliability
from stochsim.program import Quantizer, float_single
from stochsim.settings import SettingError


@pytest.fixture
def x():
    return np.random.default_rng(9).normal(0, 1, (6, 12))


@pytest.fixture
def chip(make_program, make_hardware):
    return Chip(make_program(), make_hardware().replace(noise=Noise(weight_sigma=0.05)))


def float_chip():
    random = np.random.default_rng(2)
    return FloatChip(
        float_single(
            random.normal(size=(5, 12)),
            random.normal(size=5),
            np.array([0.1, 0.2, 0.5, 1.0, 2.0]),
            0.0,
        )
    )


@pytest.mark.parametrize("kind", ["chip", "float"])
def test_splits_and_threads_change_nothing(kind, chip, x):
    sampler = chip if kind == "chip" else float_chip()
    whole = sampler.sample(x, 150, 3, first_stimulus=7, first_read=20).values
    parts = [
        [
            sampler.sample(x[a:b], d - c, 3, 7 + a, 20 + c).values
            for c, d in ((0, 1), (1, 70), (70, 150))
        ]
        for a, b in ((0, 1), (1, 4), (4, 6))
    ]
    assert np.array_equal(whole, np.concatenate([np.concatenate(row, axis=1) for row in parts]))
    with threads():
        assert np.array_equal(
            whole, sampler.sample(x, 150, 3, first_stimulus=7, first_read=20).values
        )


def test_thresholds_come_in_portions_that_change_no_code(
    make_program, make_hardware, x, monkeypatch
):
    """Where a chip has its own random source; the kernels portion the others themselves."""
    chip = Chip(make_program(), make_hardware().replace(random=RandomSource(threshold_bits=12)))
    whole = chip.sample(x, 40, 3, first_stimulus=7).codes
    portions = []
    compared = Neurons._compared
    monkeypatch.setattr(
        Neurons,
        "_compared",
        lambda self, drive, sigmas: portions.append(len(drive)) or compared(self, drive, sigmas),
    )
    monkeypatch.setattr("stochsim.chip.neurons._THRESHOLDS_AT_ONCE", 4 * chip.program.neurons * 40)
    assert np.array_equal(whole, chip.sample(x, 40, 3, first_stimulus=7).codes)
    assert portions == [4, 2]


@pytest.mark.parametrize("kind", ["chip", "float"])
def test_key_and_indices_change_the_draws(kind, chip, x):
    sampler = chip if kind == "chip" else float_chip()
    base = sampler.sample(x, 200, 3).values
    assert np.array_equal(base, sampler.sample(x, 200, 3).values)
    for other in ({"key": 4}, {"key": 2**64 - 1}, {"first_stimulus": 1}, {"first_read": 1}):
        assert (sampler.sample(x, 200, **{"key": 3, **other}).values != base).any(
            axis=1
        ).mean() > 0.9


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_code_frequencies_follow_the_stated_probabilities(make_program, make_hardware, x, bits):
    """False-fail rate 1e-6; the noise multiplied by 1.1 is the negative control."""
    program = make_program(bits, scale=0.9 / bits)
    hardware = make_hardware(bits)
    codes = (
        Chip(program, hardware).sample(x[:2], 50_000, 5).codes.astype(int) - program.output.c_min
    )
    counts = np.stack([np.bincount(codes[s, :, n], minlength=2**bits) for s, n in np.ndindex(2, 5)])
    assert_frequencies(counts, Chip(program, hardware).probabilities(x[:2]).reshape(10, -1))
    with pytest.raises(AssertionError):
        assert_frequencies(
            counts, Chip(program, hardware, sigma_scale=1.1).probabilities(x[:2]).reshape(10, -1)
        )


@pytest.mark.parametrize("bits", range(1, 9))
def test_values_are_z_plus_step_times_code(make_program, make_hardware, x, bits):
    output = make_program(bits, scale=0.3).output
    samples = Chip(make_program(bits, scale=0.3), make_hardware(bits)).sample(x, 20, 1)
    assert (samples.codes.dtype, samples.values.dtype) == (np.int8, np.float32)
    assert samples.codes.shape == samples.values.shape == (6, 20, 5)
    np.testing.assert_allclose(
        samples.values, output.z + output.step * samples.codes.astype(float), rtol=1e-6
    )
    np.testing.assert_allclose(
        samples.values, 0.3 * output.integers(samples.codes.astype(int)), rtol=1e-6
    )
    assert samples.codes.min() >= output.c_min
    assert samples.codes.max() < output.c_min + output.levels


@pytest.mark.parametrize(
    ("bits", "c_min", "z", "step"), [(1, 0, -0.5, 1.0), (2, -2, 0.0, 0.5), (8, -128, 0.0, 0.5)]
)
def test_quantizer_conventions(bits, c_min, z, step):
    quantizer = Quantizer(bits, 0.5)
    assert (quantizer.levels, quantizer.c_min, quantizer.z, quantizer.step) == (
        2**bits,
        c_min,
        z,
        step,
    )
    ends = quantizer.codes(np.array([-1e9, 0.0, 1e9]))
    assert ends.tolist() == [c_min, 1 if bits == 1 else 0, c_min + 2**bits - 1]
    every = np.arange(c_min, c_min + 2**bits)
    assert np.array_equal(quantizer.codes(quantizer.values(every)), every)


def test_operations_by_hand(make_program, make_hardware, x):
    """6 stimuli × 20 reads, 12 inputs, 5 neurons: 60 products of 4 by 3 bits a read, sums of 4 + 3
    + 4 bits, codes of 3 and 2 bits.
    """
    program = changed(
        make_program(sigma=[0.1, 0.1, 0.2, 0.2, 0.2]),
        "readout",
        input=Quantizer(3, 0.5),
        output=Quantizer(2, 0.5),
    )
    hardware = make_hardware().with_precision(4, 3, 2).replace(reliability=Reliability(s=0.5))
    chip = Chip(program, hardware, sigma_scale=2.0)
    expected = {
        Operation("multiply", (4, 3)): 120 * 60,
        Operation("add", (11,)): 120 * 60,
        Operation("dac", (3,)): 120 * 12,
        Operation("adc", (2,)): 120 * 5,
        Operation("weight_memory", (240,)): 6 * 240,
        Operation("code_memory", (46,)): 120 * 46,
        Operation("random"): 120 * 5 * 32,
        Operation("reliability", (2 * 0.1 / 0.5,)): 120 * 2,
        Operation("reliability", (2 * 0.2 / 0.5,)): 120 * 3,
    }
    assert chip.sample(x, 20, 1).operations == Operations(expected)


def test_operations_add_over_reads_of_other_stimuli(chip, x):
    """Splitting in stimuli splits the bill; splitting in reads reads the weights once more."""
    assert chip.operations(x, 20) == chip.operations(x[:2], 20) + chip.operations(x[2:], 20)
    twice = chip.operations(x, 10) + chip.operations(x, 10)
    weights = 6 * 4 * 60
    assert twice.count("weight_memory") == 2 * weights
    assert twice.count("multiply") == chip.operations(x, 20).count("multiply")


def test_no_noise_costs_an_infinite_price_of_reliability(make_program, make_hardware, x):
    operations = Chip(make_program(), make_hardware(), sigma_scale=0.0).operations(x[:1], 1)
    assert operations.count("reliability") == 5
    assert make_hardware().energy(operations, 0.0).reliability_j == math.inf
    assert math.isfinite(
        make_hardware()
        .energy(Chip(make_program(), make_hardware()).operations(x[:1], 1), 0.0)
        .reliability_j
    )


@pytest.mark.parametrize(
    ("stimuli", "complaint"),
    [
        (np.zeros((3, 11)), r"\(stimulus, 12\)"),
        (np.zeros(12), r"\(stimulus, 12\)"),
        (np.zeros((1, 2, 12)), r"\(stimulus, 12\)"),
        (np.full((2, 12), np.nan), "row 0, column 0 is nan"),
        (np.where(np.arange(24).reshape(2, 12) == 17, np.inf, 0.0), "row 1, column 5 is inf"),
        (np.full((2, 12), "a"), "real numbers"),
    ],
)
@pytest.mark.parametrize("kind", ["chip", "float"])
def test_sample_refuses_stimuli(kind, chip, stimuli, complaint):
    with pytest.raises(SettingError, match=complaint):
        (chip if kind == "chip" else float_chip()).sample(stimuli, 1, 0)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reads": 0}, "reads"),
        ({"reads": -1}, "reads"),
        ({"reads": 2.0}, "reads"),
        ({"key": -1}, "key"),
        ({"key": 2**64}, "key"),
        ({"first_stimulus": -1}, "first_stimulus"),
        ({"first_stimulus": 2**32 - 1}, "first_stimulus"),
        ({"first_read": -1}, "first_read"),
    ],
)
@pytest.mark.parametrize("kind", ["chip", "float"])
def test_sample_refuses_reads_and_indices(kind, chip, x, changes, field):
    with pytest.raises(SettingError, match=f"'{field}'"):
        (chip if kind == "chip" else float_chip()).sample(x, **{"reads": 1, "key": 0, **changes})


@pytest.mark.parametrize("scale", [-0.1, math.nan, math.inf])
def test_a_negative_or_infinite_scale_of_sigma_is_refused(make_program, make_hardware, scale):
    with pytest.raises(SettingError, match="'sigma_scale'"):
        Chip(make_program(), make_hardware(), scale)
    with pytest.raises(SettingError, match="'sigma_scale'"):
        FloatChip(float_chip().program, scale)


@pytest.mark.parametrize("name", ["weight_bits", "input_bits", "output_bits"])
def test_other_bits_than_the_program_was_trained_for_are_refused(make_program, make_hardware, name):
    with pytest.raises(
        SettingError, match=rf"'precision\.{name}' = 3: should be 4, which the program was"
    ):
        Chip(make_program(), make_hardware().with_precision(**{name: 3}))


def test_float_chip_has_the_stated_moments(x):
    """Mean and variance of every neuron: false-fail rate 1e-6 for all 20 together; a sigma off by 2
    % is caught.
    """
    chip = float_chip()
    reads = 200_000
    values = chip.sample(x[:2], reads, 8).values.astype(np.float64)
    weight, bias = chip.program.layers["readout"]
    drive = x[:2] @ weight.T + bias
    for s, n in np.ndindex(2, 5):
        sigma = chip.program.wiring.sigma[n]
        assert_mean(values[s, :, n], drive[s, n], 1e-6 / 20)
        assert_mean((values[s, :, n] - drive[s, n]) ** 2, sigma**2, 1e-6 / 20)
        with pytest.raises(AssertionError):
            assert_mean((values[s, :, n] - drive[s, n]) ** 2, (1.02 * sigma) ** 2, 1e-6 / 20)


def test_float_chip_shares_the_random_integers_of_the_chip(make_program, make_hardware, x):
    """Large noise at 8 bits: the same key moves both alike."""
    program = make_program(8, sigma=1.0, scale=0.05)
    drive = Chip(program, make_hardware(8)).drive(x)
    chip = Chip(program, make_hardware(8)).sample(x, 300, 2).values
    layer = program.readout
    weight = layer.weight_scale * layer.weight_codes
    float_chip_of_codes = FloatChip(float_single(weight, layer.bias, program.sigma, 0.0))
    quantised = program.input.values(program.input.codes(x))
    values = float_chip_of_codes.sample(quantised, 300, 2).values
    assert values.shape == chip.shape
    inside = np.abs(values) < 6.0
    assert inside.mean() > 0.99
    assert np.abs(values - chip)[inside].max() <= 0.5 * 0.05 + 1e-5
    assert np.abs(drive).max() < 6


def test_float_chip_counts_nothing_and_its_multiplier_scales(x):
    samples = float_chip().sample(x, 10, 1)
    assert samples.codes is None
    assert samples.operations == Operations()
    weight, bias = float_chip().program.layers["readout"]
    drive = x @ weight.T + bias
    doubled = FloatChip(float_chip().program, sigma_scale=2.0).sample(x, 10, 1).values
    np.testing.assert_allclose(
        doubled - drive[:, None], 2 * (samples.values - drive[:, None]), atol=1e-4
    )
