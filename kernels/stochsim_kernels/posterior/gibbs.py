"""Gibbs sampling of a Laplace posterior, p(r | x) ∝ exp(−‖x − A r‖² / (2 s²) − Σ|r| / b), one
coordinate after the other.

Given the others, coordinate i follows exp(−G r²/2 + g r − |r|/b) with G = ‖a_i‖²/s² and g = a_iᵀ(x
− Σ_{j≠i} a_j r_j)/s²: two halves of normals that meet at 0. A draw is the inverse of that
distribution function at one 52-bit uniform, a pure function of (key, stimulus, chain, sweep,
coordinate). Order of the file: scalar maths, one conditional draw, one chain, many chains.
"""

import math

import numpy as np
from numba import prange

from stochsim_kernels._jit import helper, kernel
from stochsim_kernels.random.counter_rng import stream, uniform, word

REFRESH_SWEEPS = 64
"""The running field is computed afresh at every sweep divisible by this, against the drift of
rounding.
"""

STREAM_LAYER = 0x6B5
"""The `layer` word of the counters, so that a chip under the same key uses other streams."""

_FAR = 30.0
CENTRE = 0.425
_HALF_GRID = 2.0**-53
_SQRT_HALF = math.sqrt(0.5)
_SQRT_HALF_PI = math.sqrt(0.5 * math.pi)


@helper
def quantile_centre(q):
    """AS 241's rational function for |q| = |p − 0.5| <= CENTRE."""
    z = 0.180625 - q * q
    top = 6.7265770927008700853e4 + z * (3.3430575583588128105e4 + z * 2.5090809287301226727e3)
    top = 1.9715909503065514427e3 + z * (
        1.3731693765509461125e4 + z * (4.5921953931549871457e4 + z * top)
    )
    top = 3.3871328727963666080e0 + z * (1.3314166789178437745e2 + z * top)
    low = 3.9307895800092710610e4 + z * (2.8729085735721942674e4 + z * 5.2264952788528545610e3)
    low = 6.8718700749205790830e2 + z * (
        5.3941960214247511077e3 + z * (2.1213794301586595867e4 + z * low)
    )
    return np.divide(
        q * top, 1.0 + z * (4.2313330701600911252e1 + z * low)
    )  # without a test for 0, so that loops run on vectors


@helper
def quantile_tail(z):
    """AS 241's rational function for z = sqrt(−log p) <= 5, p the smaller tail."""
    z -= 1.6
    top = 2.41780725177450611770e-1 + z * (
        2.27238449892691845833e-2 + z * 7.74545014278341407640e-4
    )
    top = 5.76949722146069140550e0 + z * (
        3.64784832476320460504e0 + z * (1.27045825245236838258e0 + z * top)
    )
    top = 1.42343711074968357734e0 + z * (4.63033784615654529590e0 + z * top)
    low = 1.51986665636164571966e-2 + z * (
        5.47593808499534494600e-4 + z * 1.05075007164441684324e-9
    )
    low = 1.67638483018380384940e0 + z * (
        6.89767334985100004550e-1 + z * (1.48103976427480074590e-1 + z * low)
    )
    return np.divide(top, 1.0 + z * (2.05319162663775882187e0 + z * low))


@helper
def _quantile_far_tail(z):
    """AS 241's rational function for z = sqrt(−log p) > 5, p the smaller tail."""
    z -= 5.0
    top = 1.24266094738807843860e-3 + z * (
        2.71155556874348757815e-5 + z * 2.01033439929228813265e-7
    )
    top = 1.78482653991729133580e0 + z * (
        2.96560571828504891230e-1 + z * (2.65321895265761230930e-2 + z * top)
    )
    top = 6.65790464350110377720e0 + z * (5.46378491116411436990e0 + z * top)
    low = 1.84631831751005468180e-5 + z * (
        1.42151175831644588870e-7 + z * 2.04426310338993978564e-15
    )
    low = 1.36929880922735805310e-1 + z * (
        1.48753612908506148525e-2 + z * (7.86869131145613259100e-4 + z * low)
    )
    return top / (1.0 + z * (5.99832206555887937690e-1 + z * low))


@helper
def normal_quantile(p):
    """The standard normal quantile of p in (0, 1), relative error about 1e-16: Wichura, Algorithm
    AS 241, PPND16 (1988).
    """
    q = p - 0.5
    if abs(q) <= CENTRE:
        return quantile_centre(q)
    z = math.sqrt(-math.log(min(p, 1.0 - p)))
    tail = quantile_tail(z) if z <= 5.0 else _quantile_far_tail(z)
    return -tail if q < 0.0 else tail


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
    start, cost = _mills_series(a), -math.log(v)
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
    upper_above, upper_below = (
        0.5 * math.erfc(above * _SQRT_HALF),
        0.5 * math.erfc(below * _SQRT_HALF),
    )
    odds = upper_below / upper_above * math.exp(0.5 * (below - above) * (below + above))
    half, v = _survival(u, odds)
    a = below if half < 0.0 else above
    upper = upper_below if half < 0.0 else upper_above
    return half * _near_excess(a, upper, v)


@helper
def _conditional_far(u, above, below):
    """laplace_conditional in units of its sd, anywhere."""
    mass_above, mass_below = mills_ratio(above), mills_ratio(below)
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
def _run_chain(
    seeds,
    gammas,
    linear,
    gram,
    root,
    inverse_scale,
    r,
    field,
    first_sweep,
    sweeps,
    burn_in,
    thin,
    kept,
):
    """Sweeps first_sweep … first_sweep + sweeps − 1 of one chain; `kept` (draw, neuron) takes every
    thin-th after burn_in.
    """
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
def gibbs_start(key, stimuli, linear, gram, inverse_scale, state, field):
    """Over-dispersed starts: draws of the Laplace prior into `state`, and the field that belongs to
    them.

    key: uint64. stimuli (stimulus,) int64: the numbers under which the stimuli are keyed. linear
    (stimulus, neuron) = Aᵀx/s². gram (neuron, neuron) = AᵀA/s². inverse_scale: 1/b. state, field
    (stimulus, chain, neuron): written.
    """
    chains, neurons = state.shape[1], state.shape[2]
    for task in prange(state.shape[0] * chains):
        s, c = task // chains, task % chains
        seeds, gammas = np.empty(neurons, np.uint64), np.empty(neurons, np.uint64)
        _streams(key, stimuli[s], c, seeds, gammas)
        for i in range(neurons):
            u = uniform(word(seeds[i], gammas[i], 0))
            size = -math.log(max(2.0 * min(u, 1.0 - u), _HALF_GRID)) / inverse_scale
            state[s, c, i] = size if u > 0.5 else -size
        _refresh(linear[s], gram, state[s, c], field[s, c])


@kernel
def gibbs_sweeps(
    key,
    stimuli,
    linear,
    gram,
    inverse_scale,
    state,
    field,
    first_sweep,
    sweeps,
    burn_in,
    thin,
    draws,
):
    """Run `sweeps` sweeps of every chain from sweep `first_sweep` (the first of all is 1), in
    place; arguments as gibbs_start.

    draws (stimulus, chain, draw, neuron) float32: sweep burn_in + thin·(d + 1) is written to draw
    d, as far as `draws` reaches. Slicing a run into calls, splitting the stimuli and the number of
    threads change no bit.
    """
    chains, neurons = state.shape[1], state.shape[2]
    root = root_precisions(gram, inverse_scale)
    for task in prange(state.shape[0] * chains):
        s, c = task // chains, task % chains
        seeds, gammas = np.empty(neurons, np.uint64), np.empty(neurons, np.uint64)
        _streams(key, stimuli[s], c, seeds, gammas)
        _run_chain(
            seeds,
            gammas,
            linear[s],
            gram,
            root,
            inverse_scale,
            state[s, c],
            field[s, c],
            first_sweep,
            sweeps,
            burn_in,
            thin,
            draws[s, c],
        )
