"""What a step of the float circuit adds: against the reference implementation, and its normals
against those of single draws.
"""

import numpy as np
import pytest
from scipy import special
from stochsim_kernels.circuit import float_circuit
from stochsim_kernels.neuron import normal_cdf
from stochsim_kernels.random import normal
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.integers import draw_integers
from stochsim_kernels.reference import circuit_steps
from threadtest import threads

WHERE = (0xFEDC_BA98_7654_3210, 3, 5, 7, 1000)  # key, layer, event, first stimulus, first read


def case(stimuli=2, reads=9, neurons=5, seed=0):
    """(state, push, pull, rate, sigma, moved); some states far outside."""
    r = np.random.default_rng(seed)
    state = r.normal(0, 1, (stimuli, reads, neurons))
    moved = r.normal(0, 1, (stimuli, reads, neurons))
    state[0, : min(reads, 4), 0] = (-40.0, 40.0, 0.0, 1e-9)[: min(reads, 4)]
    push, pull = r.normal(0, 1, (stimuli, neurons)), r.uniform(0, 1, neurons)
    return state, push, pull, r.uniform(0.3, 5, neurons), r.uniform(0.1, 2, neurons), moved


def finish(state, push, pull, rate, sigma, moved, where=WHERE):
    out = moved.copy()
    step = float_circuit.FloatStep(push, pull, rate, sigma)
    float_circuit.finish_step(state, step, DrawAddress.of(*where), out)
    return out


@pytest.mark.parametrize("neurons", [1, 2, 5, 64])
def test_steps_are_those_of_the_reference_implementation(neurons):
    """Up to the last places of erf and of the quantile, whose expressions SciPy does not share."""
    state, push, pull, rate, sigma, moved = case(neurons=neurons)
    for some_pull, some_sigma in ((pull, sigma), (0 * pull, sigma), (pull, 0 * sigma)):
        found = finish(state, push, some_pull, rate, some_sigma, moved)
        step = float_circuit.FloatStep(push, some_pull, rate, some_sigma)
        expected = circuit_steps.finish_step(state, step, DrawAddress.of(*WHERE), moved)
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-14)
        assert np.abs(found - moved).max() > 0.1


def test_normals_are_those_of_single_draws():
    """Bit for bit."""
    shape = (2, 3000, 7)
    u = np.empty(shape, np.uint32)
    expected = np.empty(shape)
    nothing = np.zeros(7)
    draw_integers(DrawAddress.of(*WHERE), u)
    normal.fill_normals(u.reshape(-1), expected.reshape(-1))
    found = finish(
        np.zeros(shape), np.zeros((2, 7)), nothing, np.ones(7), np.ones(7), np.zeros(shape)
    )
    assert np.array_equal(found, expected)
    assert np.abs(found).max() > 3.5


def test_quantiles_at_the_ends_and_where_the_tails_begin():
    p = np.array(
        [
            2**-32,
            1 - 2**-32,
            3 * 2**-32,
            0.075,
            0.925,
            np.nextafter(0.075, 0),
            np.nextafter(0.925, 1),
            0.5,
        ]
    )
    room = np.empty(p.size)
    tails = np.empty(p.size, np.int64)
    found = np.zeros(p.size)
    float_circuit._disturb(p, np.ones(p.size), tails, room, np.empty(p.size), found)
    assert np.array_equal(found, [normal.normal_quantile(value) for value in p])


def test_erf_by_the_table():
    t = np.concatenate(
        [np.linspace(-normal_cdf.REACH, normal_cdf.REACH, 100_001), [normal_cdf.REACH]]
    )
    zeros = np.zeros(t.size)
    ones = np.ones(t.size)
    moved = np.zeros(t.size)
    float_circuit._shrink(t, zeros, -ones, ones, moved)
    np.testing.assert_allclose(moved, special.erf(t / np.sqrt(2)), rtol=0, atol=3e-15)
    float_circuit._shrink(100 * t, zeros, -ones, ones, zeros)
    assert np.array_equal(zeros[[0, -1]], [-1, 1])


def test_splits_and_threads_change_nothing():
    state, push, pull, rate, sigma, moved = case(3, 300, 7)
    whole = finish(state, push, pull, rate, sigma, moved)
    for a, b in ((0, 1), (1, 3)):
        for c, d in ((0, 1), (1, 130), (130, 300)):
            where = (*WHERE[:3], WHERE[3] + a, WHERE[4] + c)
            parts = (np.ascontiguousarray(one[a:b, c:d]) for one in (state, moved))
            some, before = parts
            assert np.array_equal(
                whole[a:b, c:d], finish(some, push[a:b], pull, rate, sigma, before, where)
            )
    with threads():
        assert np.array_equal(whole, finish(state, push, pull, rate, sigma, moved))
