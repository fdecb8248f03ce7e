"""A linear circuit forgets at a known rate, so the effective samples of its chains are known.

v' = M v + noise with M symmetric: covariance S = q (I - M²)^-1, and after j reads, k steps each,
M^(jk) S. So n reads of neuron i are worth

    n S_ii / [(I + M^k) (I - M^k)^-1 S]_ii
"""

import numpy as np
import pytest
from circuittest import hardware_of

from stochsim.chip import Chip
from stochsim.posterior import effective_sample_size, effective_samples
from stochsim.program import Layer, Quantizer, recurrent

STEP = 0.05
SIGMA = 0.08
READS = 1000
STIMULI = 64
LATERAL = np.array([[60, 40, 0, 0], [40, 20, -30, 0], [0, -30, 0, 50], [0, 0, 50, 40]], np.int8)
MAP = 0.003 * LATERAL + 0.55 * np.eye(4)
TOLERANCE = 0.15


def linear_chip():
    """8 bits, over a range of 20 standard deviations, in steps below the noise: rounding adds white
    noise and does nothing else.
    """
    state = Quantizer(8, STEP)
    seen = Layer(
        np.zeros((4, 3), np.int8),
        8,
        0.01,
        Quantizer(8, 0.02),
        state,
        np.zeros(4),
        np.full(4, SIGMA),
    )
    back = Layer(LATERAL, 8, 0.003, state, state, np.zeros(4), np.zeros(4))
    own = 0.55 * np.repeat(STEP * (state.c_min + np.arange(state.levels))[:, None], 4, axis=1)
    program = recurrent(seen, back, own, 40, float(np.abs(np.linalg.eigvalsh(MAP)).max()))
    return Chip(program, hardware_of(program))


def predicted(every):
    """Effective samples per read of each neuron, (neuron,)."""
    power = np.linalg.matrix_power(MAP, every)
    one = np.eye(4)
    covariance = np.linalg.inv(one - MAP @ MAP)
    return np.diag(covariance) / np.diag((one + power) @ np.linalg.inv(one - power) @ covariance)


def test_the_circuit_forgets_slowly_enough_to_matter():
    assert 0.7 < np.linalg.eigvalsh(MAP).max() < 0.95
    assert (predicted(1) < 0.4).all()
    assert (predicted(40) > 0.9).all()


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 3])
def test_effective_samples_are_those_of_its_autocorrelation(every):
    """Mean over 64 chains of each neuron within 15 %: each estimate scatters by up to a quarter, so
    the mean by 3 %.

    Negative controls: a read more or less often, and reads taken for independent.
    """
    values = (
        linear_chip()
        .sample(np.zeros((STIMULI, 3)), READS, 7, count=False, steps_between_reads=every)
        .values
    )
    found = effective_sample_size(values).mean(axis=0)
    expected = READS * predicted(every)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE)
    assert effective_samples(values, False).mean() == pytest.approx(expected.mean(), rel=TOLERANCE)
    for wrong in (READS * predicted(every + 1), np.full(4, float(READS))):
        assert not np.allclose(found, wrong, rtol=TOLERANCE, atol=0)


@pytest.mark.slow
def test_chains_of_their_own_are_independent():
    values = linear_chip().sample(np.zeros((16, 3)), READS, 7, count=False).values
    assert effective_sample_size(values).mean() == pytest.approx(READS, rel=TOLERANCE)
