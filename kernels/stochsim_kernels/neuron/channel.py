"""A noisy neuron as thresholds: P(code < k | drive), exactly, as integers.

    a~ = a + sigma xi,    code = clip(round((f(a~) - z) / step), c_min, c_max)

f is monotone and the code takes `levels` values, so P(code < k | a) = F((f^-1(edge_k) - a) / sigma)
for the levels - 1 edges. A probability p is kept as the integer round(p 2^31) in [0, 2^31]: with a
31-bit random integer u, "u >= threshold" has probability 1 - p, and p = 0 and p = 1 are exact.

Stochastic rounding is uniform noise of sigma = step / sqrt(12): the mean of an unclipped code is
the drive. Triangular dither, the sum of two such, has sigma = step / sqrt(6): the variance is then
the same for every drive too, step^2 / 4.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import prange

from stochsim_kernels._jit import helper, inline, kernel

GAUSSIAN, LOGISTIC, UNIFORM, TRIANGULAR = 0, 1, 2, 3
FAMILIES = {
    "gaussian": GAUSSIAN,
    "logistic": LOGISTIC,
    "uniform": UNIFORM,
    "triangular": TRIANGULAR,
}
IDENTITY, RELU, TANH, STEP, SIGMOID = 0, 1, 2, 3, 4
ACTIVATIONS = {"identity": IDENTITY, "relu": RELU, "tanh": TANH, "step": STEP, "sigmoid": SIGMOID}
RESPONSES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda drive: drive,
    "relu": lambda drive: np.maximum(drive, 0),
    "tanh": np.tanh,
    "step": lambda drive: np.where(drive >= 0, 1.0, 0.0),
    "sigmoid": lambda drive: 1 / (1 + np.exp(-drive)),
}
"""What a neuron of each of ACTIVATIONS gives for drives (any shape), without noise."""

ONE = 2147483648.0  # 2^31: probability 1
_LOGISTIC_SCALE = math.sqrt(3.0) / math.pi  # of a logistic variable with unit variance
_UNIFORM_HALF = math.sqrt(3.0)  # half width of a uniform variable with unit variance
_TRIANGULAR_HALF = math.sqrt(6.0)  # half width of the base of a triangular one
# the smaller of two sigmas below this share of the larger moves no probability of a smooth law by
# 1e-10
_NEGLIGIBLE = 1e-5
_NEGLIGIBLE_BESIDE_UNIFORM = 1e-10  # at the uniform's kinks the effect is linear in the share
# as a Gaussian, a triangular share r moves p by r^4 / 70; the second difference cancels to about
# 1e-16 / r^2
_TRIANGULAR_NEGLIGIBLE = 5e-3


def inverse_edges(activation: int, z: float, step: float, c_min: int, levels: int) -> np.ndarray:
    """f^-1(e) = inf{a : f(a) >= e} of the edges e between neighbouring codes, (levels - 1,)
    float64; +-inf where f never or always reaches e.
    """
    edges = z + (c_min + np.arange(1, levels) - 0.5) * step
    if activation == RELU:
        return np.where(edges <= 0.0, -np.inf, edges)
    if activation == TANH:
        inside = np.abs(edges) < 1.0
        return np.where(
            inside, np.arctanh(np.where(inside, edges, 0.0)), np.copysign(np.inf, edges)
        )
    if activation == STEP:
        return np.where(edges <= 0.0, -np.inf, np.where(edges <= 1.0, 0.0, np.inf))
    if activation == SIGMOID:
        inside = (edges > 0.0) & (edges < 1.0)
        within = np.where(inside, edges, 0.5)
        return np.where(inside, np.log(within / (1.0 - within)), np.copysign(np.inf, edges - 0.5))
    return edges


class NeuronLaw(NamedTuple):
    """The channel of a neuron but for drive and sigmas, as kernels take it; built by `neuron_law`.

    family, activation: numbers of FAMILIES and ACTIVATIONS. edges: (levels - 1,) float64,
    contiguous, in units of the drive, of `inverse_edges`; 256 levels at most. z, step: float64,
    value = z + step code. c_min: the smallest code.
    """

    family: int
    activation: int
    edges: np.ndarray
    z: float
    step: float
    c_min: int


def neuron_law(
    family: int, activation: int, z: float, step: float, c_min: int, levels: int
) -> NeuronLaw:
    """The law of codes c_min … c_min + levels - 1 with values z + step code."""
    edges = np.ascontiguousarray(inverse_edges(activation, z, step, c_min, levels), np.float64)
    return NeuronLaw(int(family), int(activation), edges, float(z), float(step), int(c_min))


@inline
def activate(a, activation):
    """f(a)."""
    if activation == RELU:
        return max(a, 0.0)
    if activation == TANH:
        return math.tanh(a)
    if activation == STEP:
        return 1.0 if a >= 0.0 else 0.0
    if activation == SIGMOID:
        return 1.0 / (1.0 + math.exp(-a)) if a > -700.0 else 0.0
    return a


@inline
def noiseless_index(a, activation, z, step, c_min, levels):
    """Code - c_min without noise.

    Ties go to the even code, as in torch; with one bit, a drive on the edge gives the upper code.
    """
    value = (activate(a, activation) - z) / step
    if levels == 2:
        return 1 if value - c_min >= 0.5 else 0
    return int(min(max(np.rint(value) - c_min, 0.0), levels - 1.0))


@inline
def normal_cdf(t):
    """Cumulative distribution of the standard normal."""
    return 0.5 * math.erfc(-t * math.sqrt(0.5))


@inline
def _logistic_cdf(t):
    return 1.0 / (1.0 + math.exp(-t / _LOGISTIC_SCALE)) if t > -300.0 else 0.0


@helper
def unit_cdf(t, family):
    """Cumulative distribution of a noise family scaled to unit variance."""
    if family == LOGISTIC:
        return _logistic_cdf(t)
    if family == UNIFORM:
        return min(max(0.5 + 0.5 * t / _UNIFORM_HALF, 0.0), 1.0)
    if family == TRIANGULAR:
        tail = 0.5 * max(1.0 - abs(t) / _TRIANGULAR_HALF, 0.0) ** 2
        return tail if t < 0.0 else 1.0 - tail
    return normal_cdf(t)


@inline
def _normal_integral(t):
    """The antiderivative of the normal cdf: t Phi(t) + phi(t)."""
    return t * normal_cdf(t) + math.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi)


@helper
def _gaussian_plus_uniform(t, sigma, other):
    """P(sigma xi + other u < t), closed form: the normal cdf averaged over the uniform's width.

    Computed for -|t|, where the terms are small: far out their difference would lose all its
    digits.
    """
    half = _UNIFORM_HALF * other
    at = -abs(t)
    below = (
        sigma
        / (2.0 * half)
        * (_normal_integral((at + half) / sigma) - _normal_integral((at - half) / sigma))
    )
    return below if t < 0.0 else 1.0 - below


@inline
def _normal_double_integral(t):
    """The antiderivative of `_normal_integral`: ((t^2 + 1) Phi(t) + t phi(t)) / 2."""
    return 0.5 * (normal_cdf(t) + t * _normal_integral(t))


@helper
def _gaussian_plus_triangular(t, sigma, other):
    """P(sigma xi + other v < t), closed form: the triangle is the sum of two uniforms, so the
    normal cdf is averaged twice.

    Computed for -|t|, where the terms are small: their second difference loses fewer digits. A
    narrow triangle is taken for a Gaussian.
    """
    if other <= _TRIANGULAR_NEGLIGIBLE * sigma:
        return normal_cdf(t / math.hypot(sigma, other))
    width = _TRIANGULAR_HALF * other / sigma
    at = -abs(t) / sigma
    second = (
        _normal_double_integral(at + width)
        - 2.0 * _normal_double_integral(at)
        + _normal_double_integral(at - width)
    )
    below = second / width**2
    return below if t < 0.0 else 1.0 - below


@helper
def _gaussian_plus_logistic(t, sigma, other):
    """P(sigma xi + other l < t) by the trapezoid rule over the narrower density: both are analytic,
    so the error is below 1e-10.
    """
    total, weights = 0.0, 0.0
    if sigma <= other:
        for i in range(-40, 41):
            node = 0.2 * i
            weight = math.exp(-0.5 * node * node)
            total += weight * _logistic_cdf((t - sigma * node) / other)
            weights += weight
    else:
        for i in range(-70, 71):
            node = 0.4 * i
            density = math.exp(-abs(node))
            weight = density / (1.0 + density) ** 2
            total += weight * normal_cdf((t - other * _LOGISTIC_SCALE * node) / sigma)
            weights += weight
    return total / weights


@helper
def noise_cdf(t, sigma, other, family):
    """P(sigma xi + other eta < t): xi Gaussian, eta of `family`, both of unit variance; at least
    one of the two sigmas positive.
    """
    if math.isinf(t):
        return 1.0 if t > 0.0 else 0.0
    if family == GAUSSIAN or other <= _NEGLIGIBLE * sigma:
        return normal_cdf(t / math.hypot(sigma, other))
    if sigma <= (_NEGLIGIBLE_BESIDE_UNIFORM if family == UNIFORM else _NEGLIGIBLE) * other:
        return unit_cdf(t / other, family)
    if family == UNIFORM:
        return _gaussian_plus_uniform(t, sigma, other)
    if family == TRIANGULAR:
        return _gaussian_plus_triangular(t, sigma, other)
    return _gaussian_plus_logistic(t, sigma, other)


@inline
def _as_threshold(p):
    """round(2^31 p), for p from 0 to 1 (a last place beyond them does not matter)."""
    return np.uint32(np.int64(p * ONE + 0.5))


_FLAT = 6.4  # standard deviations beyond which Phi is within 2^-32 of 0 or 1
REACH = 8.5  # of the table: Phi is within 1e-17 of 0 or 1 beyond
_CELLS = 16  # grid points of the table per standard deviation
_GRID = np.arange(-int(REACH * _CELLS) - 1, int(REACH * _CELLS) + 2) / _CELLS
_CDF = np.array([0.5 * math.erfc(-t * math.sqrt(0.5)) for t in _GRID])
_DENSITY = np.exp(-0.5 * _GRID**2) / math.sqrt(2.0 * math.pi)
_ORIGIN = _GRID.size // 2


@inline
def tabled_normal_cdf(t):
    """Phi(t) for |t| <= REACH within 1e-15: the Taylor series about the nearest grid point, whose
    derivatives are Hermite polynomials.

    No branch and no call, so a loop over it runs on vectors.
    """
    cell = np.int64(np.floor(t * _CELLS + 0.5))
    t0 = cell / _CELLS
    d = t - t0
    square = t0 * t0
    h3 = t0 * (square - 3.0)
    h4 = square * (square - 6.0) + 3.0
    h5 = t0 * (square * (square - 10.0) + 15.0)
    h6 = square * (square * (square - 15.0) + 45.0) - 15.0
    high = d * d * d * (-h3 / 24.0 + d * (h4 / 120.0 + d * (-h5 / 720.0 + d * (h6 / 5040.0))))
    series = d * (1.0 + d * (-0.5 * t0 + d * ((square - 1.0) / 6.0)) + high)
    at = np.uint64(cell + _ORIGIN)  # unsigned: no test for an index counted from the end
    return _CDF[at] + _DENSITY[at] * series


@helper
def _fill_gaussian(drive, sigma, other, family, edges, out):
    """Thresholds (levels - 1, neuron) of one stimulus as if all noise were Gaussian; drive, sigma,
    other: (neuron,).
    """
    rate = np.ones(drive.size)  # 1 / sigma
    for n in range(drive.size):
        if (family == GAUSSIAN and other[n] > 0.0) or sigma[n] > 0.0:
            rate[n] = 1.0 / math.hypot(sigma[n], other[n])
    for k in range(edges.size):
        for n in range(drive.size):
            t = min(max((edges[k] - drive[n]) * rate[n], -_FLAT), _FLAT)
            out[k, n] = _as_threshold(tabled_normal_cdf(t))


@helper
def _fill_exceptions(drive, sigma, other, law, out):
    """Write the thresholds of neurons without noise, and of those whose noise is not Gaussian, over
    the Gaussian ones.
    """
    family, activation, edges, z, step, c_min = law
    for n in range(drive.size):
        a = drive[n]
        sig = sigma[n]
        oth = other[n]
        if sig == 0.0 and oth == 0.0:
            index = noiseless_index(a, activation, z, step, c_min, edges.size + 1)
            for k in range(edges.size):
                out[k, n] = np.uint32(0) if k < index else np.uint32(2147483648)
        elif family != GAUSSIAN and oth > _NEGLIGIBLE * sig:
            for k in range(edges.size):
                out[k, n] = _as_threshold(noise_cdf(edges[k] - a, sig, oth, family))


@kernel
def fill_thresholds(drive, sigma, other, law, out):
    """Write round(P(code < k | drive) 2^31) to out (stimulus, levels - 1, neuron), uint32.

    drive, sigma, other: (stimulus, neuron) float64; law: a `NeuronLaw`. Where both sigmas are 0 the
    code is certain: every threshold is 0 or 2^31.
    """
    for s in prange(drive.shape[0]):
        _fill_gaussian(drive[s], sigma[s], other[s], law.family, law.edges, out[s])
        _fill_exceptions(drive[s], sigma[s], other[s], law, out[s])
