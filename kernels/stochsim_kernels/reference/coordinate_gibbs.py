"""The Gibbs kernel in plain NumPy and SciPy, all chains at once: slow, obvious, and the oracle of
its tests.
"""

import numpy as np
from scipy import special

from stochsim_kernels.posterior.gibbs import (
    REFRESH_SWEEPS,
    STREAM_LAYER,
    Chains,
    LaplacePosterior,
)
from stochsim_kernels.random.counter_rng import fill_words

_HALF_GRID = 2.0**-53


def chain_uniforms(key, stimuli, chains, neurons, first_sweep, sweeps):
    """The uniforms of the kernel, (stimulus, chain, neuron, sweep): streams per coordinate, the
    sweep as counter.
    """
    words = np.empty((len(stimuli), chains, neurons, sweeps), np.uint64)
    for s, c, i in np.ndindex(words.shape[:3]):
        fill_words(np.uint64(key), i, stimuli[s], c, STREAM_LAYER, first_sweep, words[s, c, i])
    return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def tail_excess(a, v):
    """w − a for a standard normal w > a at conditional survival v, through log probabilities where
    the tail is far.
    """
    near = -special.ndtri(v * special.ndtr(-a))
    far = -special.ndtri_exp(np.log(v) + special.log_ndtr(-a))
    return np.maximum(0.0, np.where(a > 5.0, far, near) - a)


def laplace_conditional(u, g, root_precision, inverse_scale):
    """Draws of exp(−G r²/2 + g r − |r|/b) at distribution function u; arrays that broadcast."""
    above = (inverse_scale - g) / root_precision
    below = (inverse_scale + g) / root_precision
    log_above = 0.5 * above**2 + special.log_ndtr(-above)
    log_below = 0.5 * below**2 + special.log_ndtr(-below)
    p_below = special.expit(log_below - log_above)
    with np.errstate(
        divide="ignore", invalid="ignore"
    ):  # the half that is not chosen may have no mass
        left = -tail_excess(below, np.clip(u / p_below, _HALF_GRID, 1.0))
        right = tail_excess(
            above, np.clip((1.0 - u) / special.expit(log_above - log_below), _HALF_GRID, 1.0)
        )
    return np.where(u < p_below, left, right) / root_precision


def gibbs_start(
    key: int, stimuli: np.ndarray, posterior: LaplacePosterior, chains: int
) -> tuple[np.ndarray, np.ndarray]:
    """(state, field), each (stimulus, chain, neuron): prior draws and linear − gram r."""
    linear, gram, inverse_scale = posterior
    u = chain_uniforms(key, stimuli, chains, gram.shape[0], 0, 1)[..., 0]
    size = -np.log(np.maximum(2.0 * np.minimum(u, 1.0 - u), _HALF_GRID)) / inverse_scale
    state = np.where(u > 0.5, size, -size)
    return state, linear[:, None, :] - state @ gram


def gibbs_sweeps(
    chains: Chains, posterior: LaplacePosterior, first_sweep: int, sweeps: int
) -> np.ndarray:
    """State after each of the sweeps, (sweep, stimulus, chain, neuron) float64; the arguments are
    left alone.
    """
    linear, gram, inverse_scale = posterior
    state = chains.state.copy()
    field = chains.field.copy()
    of_a_stimulus, neurons = state.shape[1:]
    uniforms = chain_uniforms(
        chains.key, chains.stimuli, of_a_stimulus, neurons, first_sweep, sweeps
    )
    root = np.maximum(np.sqrt(np.diag(gram)), 1e-12 * inverse_scale)
    states = np.empty((sweeps, *state.shape))
    for k in range(sweeps):
        if (first_sweep + k) % REFRESH_SWEEPS == 0:
            field = linear[:, None, :] - state @ gram
        for i in range(gram.shape[0]):
            g = field[..., i] + gram[i, i] * state[..., i]
            new = laplace_conditional(uniforms[..., i, k], g, root[i], inverse_scale)
            field -= gram[i] * (new - state[..., i])[..., None]
            state[..., i] = new
        states[k] = state
    return states
