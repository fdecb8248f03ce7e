"""Codes drawn a million times follow the closed-form channel, and a noise 2 % too large is caught.

Drives lie 0.3, 0.6, 0.9, 1.2 and 1.5 sigma from an edge; the five of one sigma are pooled in one
test. Pooling is what reaches the stated power: at sigma = 1/4 step the drive at 0.3 sigma alone has
power 0.53 at 1e6 reads, for there the probability hardly moves with sigma. On the edge of a 1-bit
neuron sigma has no effect at all, so no test has power there.
"""

import numpy as np
import pytest
from stattest import assert_frequencies, power
from stochsim_kernels.neuron import channel, drawing
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.reference import neuron_codes as reference

READS = 1_000_000
FALSE_FAIL = 1e-6
POWER = 0.999
TOO_LARGE = 1.02
Z = 0.0
STEP = 0.5
C_MIN = -8
LEVELS = 16
EDGE = Z + (C_MIN + 8 - 0.5) * STEP
SIGMAS_LSB = (0.25, 0.5, 1.0, 2.0)
DISTANCES = np.array([0.3, 0.6, 0.9, 1.2, 1.5])


def probabilities(drives, sigma, family="gaussian", grid=(Z, STEP, C_MIN, LEVELS)):
    """Exact P(code), (drive, code), by the reference implementation; for a family other than the
    Gaussian, sigma is that family's.
    """
    pair = (sigma, 0.0) if family == "gaussian" else (0.0, sigma)
    law = reference.PlainLaw(family, "identity", *grid)
    table = [reference.code_probabilities(float(a), *pair, law) for a in drives]
    return np.maximum(table, 0.0)


def counts(drives, sigma, key, family="gaussian", grid=(Z, STEP, C_MIN, LEVELS), reads=READS):
    """Counts (drive, code) of codes drawn by the kernels, one neuron per drive."""
    _, _, c_min, levels = grid
    pair = (sigma, 0.0) if family == "gaussian" else (0.0, sigma)
    shape = (1, len(drives))
    law = channel.neuron_law(channel.FAMILIES[family], channel.IDENTITY, *grid)
    table = np.empty((1, levels - 1, len(drives)), np.uint32)
    sigmas = [np.full(shape, value) for value in pair]
    drive = np.ascontiguousarray(drives, float).reshape(shape)
    channel.fill_thresholds(drive, *sigmas, law, table)
    codes = np.empty((1, reads, len(drives)), np.int8)
    drawing.draw_codes(table, c_min, DrawAddress.of(key, 0, 0), codes)
    return np.stack(
        [np.bincount(column, minlength=levels) for column in (codes[0].astype(np.int64) - c_min).T]
    )


@pytest.mark.parametrize("sigma_lsb", SIGMAS_LSB)
def test_frequencies_follow_the_channel_and_a_sigma_2_percent_too_large_fails(sigma_lsb):
    """False-fail rate 1e-6 each; power at least 0.999 against sigma × 1.02, computed, and the
    negative control (sigma too large) drawn as well.
    """
    sigma = sigma_lsb * STEP
    drives = EDGE + DISTANCES * sigma
    right, wrong = probabilities(drives, sigma), probabilities(drives, TOO_LARGE * sigma)
    assert power(right, wrong, READS, FALSE_FAIL) >= POWER
    assert_frequencies(counts(drives, sigma, key=11), right, FALSE_FAIL)
    with pytest.raises(AssertionError):
        assert_frequencies(counts(drives, TOO_LARGE * sigma, key=11), right, FALSE_FAIL)


def test_stated_power_of_the_weakest_drive_alone():
    drive = EDGE + 0.3 * 0.25 * STEP
    sigma = 0.25 * STEP
    alone = power(
        probabilities([drive], sigma), probabilities([drive], TOO_LARGE * sigma), READS, FALSE_FAIL
    )
    assert alone == pytest.approx(0.53, abs=0.03)


@pytest.mark.parametrize("family", ["logistic", "uniform"])
@pytest.mark.parametrize("bits", [1, 8])
def test_frequencies_of_the_other_families(family, bits):
    """False-fail rate 1e-6; the Gaussian of the same variance is the negative control."""
    grid = (-0.5, 1.0, 0, 2) if bits == 1 else (0.0, 0.05, -128, 256)
    drives = np.array([-0.7, -0.31, 0.2, 0.55])
    reads = 200_000
    right = probabilities(drives, 0.6, family, grid)
    assert_frequencies(counts(drives, 0.6, 5, family, grid, reads), right, FALSE_FAIL)
    with pytest.raises(AssertionError):
        assert_frequencies(counts(drives, 0.6, 5, "gaussian", grid, reads), right, FALSE_FAIL)
