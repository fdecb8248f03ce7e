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

from stochsim_kernels._jit import helper, inline, kernel
from stochsim_kernels.neuron.normal_cdf import as_threshold
from stochsim_kernels.neuron.simd_cdf import fill_normal_thresholds
from stochsim_kernels.tasks import run_tasks

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
    "sigmoid": lambda drive: (1 + np.tanh(drive / 2)) / 2,  # exp(-drive) overflows
}
"""What a neuron of each of ACTIVATIONS gives for drives (any shape), without noise."""

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
    return _inverse(activation, z + (c_min + np.arange(1, levels) - 0.5) * step)


def _inverse(activation: int, edges: np.ndarray) -> np.ndarray:
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


_EVEN = np.zeros((2, 0))


class NeuronLaw(NamedTuple):
    """The channel of a neuron but for drive and sigmas, as kernels take it; built by `neuron_law`.

    family, activation: numbers of FAMILIES and ACTIVATIONS. edges: (levels - 1,) float64,
    contiguous, in units of the drive, of `inverse_edges`; 256 levels at most. z, step: float64,
    value = z + step code. c_min: the smallest code. uneven: of values that are not evenly spaced,
    (2, levels - 1) float64: the edges in units of the values, and 1 where a value on its edge takes
    the code above; then z and step have no meaning. (2, 0) otherwise.
    """

    family: int
    activation: int
    edges: np.ndarray
    z: float
    step: float
    c_min: int
    uneven: np.ndarray = _EVEN


def neuron_law(
    family: int, activation: int, z: float, step: float, c_min: int, levels: int
) -> NeuronLaw:
    """The law of codes c_min … c_min + levels - 1 with values z + step code."""
    edges = np.ascontiguousarray(inverse_edges(activation, z, step, c_min, levels), np.float64)
    return NeuronLaw(int(family), int(activation), edges, float(z), float(step), int(c_min))


def uneven_law(
    family: int, activation: int, edges: np.ndarray, ties: np.ndarray, c_min: int
) -> NeuronLaw:
    """The law of codes c_min … c_min + edges.size, between whose values stand `edges` (edge,),
    ascending; a value on an edge takes the code above where `ties` (edge,) is true.

    Edges are filled up to 2^b - 1 of them by ones that no drive reaches.
    """
    missing = (1 << int(edges.size).bit_length()) - 1 - edges.size
    on_values = np.append(np.asarray(edges, np.float64), np.full(missing, np.inf))
    above = np.append(np.asarray(ties, np.float64), np.zeros(missing))
    passed = on_values
    if activation in (RELU, STEP):  # a response on an edge has a probability
        passed = np.where(above > 0, on_values, np.nextafter(on_values, np.inf))
    inverse = np.ascontiguousarray(_inverse(int(activation), passed))
    uneven = np.stack([on_values, above])
    return NeuronLaw(int(family), int(activation), inverse, 0.0, 1.0, int(c_min), uneven)


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


@helper
def _uneven_index(value, uneven):
    """How many edges a value has passed, by bisection."""
    low = 0
    high = uneven.shape[1]
    while low < high:
        k = (low + high) // 2
        edge = uneven[0, k]
        if value > edge or (value == edge and uneven[1, k] != 0.0):
            low = k + 1
        else:
            high = k
    return low


@helper
def noiseless_index(a, law):
    """Code - c_min without noise.

    Ties of evenly spaced values go to the even code, as in torch; with one bit, a drive on the edge
    gives the upper code.
    """
    response = activate(a, law.activation)
    if law.uneven.shape[1] > 0:
        return _uneven_index(response, law.uneven)
    value = (response - law.z) / law.step
    if law.edges.size == 1:
        return 1 if value - law.c_min >= 0.5 else 0
    return int(min(max(np.rint(value) - law.c_min, 0.0), np.float64(law.edges.size)))


@inline
def is_placed(law):
    """Whether codes are found by the place of drive plus noise among evenly spaced edges."""
    return (
        law.family == GAUSSIAN
        and (law.activation == IDENTITY or law.activation == RELU)
        and law.uneven.shape[1] == 0
    )


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


@helper
def _fill_gaussian(drive, sigma, other, family, edges, out):
    """Thresholds (levels - 1, neuron) of one stimulus as if all noise were Gaussian; drive, sigma,
    other: (neuron,).
    """
    rate = np.empty(drive.size)  # 1 / sigma, 1 where there is none
    for n in range(drive.size):
        rate[n] = np.divide(1.0, sigma[n] if sigma[n] > 0.0 else 1.0)
    for n in range(drive.size):
        if other[n] > 0.0 and (family == GAUSSIAN or sigma[n] > 0.0):
            rate[n] = 1.0 / math.hypot(sigma[n], other[n])
    fill_normal_thresholds(edges, drive, rate, out)


@helper
def _fill_exceptions(drive, sigma, other, law, out):
    """Write the thresholds of neurons without noise, and of those whose noise is not Gaussian, over
    the Gaussian ones.
    """
    family = law.family
    edges = law.edges
    silent = np.int64(0)
    for n in range(drive.size):
        silent += np.int64(sigma[n] == 0.0) & np.int64(other[n] == 0.0)
    if family == GAUSSIAN and silent == 0:
        return
    for n in range(drive.size):
        a = drive[n]
        sig = sigma[n]
        oth = other[n]
        if sig == 0.0 and oth == 0.0:
            index = noiseless_index(a, law)
            for k in range(edges.size):
                out[k, n] = np.uint32(0) if k < index else np.uint32(2147483648)
        elif family != GAUSSIAN and oth > _NEGLIGIBLE * sig:
            for k in range(edges.size):
                out[k, n] = as_threshold(noise_cdf(edges[k] - a, sig, oth, family))


@helper
def fill_row(drive, sigma, other, law, out):
    """`fill_thresholds` of a stimulus: drive, sigma, other (neuron,); out (levels - 1, neuron)."""
    _fill_gaussian(drive, sigma, other, law.family, law.edges, out)
    _fill_exceptions(drive, sigma, other, law, out)


@helper
def _fill_stimulus(s, drive, sigma, other, law, out):
    fill_row(drive[s], sigma[s], other[s], law, out[s])


@kernel
def fill_thresholds(drive, sigma, other, law, out):
    """Write round(P(code < k | drive) 2^31) to out (stimulus, levels - 1, neuron), uint32.

    drive, sigma, other: (stimulus, neuron) float64; law: a `NeuronLaw`. Where both sigmas are 0 the
    code is certain: every threshold is 0 or 2^31.
    """
    run_tasks(_fill_stimulus, drive.shape[0], (drive, sigma, other, law, out))
