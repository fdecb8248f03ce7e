"""A noisy neuron as thresholds: P(code < k | drive), exactly, as integers.

    a~ = a + sigma xi,    code = clip(round((f(a~) - z) / step), c_min, c_max)

f is monotone and the code takes `levels` values, so P(code < k | a) = F((f^-1(edge_k) - a) / sigma) for the levels - 1 edges. A
probability p is kept as the integer round(p 2^31) in [0, 2^31]: with a 31-bit random integer u, "u >= threshold" has probability
1 - p, and p = 0 and p = 1 are exact.
"""

import math

import numpy as np
from numba import prange

from stochsim_kernels._jit import helper, inline, kernel

GAUSSIAN, LOGISTIC, UNIFORM = 0, 1, 2
FAMILIES = {"gaussian": GAUSSIAN, "logistic": LOGISTIC, "uniform": UNIFORM}
IDENTITY, RELU, TANH, STEP = 0, 1, 2, 3
ACTIVATIONS = {"identity": IDENTITY, "relu": RELU, "tanh": TANH, "step": STEP}

ONE = 2147483648.0  # 2^31: probability 1
_LOGISTIC_SCALE = math.sqrt(3.0) / math.pi  # of a logistic variable with unit variance
_UNIFORM_HALF = math.sqrt(3.0)  # half width of a uniform variable with unit variance
_NEGLIGIBLE = 1e-5  # the smaller of two sigmas below this share of the larger moves no probability of a smooth law by 1e-10
_NEGLIGIBLE_BESIDE_UNIFORM = 1e-10  # at the uniform's kinks the effect is linear in the share


def inverse_edges(activation: int, z: float, step: float, c_min: int, levels: int) -> np.ndarray:
    """f^-1(e) = inf{a : f(a) >= e} of the levels - 1 edges e between neighbouring codes; +-inf where f never or always reaches e."""
    edges = z + (c_min + np.arange(1, levels) - 0.5) * step
    if activation == RELU:
        return np.where(edges <= 0.0, -np.inf, edges)
    if activation == TANH:
        inside = np.abs(edges) < 1.0
        return np.where(inside, np.arctanh(np.where(inside, edges, 0.0)), np.copysign(np.inf, edges))
    if activation == STEP:
        return np.where(edges <= 0.0, -np.inf, np.where(edges <= 1.0, 0.0, np.inf))
    return edges


@inline
def activate(a, activation):
    """f(a)."""
    if activation == RELU:
        return max(a, 0.0)
    if activation == TANH:
        return math.tanh(a)
    if activation == STEP:
        return 1.0 if a >= 0.0 else 0.0
    return a


@inline
def noiseless_index(a, activation, z, step, c_min, levels):
    """Code - c_min without noise. Ties go to the even code, as in torch; with one bit, a drive on the edge gives the upper code."""
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
    return normal_cdf(t)


@inline
def _normal_integral(t):
    """The antiderivative of the normal cdf: t Phi(t) + phi(t)."""
    return t * normal_cdf(t) + math.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi)


@helper
def _gaussian_plus_uniform(t, sigma, other):
    """P(sigma xi + other u < t), closed form: the normal cdf averaged over the uniform's width."""
    half = _UNIFORM_HALF * other
    return sigma / (2.0 * half) * (_normal_integral((t + half) / sigma) - _normal_integral((t - half) / sigma))


@helper
def _gaussian_plus_logistic(t, sigma, other):
    """P(sigma xi + other l < t) by the trapezoid rule over the narrower density: both are analytic, so the error is below 1e-10."""
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
    """P(sigma xi + other eta < t): xi Gaussian, eta of `family`, both of unit variance; at least one of the two sigmas positive."""
    if math.isinf(t):
        return 1.0 if t > 0.0 else 0.0
    if family == GAUSSIAN or other <= _NEGLIGIBLE * sigma:
        return normal_cdf(t / math.hypot(sigma, other))
    if sigma <= (_NEGLIGIBLE_BESIDE_UNIFORM if family == UNIFORM else _NEGLIGIBLE) * other:
        return unit_cdf(t / other, family)
    if family == UNIFORM:
        return _gaussian_plus_uniform(t, sigma, other)
    return _gaussian_plus_logistic(t, sigma, other)


@inline
def _as_threshold(p):
    """round(2^31 p), for p from 0 to 1 (a last place beyond them does not matter)."""
    return np.uint32(np.int64(p * ONE + 0.5))


_FLAT = 6.4  # beyond so many standard deviations Phi is within 2^-32 of 0 or 1
_CELLS = 16  # grid points of the table per standard deviation
_GRID = np.arange(-int(_FLAT * _CELLS) - 1, int(_FLAT * _CELLS) + 2) / _CELLS
_CDF = np.array([0.5 * math.erfc(-t * math.sqrt(0.5)) for t in _GRID])
_DENSITY = np.exp(-0.5 * _GRID**2) / math.sqrt(2.0 * math.pi)
_ORIGIN = _GRID.size // 2


@inline
def tabled_normal_cdf(t):
    """Phi(t) for |t| <= 6.4 within 1e-15: the Taylor series about the nearest grid point, whose derivatives are Hermite polynomials.

    No branch and no call, so a loop over it runs on vectors.
    """
    cell = np.int64(np.floor(t * _CELLS + 0.5))
    t0 = cell / _CELLS
    d = t - t0
    square = t0 * t0
    h3, h4 = t0 * (square - 3.0), square * (square - 6.0) + 3.0
    h5, h6 = t0 * (square * (square - 10.0) + 15.0), square * (square * (square - 15.0) + 45.0) - 15.0
    high = d * d * d * (-h3 / 24.0 + d * (h4 / 120.0 + d * (-h5 / 720.0 + d * (h6 / 5040.0))))
    series = d * (1.0 + d * (-0.5 * t0 + d * ((square - 1.0) / 6.0)) + high)
    at = np.uint64(cell + _ORIGIN)  # unsigned: no test for an index counted from the end
    return _CDF[at] + _DENSITY[at] * series


@helper
def _fill_gaussian(drive, rate, edges, out):
    """Thresholds (levels - 1, neuron) of one stimulus under Gaussian noise; rate: (neuron,), 1 / sigma."""
    for k in range(edges.size):
        for n in range(drive.size):
            t = min(max((edges[k] - drive[n]) * rate[n], -_FLAT), _FLAT)
            out[k, n] = _as_threshold(tabled_normal_cdf(t))


@kernel
def fill_thresholds(drive, sigma, other, family, activation, edges, z, step, c_min, out):
    """Write round(P(code < k | drive) 2^31) to out (stimulus, levels - 1, neuron), uint32.

    drive, sigma, other: (stimulus, neuron) float64; edges: (levels - 1,) from `inverse_edges`. Where both sigmas are 0 the code is
    certain: every threshold is 0 or 2^31.
    """
    levels, neurons = edges.size + 1, drive.shape[1]
    for s in prange(drive.shape[0]):
        rate = np.ones(neurons)
        for n in range(neurons):
            if (family == GAUSSIAN and other[s, n] > 0.0) or sigma[s, n] > 0.0:
                rate[n] = 1.0 / math.hypot(sigma[s, n], other[s, n])
        _fill_gaussian(drive[s], rate, edges, out[s])
        for n in range(neurons):  # the exceptions: no noise, or noise that is not Gaussian
            a, sig, oth = drive[s, n], sigma[s, n], other[s, n]
            if sig == 0.0 and oth == 0.0:
                index = noiseless_index(a, activation, z, step, c_min, levels)
                for k in range(levels - 1):
                    out[s, k, n] = np.uint32(0) if k < index else np.uint32(2147483648)
            elif family != GAUSSIAN and oth > _NEGLIGIBLE * sig:
                for k in range(levels - 1):
                    out[s, k, n] = _as_threshold(noise_cdf(edges[k] - a, sig, oth, family))
