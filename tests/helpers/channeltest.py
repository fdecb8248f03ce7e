"""A single layer on a chip, and drawn codes against P(code | drive), for tests of settings."""

import numpy as np
import pytest
from arraytest import hardware_for, program_of, random_inputs, random_weights
from stattest import assert_frequencies

from stochsim.chip import Chip

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
