"""The recurrent circuit without quantisers: what a step adds to states beside their matrix product,
in one pass over them.
"""

import math
from typing import NamedTuple

import numpy as np

from stochsim_kernels._jit import helper, inline, kernel
from stochsim_kernels.neuron.normal_cdf import REACH, tabled_normal_cdf
from stochsim_kernels.neuron.streams import block_streams
from stochsim_kernels.random.counter_rng import integer31, lower_word, word
from stochsim_kernels.random.normal import CENTRE, quantile_centre, quantile_tail
from stochsim_kernels.tasks import run_tasks

_CHAINS = 128  # of one stimulus to a task
_SCALE = 1.0 / 2147483648.0


class FloatStep(NamedTuple):
    """What a step adds to a state: push - pull erf(state rate / sqrt 2) + sigma xi.

    push: (stimulus, neuron); pull, rate, sigma: (neuron,); all float64 and contiguous.
    """

    push: np.ndarray
    pull: np.ndarray
    rate: np.ndarray
    sigma: np.ndarray


@helper
def _shrink(state, push, pull, rate, moved):
    """Add push - pull erf(state rate / sqrt 2) to moved, all (neuron,); erf as 2 Phi - 1, within
    2e-15.
    """
    for n in range(state.size):
        t = min(max(state[n] * rate[n], -REACH), REACH)
        moved[n] = (moved[n] + push[n]) - pull[n] * (2.0 * tabled_normal_cdf(t) - 1.0)


@inline
def _fill_p(streams, read, p):
    """Write (u + 1/2) / 2^31 of this read to p (neuron,), whole quads."""
    seed = streams[0]
    gamma = streams[1]
    for i in range(p.size // 4):
        upper = word(seed[i], gamma[i], read)
        lower = lower_word(seed[i], gamma[i], read)
        for n in range(4):
            p[4 * i + n] = (np.float64(integer31(upper, lower, n)) + 0.5) * _SCALE


@helper
def _fill_tails(p, tails, z, xi):
    """Write Phi^-1(p) to xi where p lies in a tail; 2^-32 <= p <= 1 - 2^-32, so none is far. tails,
    z: room, as long as p.
    """
    many = 0
    for n in range(p.size):
        tails[many] = n
        many += int(abs(p[n] - 0.5) > CENTRE)
    for i in range(many):
        z[i] = math.sqrt(-math.log(min(p[tails[i]], 1.0 - p[tails[i]])))
    for i in range(many):
        z[i] = quantile_tail(z[i])
    for i in range(many):
        xi[tails[i]] = z[i] if p[tails[i]] > 0.5 else -z[i]


@helper
def _disturb(p, sigma, tails, z, xi, moved):
    """Add sigma Phi^-1(p) to moved, (neuron,), as `normal.normal_quantile` has it: the centre on
    vectors, then the tails.
    """
    for n in range(p.size):
        xi[n] = quantile_centre(min(max(p[n] - 0.5, -CENTRE), CENTRE))
    _fill_tails(p, tails, z, xi)
    for n in range(moved.size):
        moved[n] += sigma[n] * xi[n]


@helper
def _finish_block(task, state, step, terms, address, moved):
    """Some reads of one stimulus; terms: whether anything shrinks, whether anything is drawn."""
    push, pull, rate, sigma = step
    shrinks, noisy = terms
    reads, neurons = moved.shape[1:]
    chunks = (reads + _CHAINS - 1) // _CHAINS
    s = task // chunks
    first = (task % chunks) * _CHAINS
    whole = (neurons + 3) // 4 * 4
    p = np.empty(whole)
    z = np.empty(whole)
    xi = np.empty(whole)
    tails = np.empty(whole, np.int64)
    streams = block_streams(address, s, first, neurons)
    for r in range(first, min(reads, first + _CHAINS)):
        if shrinks:
            _shrink(state[s, r], push[s], pull, rate, moved[s, r])
        else:
            for n in range(neurons):
                moved[s, r, n] += push[s, n]
        if noisy:
            _fill_p(streams, r - first, p)
            _disturb(p, sigma, tails, z, xi, moved[s, r])


@inline
def _any(values):
    found = False
    for value in values:
        found = found or value != 0.0
    return found


@kernel
def finish_step(state, step, address, moved):
    """Add push - pull erf(state rate / sqrt 2) + sigma xi to moved (stimulus, read, neuron),
    float64.

    state: that before the step, as moved; step: a `FloatStep`. xi = Phi^-1((u + 1/2) / 2^31) with
    the integers of `draw_integers`; none are drawn where all sigma are 0.
    """
    chunks = (moved.shape[1] + _CHAINS - 1) // _CHAINS
    terms = (_any(step.pull), _any(step.sigma))
    run_tasks(_finish_block, moved.shape[0] * chunks, (state, step, terms, address, moved))
