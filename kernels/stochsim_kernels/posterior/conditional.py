"""Draws of exp(−G r²/2 + g r − |r|/b), one of each of LANES chains at once: two halves of normals
that meet at 0.

A draw is the inverse of that distribution function at one uniform. In units of its standard
deviation 1/√G each half is a normal beyond an edge, at (1/b − g)/√G for r > 0 and at (1/b + g)/√G
for r < 0. M below is Mills' ratio, the upper tail over the density. The larger of the two edges
is positive, so masses are M of it times the density at the other where that is negative, and no
tail is lost by underflow; survival is counted outwards from 0, so both tails keep full resolution.

Every function runs over lanes in loops without calls and branches, which the compiler turns into
vectors, in stages short enough for the processor to overlap. The elementary functions are
therefore our own, right to a few units in the last place; no draw depends on the other lanes.
"""

import math
from typing import NamedTuple

import numpy as np

from stochsim_kernels._jit import helper, inline
from stochsim_kernels.random.normal import CENTRE, quantile_centre, quantile_far_tail, quantile_tail

LANES = 32
HALF_GRID = 2.0**-53
"""Half a step of a uniform of 52 bits: the least survival, which bounds the logarithms."""

_FAR = 26.0  # beyond this edge the tail is found by its exponential form, not as a quantile
_DENSITY_AT_0 = 1.0 / math.sqrt(2.0 * math.pi)
_LOG2_E = 1.0 / math.log(2.0)
_LN2_HIGH = 6.93147180369123816490e-01  # its low bits are 0: n times it is exact
_LN2_LOW = 1.90821492927058770002e-10
_ROOT_HALF_BITS = np.int64(0x3FE6A09E667F3BCD)  # of √½
# (t + 4) M(t) as a polynomial in 1 - 8/(t + 4), 0 <= t: interpolation at Chebyshev nodes, error
# 2.4e-14
_M = (
    1.8932190633084487, -1.5237709108199775, 0.9704095548749293, -0.46754096299947756,
    0.15139176206857802, -0.01890045082425184, -0.008722292113322802, 0.004087855204933565,
    3.3422365827887355e-4, -5.792662348929062e-4, -4.702656760127654e-6, 8.808440793495444e-5,
    1.6048370169546511e-6, -1.4818005668369741e-5, -1.2900159934137676e-6, 2.534227627527154e-6,
    4.076232058467936e-7, -3.7263318865277853e-7, -5.695340941848114e-8, 3.304596647472275e-8,
)  # fmt: skip


class Lanes(NamedTuple):
    """Working memory of the stages: float64 (LANES,) each.

    far, near: the larger edge and the smaller one; mills_far, mills_near: M of their magnitudes;
    density: of the normal at the smaller; side: −1 or 1 for the half that was chosen, edge and
    survival: its own; tail: the upper tail of the normal at the draw; root: √(−log) of the smaller
    tail.
    """

    far: np.ndarray
    near: np.ndarray
    mills_far: np.ndarray
    mills_near: np.ndarray
    density: np.ndarray
    side: np.ndarray
    edge: np.ndarray
    survival: np.ndarray
    tail: np.ndarray
    root: np.ndarray


@helper
def working_lanes(lanes):
    """`Lanes` of so many."""
    w = np.empty((10, lanes))
    return Lanes(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9])


@helper
def _cubic(c0, c1, c2, c3, x, x2):
    return (c0 + c1 * x) + (c2 + c3 * x) * x2


@helper
def exp_of_negative(x):
    """exp(x) for x <= 0, exp(−700) below: Taylor's series of the rest after whole powers of 2."""
    x = max(x, -700.0)
    n = math.floor(x * _LOG2_E + 0.5)
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    r2 = r * r
    r4 = r2 * r2
    high = _cubic(1 / 40320, 1 / 362880, 1 / 3628800, 1 / 39916800, r, r2) + r4 / 479001600
    series = _cubic(1.0, 1.0, 1 / 2, 1 / 6, r, r2) + r4 * (
        _cubic(1 / 24, 1 / 120, 1 / 720, 1 / 5040, r, r2) + r4 * high
    )
    return series * np.int64((np.int64(n) + 1023) << 52).view(np.float64)


@helper
def log_of_positive(x):
    """log(x) of a normal number: n log 2 + 2 atanh((m − 1)/(m + 1)) of m from √½ to √2."""
    bits = np.float64(x).view(np.int64)
    n = (bits - _ROOT_HALF_BITS) >> 52
    m = np.int64(bits - (n << 52)).view(np.float64)
    s = np.divide(m - 1.0, m + 1.0)
    q = s * s
    q2 = q * q
    q4 = q2 * q2
    series = _cubic(1.0, 1 / 3, 1 / 5, 1 / 7, q, q2) + q4 * (
        _cubic(1 / 9, 1 / 11, 1 / 13, 1 / 15, q, q2) + q4 * (1 / 17 + q * (1 / 19))
    )
    return n * 0.6931471805599453 + 2.0 * s * series


@helper
def mills_ratio(t):
    """Upper tail over density of the standard normal at t >= 0."""
    w = np.divide(1.0, t + 4.0)
    y = 1.0 - 8.0 * w
    y2 = y * y
    y4 = y2 * y2
    series = _cubic(_M[16], _M[17], _M[18], _M[19], y, y2)
    series = _cubic(_M[12], _M[13], _M[14], _M[15], y, y2) + y4 * series
    series = _cubic(_M[8], _M[9], _M[10], _M[11], y, y2) + y4 * series
    series = _cubic(_M[4], _M[5], _M[6], _M[7], y, y2) + y4 * series
    return w * (_cubic(_M[0], _M[1], _M[2], _M[3], y, y2) + y4 * series)


@helper
def _find_edges(g, rate, inverse_scale, far, near, density):
    for lane in range(g.size):
        above = (inverse_scale - g[lane]) * rate
        below = (inverse_scale + g[lane]) * rate
        far[lane] = max(above, below)
        near[lane] = min(above, below)
        density[lane] = _DENSITY_AT_0 * exp_of_negative(-0.5 * near[lane] * near[lane])


@helper
def _find_mills_ratios(t, out):
    for lane in range(t.size):
        out[lane] = mills_ratio(abs(t[lane]))


@helper
def _choose_halves(u, g, w):
    """Side, edge, survival and tail of the half into which u falls; masses are relative to each
    other.
    """
    far, near, mills_far, mills_near, density, side, edge, survival, tail, _ = w
    for lane in range(u.size):
        tail_near = mills_near[lane] * density[lane]
        inside = near[lane] < 0.0  # the mode of that half lies inside it
        tail_near = 1.0 - tail_near if inside else tail_near
        mass_near = tail_near if inside else mills_near[lane]
        mass_far = mills_far[lane] * density[lane] if inside else mills_far[lane]
        near_is_above = g[lane] > 0.0
        mass_below = mass_far if near_is_above else mass_near
        mass_above = mass_near if near_is_above else mass_far
        total = mass_below + mass_above
        is_below = u[lane] * total < mass_below
        outwards = u[lane] if is_below else 1.0 - u[lane]
        kept = np.divide(outwards * total, mass_below if is_below else mass_above)
        kept = min(1.0, max(kept, HALF_GRID))
        is_near = is_below != near_is_above
        tail_far = mills_far[lane] * _DENSITY_AT_0 * exp_of_negative(-0.5 * far[lane] * far[lane])
        side[lane] = -1.0 if is_below else 1.0
        edge[lane] = near[lane] if is_near else far[lane]
        survival[lane] = kept
        tail[lane] = kept * (tail_near if is_near else tail_far)


@helper
def _find_roots(tail, root):
    for lane in range(tail.size):
        root[lane] = math.sqrt(-log_of_positive(min(tail[lane], 1.0 - tail[lane])))


@helper
def _excess_by_quantiles(tail, root, edge, out):
    """How far the normal lies beyond the edge, where its upper tail is `tail`."""
    for lane in range(tail.size):
        q = 0.5 - tail[lane]
        centre = quantile_centre(q)
        tail_size = quantile_tail(root[lane])
        far_size = quantile_far_tail(root[lane])
        size = far_size if root[lane] > 5.0 else tail_size
        size = size if q > 0.0 else -size
        found = centre if abs(q) <= CENTRE else size
        out[lane] = max(0.0, found - edge[lane]) if tail[lane] < 1.0 else 0.0


@inline
def _excess_of(balance, a):
    """e with (a + e)²/2 = a²/2 + balance."""
    return np.divide(2.0 * balance, a + math.sqrt(a * a + 2.0 * balance))


@inline
def _improved(excess, a, mills_of_a, cost):
    """One round of the fixed point below, which gains a factor of about 1/a²."""
    ratio = np.divide(mills_ratio(a + excess), mills_of_a)
    return _excess_of(max(0.0, cost + log_of_positive(ratio)), a)


@helper
def _excess_by_exponential(survival, edge, out):
    """The same where the edge is beyond _FAR and the tail nearly exponential: w²/2 = a²/2 − log v +
    log(M(w)/M(a)) for edge a and survival v.
    """
    for lane in range(edge.size):
        a = max(edge[lane], _FAR)
        cost = -log_of_positive(survival[lane])
        mills_of_a = mills_ratio(a)
        excess = _improved(_excess_of(cost, a), a, mills_of_a, cost)
        excess = _improved(excess, a, mills_of_a, cost)
        excess = _improved(excess, a, mills_of_a, cost)
        out[lane] = excess if edge[lane] > _FAR else out[lane]


@helper
def draw_lanes(u, g, root_precision, inverse_scale, w, out):
    """Write the draws at distribution function u to out, all (lane,) float64; u in (0, 1).

    root_precision is √G, bounded away from 0 by the caller; inverse_scale is 1/b; w: `Lanes` of as
    many lanes, for working in.
    """
    rate = 1.0 / root_precision
    _find_edges(g, rate, inverse_scale, w.far, w.near, w.density)
    _find_mills_ratios(w.far, w.mills_far)
    _find_mills_ratios(w.near, w.mills_near)
    _choose_halves(u, g, w)
    beyond = 0
    for lane in range(u.size):
        beyond += 1 if w.edge[lane] > _FAR else 0
    if beyond < u.size:
        _find_roots(w.tail, w.root)
        _excess_by_quantiles(w.tail, w.root, w.edge, out)
    if beyond > 0:
        _excess_by_exponential(w.survival, w.edge, out)
    for lane in range(u.size):
        out[lane] *= w.side[lane] * rate
