"""Settings of the neurons, the memories and the random source, one test per setting, against closed
forms.

Drawn codes are held against `Chip.probabilities` (false-fail rate 1e-6 per test, a negative control
that must fail), and those against formulas.
"""

import numpy as np
import pytest
from arraytest import (
    array_of,
    exact_sums,
    hardware_for,
    product_of,
    program_of,
    random_inputs,
    random_weights,
    sums_of,
)
from scipy import stats
from stattest import assert_frequencies, assert_mean

from stochsim.chip import Chip
from stochsim.energy import Operation
from stochsim.hardware import Converter, Memory, Noise, RandomSource, bit_error_rate

WEIGHTS = random_weights(4, 5, 12)
X = random_inputs(4, 4, 12).astype(float)
GRID = 2.0**-30


def chip_of(sigma=0.4, output_bits=3, scale=1.1, array=None, weights=WEIGHTS, **parts):
    program = program_of(weights, 4, 4, output_bits, sigma, scale)
    return Chip(program, hardware_for(program, array, **parts))


def counts(chip, reads=20_000, key=4):
    """How often each code occurred, (stimulus × neuron, level)."""
    codes = chip.sample(X, reads, key).codes.astype(int) - chip.program.output.c_min
    levels = chip.program.output.levels
    return np.stack(
        [
            np.bincount(codes[s, :, n], minlength=levels)
            for s, n in np.ndindex(codes.shape[0], codes.shape[2])
        ]
    )


def flat(chip):
    """P(code | drive), (stimulus × neuron, level)."""
    found = chip.probabilities(X)
    return found.reshape(-1, found.shape[-1])


def assert_draws(chip, wrong, reads=20_000):
    found = counts(chip, reads)
    assert_frequencies(found, flat(chip))
    with pytest.raises(AssertionError):
        assert_frequencies(found, flat(wrong))


# noise
# -----------------------------------------------------------------------------------------------


def test_stochastic_dither_interpolates_between_codes():
    """P(code k) = max(0, 1 - |drive / step - k|), what lies beyond the outer codes clips to them:
    the mean code is the drive.
    """
    chip = chip_of(sigma=0.0, noise=Noise(dither="stochastic"))
    output = chip.program.output
    place = np.clip(chip.drive(X) / output.step, output.c_min, output.c_min + output.levels - 1)
    codes = output.c_min + np.arange(output.levels)
    np.testing.assert_allclose(
        chip.probabilities(X),
        np.maximum(0, 1 - np.abs(place[..., None] - codes)),
        rtol=0,
        atol=GRID,
    )
    np.testing.assert_allclose(chip.probabilities(X) @ codes, place, rtol=0, atol=1e-8)
    assert_draws(chip, chip_of(sigma=0.05, noise=Noise(dither="stochastic")))


def test_triangular_dither():
    """The edge at e is passed with the probability that a triangle of one step to either side
    leaves beyond it.
    """
    chip = chip_of(sigma=0.0, noise=Noise(dither="triangular"))
    output = chip.program.output
    edges = (output.c_min + np.arange(1, output.levels) - 0.5) * output.step
    below = stats.triang(0.5, -output.step, 2 * output.step).cdf(edges - chip.drive(X)[..., None])
    np.testing.assert_allclose(
        chip.probabilities(X), np.diff(below, axis=-1, prepend=0.0, append=1.0), rtol=0, atol=GRID
    )
    assert_draws(chip, chip_of(sigma=0.0, noise=Noise(dither="stochastic")))


def test_dither_comes_on_top_of_the_trained_sigma():
    """The convolution with a Gaussian, by the midpoint rule over its quantiles."""
    chip = chip_of(sigma=0.4, noise=Noise(dither="stochastic"))
    alone = chip_of(sigma=0.4)
    nodes = 1.1 * ((np.arange(400) + 0.5) / 400 - 0.5)
    output = chip.program.output
    edges = np.concatenate(
        [[-np.inf], (output.c_min + np.arange(1, output.levels) - 0.5) * output.step, [np.inf]]
    )
    below = np.mean(
        [stats.norm.cdf((edges - chip.drive(X)[..., None] - node) / 0.4) for node in nodes], axis=0
    )
    np.testing.assert_allclose(chip.probabilities(X), np.diff(below, axis=-1), rtol=0, atol=1e-6)
    assert np.abs(chip.probabilities(X) - alone.probabilities(X)).max() > 0.02


def test_explicit_weight_noise_equals_the_lumped_one():
    """Noise on every weight gives codes as one draw of sigma |x| does; 5 % more is the negative
    control.

    Neurons and stimuli do not covary.
    """
    lumped = {sigma: chip_of(sigma=0.0, noise=Noise(weight_sigma=sigma)) for sigma in (0.1, 0.105)}
    explicit = chip_of(sigma=0.0, noise=Noise(weight_sigma=0.1, weight_noise="explicit"))
    found = counts(explicit, 30_000)
    assert_frequencies(found, flat(lumped[0.1]))
    with pytest.raises(AssertionError):
        assert_frequencies(found, flat(lumped[0.105]))
    x = X.astype(np.int8)
    noisy = sums_of(explicit.product, x, 10_000) - exact_sums(WEIGHTS, x)[:, None]
    assert_mean(noisy, 0.0, 1e-6)
    assert_mean(noisy[:, :, 0] * noisy[:, :, 1], 0.0, 1e-6)
    assert_mean(noisy[0] * noisy[1], 0.0, 1e-6)


TABLE = "drive,p0,p1,p2,p3\n-4,1,0,0,0\n-1,0.5,0.25,0.25,0\n2,0,0.1,0.3,0.6\n"


@pytest.mark.parametrize("array", [None, array_of(Converter(bits=4))])
def test_measured_csv(array):
    """P(code | drive) of the table, linear between its rows, whatever sigma the network was trained
    with.
    """
    chip = chip_of(sigma=0.7, output_bits=2, array=array, noise=Noise(measured_csv=TABLE))
    drive = exact_sums(WEIGHTS, X.astype(int)) / 8
    rows = np.array([[1, 0, 0, 0], [0.5, 0.25, 0.25, 0], [0, 0.1, 0.3, 0.6]])
    expected = np.stack([np.interp(drive, [-4, -1, 2], rows[:, k]) for k in range(4)], axis=-1)
    if array is None:
        np.testing.assert_allclose(chip.probabilities(X), expected, rtol=0, atol=GRID)
    found = counts(chip)
    assert_frequencies(found, expected.reshape(-1, 4))
    with pytest.raises(AssertionError):
        assert_frequencies(found, (0.98 * expected + 0.02 / 4).reshape(-1, 4))


# memory
# -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("array", [None, array_of(Converter(bits=8))])
def test_weight_errors_are_a_nested_pattern_of_the_chip(array):
    """Bits wrong at a low rate are wrong at every higher one, at a share that is the rate; another
    chip has others; reads do not matter.
    """
    weights, x = random_weights(4, 200, 60), np.eye(60, dtype=np.int8)

    def flipped(rate, chip_key=0, key=3):
        """Wrong bits, (input, neuron): each input picks its weight."""
        found = sums_of(
            product_of(weights, array, memory=Memory(weight_errors=rate), chip_key=chip_key),
            x,
            1,
            key,
        )[:, 0]
        return (found.astype(int) ^ weights.T) & 15

    low, high = flipped(0.02), flipped(0.2)
    assert np.array_equal(low & high, low)
    for pattern, rate in ((low, 0.02), (high, 0.2)):
        wrong = int(np.bitwise_count(pattern).sum())
        assert 1e-6 < stats.binom.cdf(wrong, 4 * pattern.size, rate) < 1 - 1e-6
        assert not 1e-6 < stats.binom.cdf(wrong, 4 * pattern.size, 1.2 * rate) < 1 - 1e-6
    assert np.array_equal(low, flipped(0.02, key=9))
    assert np.mean((flipped(0.2, chip_key=1) & high) > 0) < 0.25
    assert (flipped(1.0) == 15).all()


def test_weight_read_errors_are_fresh_at_every_stimulus():
    """A weight W read with b bits, each wrong with probability p, is (1 - 2p) W - p on average: the
    places of two's complement sum to -1.

    The same stimulus 20,000 times. All reads of one stimulus see the same weights.
    """
    x = np.tile(random_inputs(4, 1, 12), (20_000, 1))
    rate = 0.03
    product = product_of(WEIGHTS, memory=Memory(weight_read_errors=rate))
    sums = sums_of(product, x)[:, 0]
    for n in range(len(WEIGHTS)):
        assert_mean(
            sums[:, n],
            float((1 - 2 * rate) * (WEIGHTS[n] @ x[0].astype(int)) - rate * x[0].sum(dtype=int)),
            1e-7,
        )
    squares = (x[0].astype(float) ** 2).sum() * rate * (1 - rate) * (1 + 4 + 16 + 64)
    spread = (sums - sums.mean(axis=0)) ** 2
    assert_mean(spread, squares, 1e-6)
    with pytest.raises(AssertionError):
        assert_mean(spread, 1.1 * squares, 1e-6)
    assert np.array_equal(
        sums_of(product_of(WEIGHTS, memory=Memory(weight_read_errors=1.0)), x[:1])[0],
        exact_sums(-1 - WEIGHTS, x[:1]),
    )
    chip = chip_of(sigma=0.0, output_bits=8, scale=0.125, memory=Memory(weight_read_errors=rate))
    assert not np.ptp(chip.sample(x[:200].astype(float), 20, 1).codes, axis=1).any()


def flips(bits, rate):
    """P(code j is read | code i was written), from the bits that differ."""
    differ = np.bitwise_count(np.arange(2**bits)[:, None] ^ np.arange(2**bits))
    return rate**differ * (1 - rate) ** (bits - differ)


@pytest.mark.parametrize(("bits", "scale"), [(1, 0.5), (3, 1.1)])
def test_code_errors(bits, scale):
    """P(code | drive) times the flips of its bits; two's complement differs from the index in the
    top bit alone, which flips see not.
    """
    clean, chip = (
        chip_of(output_bits=bits, scale=scale, memory=Memory(code_errors=rate))
        for rate in (0.0, 0.03)
    )
    np.testing.assert_allclose(
        chip.probabilities(X), clean.probabilities(X) @ flips(bits, 0.03), rtol=0, atol=2 * GRID
    )
    assert_draws(chip, chip_of(output_bits=bits, scale=scale, memory=Memory(code_errors=0.04)))


@pytest.mark.parametrize(
    "source", [{"neurons_per_source": 5}, {"threshold_bits": 8, "lfsr_bits": 9}]
)
def test_code_errors_behind_a_source_that_is_shared_or_repeats(source):
    """Errors of the memory are neither shared nor do they repeat: each bit is wrong on its own,
    against the same chip without errors.
    """
    codes = [
        chip_of(random=RandomSource(**source), memory=Memory(code_errors=rate))
        .sample(X, 511 * 8, 4)
        .codes
        for rate in (0.0, 0.1)
    ]
    wrong = (codes[0] ^ codes[1]) & 7
    for bit in range(3):
        assert_mean(wrong >> bit & 1, 0.1, 1e-7)
    errors = (wrong > 0).astype(float)
    share = 1 - 0.9**3
    assert_mean(errors[:, :, 0] * errors[:, :, 1], share**2, 1e-6)
    assert_mean(errors[:, :511] * errors[:, 511:1022], share**2, 1e-6)


def test_code_errors_smaller_than_a_comparators_step():
    """Rates below 2^-threshold_bits do not vanish: codes are compared first and then stored."""
    chip = chip_of(random=RandomSource(threshold_bits=4), memory=Memory(code_errors=0.01))
    clean = chip_of(random=RandomSource(threshold_bits=4))
    np.testing.assert_allclose(
        chip.probabilities(X), clean.probabilities(X) @ flips(3, 0.01), rtol=0, atol=2 * GRID
    )
    assert_draws(chip, clean)


def test_voltage_sets_the_weight_errors():
    """p = 10^(-2 - (v - 0.84) / decade), at most 1/2; a chip at a voltage is the chip at these
    rates.
    """
    for volts, decade, rate in (
        (0.84, 0.04, 1e-2),
        (0.80, 0.04, 0.1),
        (0.76, 0.04, 0.5),
        (0.94, 0.05, 1e-4),
    ):
        assert bit_error_rate(volts, decade) == pytest.approx(rate)
        memory = Memory(voltage_over_vmin=volts, voltage_decade=decade)
        assert memory.weight_error_rates == (pytest.approx(rate), 0.0)
    shared = Memory(voltage_over_vmin=0.80, transient_share=0.25)
    assert shared.weight_error_rates == (pytest.approx(0.075), pytest.approx(0.025))
    rates = Memory(
        weight_errors=shared.weight_error_rates[0], weight_read_errors=shared.weight_error_rates[1]
    )
    x = random_inputs(4, 30, 12)
    at_voltage, at_rates = (
        sums_of(product_of(WEIGHTS, memory=memory), x) for memory in (shared, rates)
    )
    assert np.array_equal(at_voltage, at_rates)
    assert not np.array_equal(
        at_voltage, sums_of(product_of(WEIGHTS, memory=Memory(voltage_over_vmin=0.80)), x)
    )


# random source
# -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 4, 9])
def test_threshold_bits(bits):
    """Cumulative probabilities on a grid of 2^-n, the nearest point of it; drawn so."""
    ideal = chip_of()
    chip = chip_of(random=RandomSource(threshold_bits=bits))
    below, exact = (np.cumsum(one.probabilities(X), axis=-1)[..., :-1] for one in (chip, ideal))
    np.testing.assert_allclose(below * 2**bits, np.rint(below * 2**bits), rtol=0, atol=1e-6)
    assert np.abs(below - exact).max() <= 0.5 / 2**bits + GRID
    if bits < 9:
        assert_draws(chip, ideal)


@pytest.mark.parametrize(("bits", "threshold_bits"), [(8, 8), (8, 5), (9, 7)])
def test_lfsr_bits_repeat_after_their_period(bits, threshold_bits):
    """2^n - 1 states, `threshold_bits` shifts a read: the reads repeat after (2^n - 1) / gcd of the
    two, and not before.
    """
    period = (2**bits - 1) // np.gcd(2**bits - 1, threshold_bits)
    chip = chip_of(
        sigma=1.5,
        output_bits=5,
        scale=0.3,
        random=RandomSource(lfsr_bits=bits, threshold_bits=threshold_bits),
    )
    codes = chip.sample(X, 2 * period + 10, 4).codes
    assert np.array_equal(codes[:, :-period], codes[:, period:])
    for shorter in range(1, period):
        if period % shorter == 0:
            assert not np.array_equal(codes[:, :-shorter], codes[:, shorter:])
    ideal = chip_of(sigma=1.5, output_bits=5, scale=0.3).sample(X, 2 * period + 10, 4).codes
    assert not np.array_equal(ideal[:, :-period], ideal[:, period:])


def test_neurons_per_source():
    """Neurons of one source that have one drive give one code; others do not.

    Fewer sources draw fewer random bits.
    """
    weights = np.tile(WEIGHTS[:1], (7, 1))
    alone, shared = (
        chip_of(weights=weights, random=RandomSource(neurons_per_source=size)) for size in (1, 3)
    )
    codes = shared.sample(X, 500, 2).codes
    for first, last in ((0, 3), (3, 6), (6, 7)):
        assert not np.ptp(codes[..., first:last], axis=-1).any()
    assert np.ptp(codes[..., [0, 3, 6]], axis=-1).mean() > 0.1
    assert np.ptp(alone.sample(X, 500, 2).codes[..., :3], axis=-1).mean() > 0.1
    assert_frequencies(counts(chip_of(random=RandomSource(neurons_per_source=3))), flat(chip_of()))
    bits = [chip.operations(X, 10)[Operation("random")] for chip in (alone, shared)]
    assert bits == [4 * 10 * 7 * 32, 4 * 10 * 3 * 32]
    fewer = chip_of(
        weights=weights, random=RandomSource(neurons_per_source=3, random_bits_per_code=8)
    )
    assert fewer.operations(X, 10)[Operation("random")] == 4 * 10 * 3 * 8


# accumulators
# -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [2, 5, 7, 33, 64])
@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_accumulators_of_a_digital_product(bits, overflow):
    """Products added in the order of the inputs, clipped or wrapped at each addition."""
    x, weights = random_inputs(4, 40, 12), WEIGHTS
    sums = np.zeros((40, 5), object)
    half = 2 ** (bits - 1)
    for i in range(12):
        sums = sums + np.outer(x[:, i].astype(int), weights[:, i].astype(int))
        sums = (
            np.clip(sums, -half, half - 1)
            if overflow == "saturate"
            else (sums + half) % (2 * half) - half
        )
    found = sums_of(product_of(weights, accumulator_bits=bits, accumulator_overflow=overflow), x)[
        :, 0
    ]
    assert np.array_equal(found, sums.astype(np.int64))
    assert np.array_equal(found, exact_sums(weights, x)) == (bits > 8)


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_accumulators_hold_their_width_with_transient_weight_errors(overflow):
    product = product_of(
        WEIGHTS,
        accumulator_bits=6,
        accumulator_overflow=overflow,
        memory=Memory(weight_read_errors=0.2),
    )
    found = sums_of(product, random_inputs(4, 300, 12))
    assert (found.min(), found.max()) == (-32, 31)


@pytest.mark.parametrize("signs", ["offset", "differential"])
@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize("bits", [6, 8, 33, 64])
def test_accumulators_of_an_array(bits, overflow, signs):
    """Converter codes times their places, added by tile, slice and cycle; the corrections of offset
    codes come afterwards, exactly.
    """
    x = random_inputs(4, 40, 12)
    weights = random_weights(4, 5, 12)
    half = 2 ** (bits - 1)
    array = array_of(Converter(bits=5), rows=7, signs=signs)
    stored = weights.astype(int) + 8 if signs == "offset" else np.abs(weights.astype(int))
    line = x.astype(int) + 8
    total = np.zeros((40, 5), object)
    for first in (0, 7):
        rows = slice(first, first + 7)
        for s in range(4 if signs == "offset" else 3):
            held = (stored[:, rows] >> s & 1) * (
                1 if signs == "offset" else np.sign(weights[:, rows])
            )
            for c in range(4):
                total = total + 2 ** (s + c) * ((line[:, rows] >> c & 1) @ held.T).astype(object)
                total = (
                    np.clip(total, -half, half - 1)
                    if overflow == "saturate"
                    else (total + half) % (2 * half) - half
                )
    found = sums_of(
        product_of(weights, array, accumulator_bits=bits, accumulator_overflow=overflow), x, 2
    )
    through_the_array = line @ (stored if signs == "offset" else weights.astype(int)).T
    expected = exact_sums(weights, x) - through_the_array + total.astype(np.int64)
    assert np.array_equal(found, np.repeat(expected[:, None], 2, axis=1))
    assert np.array_equal(found[:, 0], exact_sums(weights, x)) == (bits > 8)
