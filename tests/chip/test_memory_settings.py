"""Each setting of the memories moves the codes as predicted: errors of weights and of codes, and
the voltage that sets them.

Drawn codes are compared with `Chip.probabilities` (false-fail rate 1e-6 per test, a negative
control that must fail), and those with formulas.
"""

import numpy as np
import pytest
from arraytest import array_of, exact_sums, product_of, random_inputs, random_weights, sums_of
from channeltest import GRID, WEIGHTS, X, assert_draws, chip_of
from scipy import stats
from stattest import assert_mean

from stochsim.hardware import Adc, Memory, RandomSource, bit_error_rate


@pytest.mark.parametrize("array", [None, array_of(Adc(bits=8))])
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
