"""Each setting of the random source moves the codes as predicted: bits of a comparator, a
register's period, shared sources.
"""

import numpy as np
import pytest
from channeltest import GRID, WEIGHTS, X, assert_draws, chip_of, counts, flat
from stattest import assert_frequencies

from stochsim.energy import Operation
from stochsim.hardware import RandomSource


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
