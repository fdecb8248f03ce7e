"""Gibbs sampling of a Laplace posterior, p(r | x) ∝ exp(−‖x − A r‖² / (2 s²) − Σ|r| / b), one
coordinate after the other.

Given the others, coordinate i follows exp(−G r²/2 + g r − |r|/b) with G = ‖a_i‖²/s² and g = a_iᵀ(x
− Σ_{j≠i} a_j r_j)/s²: two halves of normals that meet at 0. A draw is the inverse of that
distribution function at one 52-bit uniform, a pure function of (key, stimulus, chain, sweep,
coordinate). Order of the file: scalar maths, one conditional draw, one chain, many chains.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import prange

from stochsim_kernels._jit import helper, kernel
from stochsim_kernels.random.counter_rng import stream, uniform, word
from stochsim_kernels.random.normal import normal_quantile

REFRESH_SWEEPS = 64
"""The running field is computed afresh at every sweep divisible by this, against the drift of
rounding.
"""

STREAM_LAYER = 0x6B5
"""The `layer` word of the counters, so that a chip under the same key uses other streams."""

_FAR = 30.0
_HALF_GRID = 2.0**-53
_SQRT_HALF = math.sqrt(0.5)
_SQRT_HALF_PI = math.sqrt(0.5 * math.pi)


class LaplacePosterior(NamedTuple):
    """linear (stimulus, neuron) = Aᵀx/s²; gram (neuron, neuron) = AᵀA/s²; inverse_scale: 1/b; all
    float64 and C-contiguous.
    """

    linear: np.ndarray
    gram: np.ndarray
    inverse_scale: float


class Chains(NamedTuple):
    """Where chains stand, written in place.

    key: uint64. stimuli (stimulus,) int64: the numbers under which the stimuli are keyed. state,
    field (stimulus, chain, neuron) float64: r, and linear − gram r.
    """

    key: np.uint64
    stimuli: np.ndarray
    state: np.ndarray
    field: np.ndarray


class Schedule(NamedTuple):
    """Sweeps first_sweep … first_sweep + sweeps − 1, the first of all is 1; after burn_in of them
    every thin-th is kept.
    """

    first_sweep: int
    sweeps: int
    burn_in: int
    thin: int


class _Conditionals(NamedTuple):
    """What the conditional of a coordinate needs, whatever the stimulus: see `root_precisions`."""

    gram: np.ndarray
    root: np.ndarray
    inverse_scale: float


@helper
def _mills_series(a):
    """Upper tail over density of the standard normal for a >= 30, by the asymptotic series (error
    below 1e-13).
    """
    z = 1.0 / (a * a)
    return (1.0 - z * (1.0 - z * (3.0 - z * (15.0 - z * (105.0 - 945.0 * z))))) / a


@helper
def mills_ratio(a):
    """Upper tail over density of the standard normal at `a`; capped at 1e300, which is reached
    below a = −30 by rule.
    """
    if a >= _FAR:
        return _mills_series(a)
    if a <= -_FAR:
        return 1e300
    return _SQRT_HALF_PI * math.exp(0.5 * a * a) * math.erfc(a * _SQRT_HALF)


@helper
def _near_excess(a, upper, v):
    """w − a where the standard normal w has upper tail v·upper, upper = Q(a)."""
    p = v * upper
    return max(0.0, -normal_quantile(p) - a) if p < 1.0 else 0.0


@helper
def _far_excess(a, v):
    """The same for a >= 30, where the tail is nearly exponential: w²/2 = a²/2 − log v +
    log(M(w)/M(a)), M the Mills ratio.
    """
    start = _mills_series(a)
    cost = -math.log(v)
    excess = cost / a
    for _ in range(4):  # contracts by about 1/a² per round
        balance = cost + math.log(_mills_series(a + excess) / start)
        excess = 2.0 * balance / (a + math.sqrt(a * a + 2.0 * balance))
    return max(0.0, excess)


@helper
def tail_excess(a, v):
    """w − a for a standard normal w conditioned on w > a, at survival v in (0, 1]."""
    return _near_excess(a, 0.5 * math.erfc(a * _SQRT_HALF), v) if a < _FAR else _far_excess(a, v)


@helper
def _survival(u, odds):
    """(half, v): −1 or 1 for the half line that `u` falls into, and the survival within it, counted
    outwards from 0.

    odds: P(r < 0) / P(r > 0).
    """
    p_above = 1.0 / (1.0 + odds)
    p_below = odds / (1.0 + odds)  # not odds · p_above, which may round below a certain 1
    if u < p_below:
        return -1.0, max(u / p_below, _HALF_GRID)
    return 1.0, min(1.0, max((1.0 - u) / p_above, _HALF_GRID))


@helper
def _conditional_near(u, above, below):
    """laplace_conditional in units of its sd, both |above| and |below| under 30."""
    upper_above = 0.5 * math.erfc(above * _SQRT_HALF)
    upper_below = 0.5 * math.erfc(below * _SQRT_HALF)
    odds = upper_below / upper_above * math.exp(0.5 * (below - above) * (below + above))
    half, v = _survival(u, odds)
    a = below if half < 0.0 else above
    upper = upper_below if half < 0.0 else upper_above
    return half * _near_excess(a, upper, v)


@helper
def _conditional_far(u, above, below):
    """laplace_conditional in units of its sd, anywhere."""
    mass_above = mills_ratio(above)
    mass_below = mills_ratio(below)
    half, v = _survival(u, mass_below / mass_above)
    return half * tail_excess(below if half < 0.0 else above, v)


@helper
def laplace_conditional(u, g, root_precision, inverse_scale):
    """The draw r of exp(−G r²/2 + g r − |r|/b) at distribution function `u` in (0, 1).

    root_precision is √G, bounded away from 0 by the caller; inverse_scale is 1/b. Survival is
    counted outwards from 0, so both tails keep full resolution; half a grid step of `u` bounds the
    logarithms.
    """
    above = (
        inverse_scale - g
    ) / root_precision  # where 0 lies in the half normal of r > 0, in its sd
    below = (inverse_scale + g) / root_precision
    if max(above, below) < _FAR:  # then both are above −30 too, for their sum is positive
        return _conditional_near(u, above, below) / root_precision
    return _conditional_far(u, above, below) / root_precision


@helper
def _streams(key, stimulus, chain, seeds, gammas):
    """Seeds and increments of one chain, one stream per coordinate; the counter within a stream is
    the sweep, 0 the start.
    """
    for i in range(seeds.size):
        seeds[i], gammas[i] = stream(key, i, stimulus, chain, STREAM_LAYER)


@helper
def _refresh(linear, gram, r, field):
    """field = linear − gram r, coordinate by coordinate, in the order of the reference
    implementation.
    """
    for k in range(
        r.size
    ):  # a slice assignment would compile a check of shapes, with its message, for seconds
        field[k] = linear[k]
    for j in range(r.size):
        for k in range(r.size):
            field[k] -= gram[j, k] * r[j]


@helper
def _update(i, u, gram, root, inverse_scale, r, field):
    """Draw coordinate i anew and carry the change into the field."""
    new = laplace_conditional(u, field[i] + gram[i, i] * r[i], root[i], inverse_scale)
    change = new - r[i]
    r[i] = new
    for k in range(r.size):
        field[k] -= gram[i, k] * change


@helper
def _run_chain(streams, linear, law, r, field, schedule, kept):
    """All sweeps of a schedule of one chain; `kept` (draw, neuron) takes every thin-th after
    burn_in.

    streams: seeds and increments (neuron,) each; linear, r, field: (neuron,).
    """
    seeds, gammas = streams
    gram, root, inverse_scale = law
    first_sweep, sweeps, burn_in, thin = schedule
    for sweep in range(first_sweep, first_sweep + sweeps):
        if sweep % REFRESH_SWEEPS == 0:
            _refresh(linear, gram, r, field)
        for i in range(r.size):
            u = uniform(word(seeds[i], gammas[i], sweep))
            _update(i, u, gram, root, inverse_scale, r, field)
        done = sweep - burn_in
        if done > 0 and done % thin == 0 and done // thin <= kept.shape[0]:
            kept[done // thin - 1, :] = r


@helper
def root_precisions(gram, inverse_scale):
    """√G_ii, at least 1e-12/b: a silent coordinate then follows its Laplace prior to machine
    precision.
    """
    root = np.empty(gram.shape[0])
    for i in range(root.size):
        root[i] = max(math.sqrt(gram[i, i]), 1e-12 * inverse_scale)
    return root


@kernel
def gibbs_start(chains, posterior):
    """Over-dispersed starts: draws of the Laplace prior into the chains' states, and the fields
    that belong to them.
    """
    state = chains.state
    field = chains.field
    of_a_stimulus = state.shape[1]
    neurons = state.shape[2]
    for task in prange(state.shape[0] * of_a_stimulus):
        s = task // of_a_stimulus
        c = task % of_a_stimulus
        seeds = np.empty(neurons, np.uint64)
        gammas = np.empty(neurons, np.uint64)
        _streams(chains.key, chains.stimuli[s], c, seeds, gammas)
        for i in range(neurons):
            u = uniform(word(seeds[i], gammas[i], 0))
            size = -math.log(max(2.0 * min(u, 1.0 - u), _HALF_GRID)) / posterior.inverse_scale
            state[s, c, i] = size if u > 0.5 else -size
        _refresh(posterior.linear[s], posterior.gram, state[s, c], field[s, c])


@kernel
def gibbs_sweeps(chains, posterior, schedule, draws):
    """Run all sweeps of a schedule of every chain, in place.

    draws (stimulus, chain, draw, neuron) float32: sweep burn_in + thin·(d + 1) is written to draw
    d, as far as `draws` reaches. Slicing a run into calls, splitting the stimuli and the number of
    threads change no bit.
    """
    state = chains.state
    field = chains.field
    of_a_stimulus = state.shape[1]
    neurons = state.shape[2]
    linear, gram, inverse_scale = posterior
    law = _Conditionals(gram, root_precisions(gram, inverse_scale), inverse_scale)
    for task in prange(state.shape[0] * of_a_stimulus):
        s = task // of_a_stimulus
        c = task % of_a_stimulus
        seeds = np.empty(neurons, np.uint64)
        gammas = np.empty(neurons, np.uint64)
        _streams(chains.key, chains.stimuli[s], c, seeds, gammas)
        streams = seeds, gammas
        _run_chain(streams, linear[s], law, state[s, c], field[s, c], schedule, draws[s, c])
