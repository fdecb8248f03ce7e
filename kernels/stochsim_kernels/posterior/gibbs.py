"""Gibbs sampling of a Laplace posterior, p(r | x) ∝ exp(−‖x − A r‖² / (2 s²) − Σ|r| / b), one
coordinate after the other.

Given the others, coordinate i follows exp(−G r²/2 + g r − |r|/b) with G = ‖a_i‖²/s² and g = a_iᵀ(x
− Σ_{j≠i} a_j r_j)/s². A draw is the inverse of that distribution function (`conditional`) at one
52-bit uniform, a pure function of (key, stimulus, chain, sweep, coordinate). LANES chains, of any
stimuli, go on side by side, so that all arithmetic runs on vectors; none depends on another.
"""

import math
from typing import NamedTuple

import numpy as np

from stochsim_kernels._jit import helper, inline, kernel
from stochsim_kernels.posterior.conditional import HALF_GRID, LANES, draw_lanes, working_lanes
from stochsim_kernels.random.counter_rng import stream, uniform, word
from stochsim_kernels.tasks import run_tasks

REFRESH_SWEEPS = 64
"""The running field is computed afresh at every sweep divisible by this, against the drift of
rounding.
"""

STREAM_LAYER = np.int64(0x6B5)  # a plain integer would compile `stream` for itself
"""The `layer` word of the counters, so that a chip under the same key uses other streams."""


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


class _Law(NamedTuple):
    """What the conditional of a coordinate needs, whatever the stimulus: see `root_precisions`."""

    gram: np.ndarray
    root: np.ndarray
    inverse_scale: float


class _Group(NamedTuple):
    """LANES chains, (neuron, lane) each: seeds and increments of their streams, one per coordinate,
    whose counter is the sweep, 0 the start; their linear terms; r, and linear − gram r.
    """

    seeds: np.ndarray
    gammas: np.ndarray
    linear: np.ndarray
    r: np.ndarray
    field: np.ndarray


@inline
def _place(group, lane, chains):
    """(stimulus, chain) of a lane; lanes behind the last chain hold that one once more, and what
    they find is not kept.
    """
    of_a_stimulus = chains.state.shape[1]
    place = min(group * LANES + lane, chains.state.shape[0] * of_a_stimulus - 1)
    return place // of_a_stimulus, place % of_a_stimulus


@helper
def _groups(chains):
    return (chains.state.shape[0] * chains.state.shape[1] + LANES - 1) // LANES


@helper
def _gather(group, chains, linear):
    """The chains of a group, as they stand."""
    neurons = linear.shape[1]
    seeds = np.empty((neurons, LANES), np.uint64)
    gammas = np.empty((neurons, LANES), np.uint64)
    values = np.empty((3, neurons, LANES))
    for lane in range(LANES):
        s, c = _place(group, lane, chains)
        for i in range(neurons):
            seeds[i, lane], gammas[i, lane] = stream(
                chains.key, i, chains.stimuli[s], c, STREAM_LAYER
            )
            values[0, i, lane] = linear[s, i]
            values[1, i, lane] = chains.state[s, c, i]
            values[2, i, lane] = chains.field[s, c, i]
    return _Group(seeds, gammas, values[0], values[1], values[2])


@helper
def _scatter(group, held, chains):
    """Write r and field back."""
    for lane in range(LANES):
        s, c = _place(group, lane, chains)
        for i in range(held.r.shape[0]):
            chains.state[s, c, i] = held.r[i, lane]
            chains.field[s, c, i] = held.field[i, lane]


@helper
def _refresh(held, gram):
    """field = linear − gram r, coordinate by coordinate, in the order of the reference
    implementation.
    """
    _, _, linear, r, field = held
    neurons, lanes = r.shape
    for k in range(neurons):
        for lane in range(lanes):
            field[k, lane] = linear[k, lane]
    for j in range(neurons):
        for k in range(neurons):
            weight = gram[j, k]
            for lane in range(lanes):
                field[k, lane] -= weight * r[j, lane]


@helper
def _fill_uniforms(seeds, gammas, sweep, u):
    for lane in range(u.size):
        u[lane] = uniform(word(seeds[lane], gammas[lane], sweep))


@helper
def _fill_pulls(r, field, precision, g):
    for lane in range(g.size):
        g[lane] = field[lane] + precision * r[lane]


@helper
def _move(i, gram, new, r, field):
    """Give coordinate i its new values (lane,) and carry the change, which takes their place, into
    the field.
    """
    for lane in range(new.size):
        change = new[lane] - r[i, lane]
        r[i, lane] = new[lane]
        new[lane] = change
    for k in range(gram.size):
        weight = gram[k]
        for lane in range(new.size):
            field[k, lane] -= weight * new[lane]


@helper
def _run_group(group, held, chains, law, schedule, draws):
    """All sweeps of a schedule of one group; `draws` (stimulus, chain, draw, neuron) takes every
    thin-th after burn_in.
    """
    seeds, gammas, _, r, field = held
    gram, root, inverse_scale = law
    first_sweep, sweeps, burn_in, thin = schedule
    u = np.empty(LANES)
    g = np.empty(LANES)
    new = np.empty(LANES)
    working = working_lanes(LANES)
    for sweep in range(first_sweep, first_sweep + sweeps):
        if sweep % REFRESH_SWEEPS == 0:
            _refresh(held, gram)
        for i in range(root.size):
            _fill_uniforms(seeds[i], gammas[i], sweep, u)
            _fill_pulls(r[i], field[i], gram[i, i], g)
            draw_lanes(u, g, root[i], inverse_scale, working, new)
            _move(i, gram[i], new, r, field)
        done = sweep - burn_in
        if done > 0 and done % thin == 0 and done // thin <= draws.shape[2]:
            for lane in range(LANES):
                s, c = _place(group, lane, chains)
                for i in range(root.size):
                    draws[s, c, done // thin - 1, i] = r[i, lane]


@helper
def root_precisions(gram, inverse_scale):
    """√G_ii, at least 1e-12/b: a silent coordinate then follows its Laplace prior to machine
    precision.
    """
    root = np.empty(gram.shape[0])
    for i in range(root.size):
        root[i] = max(math.sqrt(gram[i, i]), 1e-12 * inverse_scale)
    return root


@helper
def _start_group(group, chains, posterior):
    held = _gather(group, chains, posterior.linear)
    for i in range(held.r.shape[0]):
        for lane in range(LANES):
            u = uniform(word(held.seeds[i, lane], held.gammas[i, lane], 0))
            size = -math.log(max(2.0 * min(u, 1.0 - u), HALF_GRID)) / posterior.inverse_scale
            held.r[i, lane] = size if u > 0.5 else -size
    _refresh(held, posterior.gram)
    _scatter(group, held, chains)


@helper
def _advance_group(group, chains, linear, law, schedule, draws):
    held = _gather(group, chains, linear)
    _run_group(group, held, chains, law, schedule, draws)
    _scatter(group, held, chains)


@kernel
def gibbs_start(chains, posterior):
    """Over-dispersed starts: draws of the Laplace prior into the chains' states, and the fields
    that belong to them.
    """
    run_tasks(_start_group, _groups(chains), (chains, posterior))


@kernel
def gibbs_sweeps(chains, posterior, schedule, draws):
    """Run all sweeps of a schedule of every chain, in place.

    draws (stimulus, chain, draw, neuron) float32: sweep burn_in + thin·(d + 1) is written to draw
    d, as far as `draws` reaches. Slicing a run into calls, splitting the stimuli and the number of
    threads change no bit.
    """
    linear, gram, inverse_scale = posterior
    law = _Law(gram, root_precisions(gram, inverse_scale), inverse_scale)
    run_tasks(_advance_group, _groups(chains), (chains, linear, law, schedule, draws))
